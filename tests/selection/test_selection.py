"""Which tests a change reaches, and which are left out where a module is not there."""

import os
import re
import subprocess

import pytest

from tests.architecture import trees
from tests.database import TEMPLATE
from tests.selection.imports import Imports

FILES = {
    "modules/users/service.py": "from shared.errors import NotFound",
    "modules/users/tests/test_users.py": "import modules.users.service",
    "modules/tags/service.py": "from modules.users import service",
    "modules/tags/tests/factories.py": "from modules.tags.service import Tag",
    "modules/tags/tests/test_tags.py": "from . import factories",
    "shared/errors.py": "class NotFound: ...",
    "tests/making.py": "from modules.tags.tests.factories import TagFactory",
    "tests/contract/test_making.py": "from tests.making import made",
    "tests/contract/test_asking.py": "import pytest\npytestmark = pytest.mark.needs('tags')",
    "tests/contract/test_all.py": "from shared.manifest import discover",
    "tests/contract/test_other.py": "import json",
    "tests/pages/test_guide.py": "GUIDE = 'guide.md'",
    "tests/migrations/test_up.py": "import alembic",
}
IMPORTS = Imports(FILES)


def reached(*changed):
    return [path.rpartition("test_")[2].removesuffix(".py") for path in IMPORTS.reaching(changed)]


class TestAChange:
    @pytest.mark.parametrize("path", ["shared/errors.py", "app/cli.py", "conftest.py", "pyproject.toml"])
    def test_of_what_every_test_goes_through_reaches_all(self, path):
        assert len(reached(path)) == 8

    def test_of_a_module_reaches_those_that_import_it_ask_for_it_or_ask_for_all(self):
        """Through other modules and through what tests share, too."""
        assert reached("modules/tags/service.py") == ["tags", "all", "asking", "making"]
        assert reached("modules/users/service.py") == ["tags", "users", "all", "making"]

    def test_of_a_test_reaches_that_one(self):
        assert reached("modules/users/tests/test_users.py") == ["users"]
        assert reached("tests/contract/test_other.py") == ["other"]
        assert reached("tests/making.py") == ["making"]

    def test_of_a_migration_reaches_those_of_migrations_and_of_its_module(self):
        assert reached("migrations/versions/tags/tags_0002.py") == ["tags", "all", "asking", "making", "up"]

    def test_of_a_document_reaches_the_tests_that_name_it(self):
        assert reached("docs/guide/guide.md") == ["guide"]
        assert reached("docs/other.md") == []


class TestATestOfAModuleThatIsNotThere:
    @pytest.mark.parametrize(
        ("path", "missing"),
        [("tests/contract/test_making.py", {"tags"}), ("tests/contract/test_other.py", set())],
    )
    def test_is_known_by_what_it_imports(self, path, missing):
        there = {path: text for path, text in FILES.items() if not path.startswith("modules/tags")}
        assert Imports(there).missing(path) == missing

    def test_is_not_collected(self, tmp_path):
        """Neither a file that imports it, nor a test that is marked."""
        tree = trees.copied(tmp_path, "users")
        (tree / "tests/planted").mkdir()
        (tree / "tests/planted/test_marked.py").write_text(
            "import pytest\n@pytest.mark.needs('tags')\ndef test_with(): ...\n"
            "@pytest.mark.needs('users')\ndef test_without(): ...\n"
        )
        (tree / "tests/planted/test_imports_it.py").write_text("import modules.tags.models\ndef test_it(): ...\n")
        arguments = ("tests/planted", "-n0", "-p", "no:cacheprovider")
        report = trees.run(tree, "-m", "pytest", *arguments, DATABASE_URL=os.environ[TEMPLATE])
        assert report.returncode == 0, report.stdout + report.stderr
        assert "1 passed, 1 deselected" in report.stdout


class TestMakeTest:
    @pytest.fixture
    def made(self):
        """What `make test` would run."""

        def commands(**variables):
            given = [f"{name}={value}" for name, value in variables.items()]
            ours = ("MAKE", "PYTEST", "MODULE", "CHANGED")  # This may run within a make itself.
            bare = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
            made = subprocess.run(
                ["make", "-n", "test", *given], cwd=trees.ROOT, env=bare, capture_output=True, text=True, check=True
            )
            (command,) = re.findall(r"^\.venv/bin/(.*)$", made.stdout, re.MULTILINE)[-1:]
            return " ".join(command.split())

        return commands

    def test_runs_everything_a_module_or_what_changed(self, made):
        assert made() == "pytest"
        assert made(PYTEST="--cov") == "pytest --cov"
        assert made(MODULE="tags", PYTEST="-x") == "python -m tests.selection --module tags -- -x"
        assert made(CHANGED="1") == "python -m tests.selection --changed 1 --"
