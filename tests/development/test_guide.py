"""docs/modules.md, the guide for feature teams: its commands do what it says, and its code is Python."""

import ast
import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from tests.architecture import trees
from tests.database import TEMPLATE, empty_database
from tests.development.scaffolds import Scaffolds

TEXT = (trees.ROOT / "docs" / "modules.md").read_text()
BLOCKS = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MAKE = """#!/bin/sh
# What the targets of the Makefile come to. A tree that is tested has no environment of its own.
set -e
for target in "$@"; do
    case $target in
        MODULE=*) {python} -m tests.selection --module "${{target#MODULE=}}" ;;
        openapi) {python} -m tests.openapi ;;
        apis) {python} -m tests.interfaces ;;
        test) ;;
        *) echo "no target $target"; exit 1 ;;
    esac
done
"""


@pytest.fixture
def scaffolds(tmp_path):
    with empty_database(os.environ[TEMPLATE]) as url:
        found = Scaffolds(tmp_path, url)
        scripts = {".venv/bin/trellis": '#!/bin/sh\nexec {python} -m app.cli "$@"\n', "bin/make": MAKE}
        for path, script in scripts.items():
            (found.tree / path).parent.mkdir(parents=True)
            (found.tree / path).write_text(script.format(python=sys.executable))
            (found.tree / path).chmod(0o755)
        yield found


class TestTheGuide:
    def test_leads_from_nothing_to_a_module_that_is_whole_and_away_again(self, scaffolds):
        commands = "".join(block for language, block in BLOCKS.findall(TEXT) if language == "bash")
        environment = trees.environment(scaffolds.tree) | {
            "DATABASE_URL": scaffolds.url,
            "TRELLIS_ENVIRONMENT": "development",
            "PATH": f"{scaffolds.tree / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        report = subprocess.run(
            ["sh", "-ec", commands], cwd=scaffolds.tree, env=environment, capture_output=True, text=True, check=False
        )
        assert report.returncode == 0, report.stdout + report.stderr
        assert "invoices: nothing found." in report.stdout
        assert re.search(r"^[0-9]+ passed", report.stdout, re.MULTILINE), report.stdout
        assert not (scaffolds.tree / "modules" / "invoices").exists()
        assert len([*(scaffolds.tree / "migrations/versions/invoices").glob("*.py")]) == 3

    def test_shows_python(self):
        blocks = [block for language, block in BLOCKS.findall(TEXT) if language == "python"]
        assert blocks
        for block in blocks:
            ast.parse(dedent(block))
