"""docs/modules.md and docs/modules-in-depth.md, the guide for feature teams: its commands do what it says, and its code
is what a reader gets by it.
"""

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
from tests.development.snippets import blocks_of, merged, write_into

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


def page(name):
    return blocks_of((trees.ROOT / "docs" / name).read_text())


class Reader:
    """Somebody who follows the guide in a copy of the tree."""

    def __init__(self, scaffolds):
        self.tree, self.url = scaffolds.tree, scaffolds.url

    def do(self, commands):
        """What the shell prints."""
        environment = trees.environment(self.tree) | {
            "DATABASE_URL": self.url,
            "TRELLIS_ENVIRONMENT": "development",
            "PATH": f"{self.tree / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        report = subprocess.run(
            ["sh", "-ec", commands], cwd=self.tree, env=environment, capture_output=True, text=True, check=False
        )
        assert report.returncode == 0, report.stdout + report.stderr
        return report.stdout


@pytest.fixture
def reader(tmp_path):
    with empty_database(os.environ[TEMPLATE]) as url:
        found = Scaffolds(tmp_path, url)
        scripts = {".venv/bin/trellis": '#!/bin/sh\nexec {python} -m app.cli "$@"\n', "bin/make": MAKE}
        for path, script in scripts.items():
            (found.tree / path).parent.mkdir(parents=True)
            (found.tree / path).write_text(script.format(python=sys.executable))
            (found.tree / path).chmod(0o755)
        yield Reader(found)


class TestTheGuide:
    def test_leads_from_nothing_to_a_module_that_is_whole_and_away_again(self, reader):
        told = reader.do("".join(block for language, block in page("modules.md") if language == "bash"))
        assert "invoices: nothing found." in told
        assert re.search(r"^[0-9]+ passed", told, re.MULTILINE), told
        assert not (reader.tree / "modules" / "invoices").exists()
        assert len([*(reader.tree / "migrations/versions/invoices").glob("*.py")]) == 3

    def test_shows_python(self):
        blocks = [block for language, block in page("modules.md") if language == "python"]
        assert blocks
        for block in blocks:
            ast.parse(dedent(block))


@pytest.mark.needs("projects")
class TestItsSecondPage:
    def test_makes_a_module_that_passes_its_tests_out_of_all_its_snippets(self, reader):
        """One whose rows are part of others and owned by accounts, with a nullable reference, an operation of its own,
        events, and what a neighbour adds.
        """
        told = ""
        for language, block in page("modules-in-depth.md"):
            if language == "python":
                write_into(reader.tree, block)
            else:
                told += reader.do(block)
        for module in ("remarks", "replies"):
            assert f"{module}: nothing found." in told
        assert len(re.findall(r"^[0-9]+ passed", told, re.MULTILINE)) == 2, told


FILE = '''"""What it is for."""

from a import b


class Box:
    """A box."""

    size: int

    @b
    def open(self):
        return 1


LIST = [Box]
'''
SNIPPET = '''from c import d


def first():
    """Before what needs it."""


class Box:
    def open(self):
        return d

    colour: str


LIST = [
    Box,
    first,
]


@d
def last(): ...
'''
MERGED = '''"""What it is for."""

from c import d
from a import b


def first():
    """Before what needs it."""


class Box:
    """A box."""

    size: int

    def open(self):
        return d

    colour: str


LIST = [
    Box,
    first,
]


@d
def last(): ...
'''


class TestASnippet:
    def test_is_written_into_its_file_as_a_reader_does(self):
        assert re.sub(r"\n\n+", "\n\n", merged(FILE, SNIPPET)).strip() == re.sub(r"\n\n+", "\n\n", MERGED).strip()

    def test_is_all_of_a_file_that_is_new(self):
        assert merged("", SNIPPET) == SNIPPET
