"""The arrows between packages, and that a forbidden one is found. Those between modules: violations."""

import re
import sys
from pathlib import Path

import pytest

from app.development.checking import objection
from tests.architecture import trees
from tests.architecture.trees import lint_imports, plant

REQUIRES = {"users": (), "tags": ("users",), "projects": ("users", "tags")}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy to break."""
    return trees.copied(tmp_path)


class TestTheTreeAsItIs:
    def test_keeps_every_contract(self):
        """`make lint` says so too; here it is part of the suite."""
        report = lint_imports(trees.ROOT)
        assert report.returncode == 0, report.stdout + report.stderr


class TestForbiddenImports:
    def test_the_kernel_imports_no_module(self, tree):
        """The kernel knows no module by name."""
        line = plant(tree, "shared/planted.py", "import modules.tags.api")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"shared.planted -> modules.tags.api (l.{line})" in report.stdout

    def test_the_kernel_does_not_import_the_composition_root(self, tree):
        """Nothing imports app."""
        line = plant(tree, "shared/planted.py", "import app.container")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"shared.planted -> app.container (l.{line})" in report.stdout

    def test_a_room_of_the_kernel_does_not_import_one_above_it(self, tree):
        """The wire knows no table."""
        line = plant(tree, "shared/wire/planted.py", "import shared.rows")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"shared.wire.planted -> shared.rows (l.{line})" in report.stdout
        assert "A room uses those below it." in report.stdout

    def test_every_room_of_the_kernel_has_its_floor(self, tree):
        """A new package is put in its place, or it is nobody's."""
        plant(tree, "shared/cellar.py", "import uuid")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert "cellar" in report.stdout

    def test_a_module_does_not_import_the_inside_of_a_room(self, tree):
        """What a room offers, its `__init__` names."""
        line = plant(tree, "modules/tags/service.py", "from shared.reads.listing import Page")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert (
            f"modules.tags.service (line {line}) imports shared.reads.listing: import from shared.reads, its face."
            in report.stdout
        )

    @pytest.mark.parametrize("package", ["fastapi", "dependency_injector"])
    def test_what_writes_does_not_know_http_or_injection(self, tree, package):
        """They stay at the edge and in containers, also out of files that no list of names foresaw."""
        line = plant(tree, "shared/writes/planted.py", f"import {package}")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"shared.writes.planted -> {package} (l.{line})" in report.stdout


class TestObjections:
    @pytest.mark.parametrize(
        ("importer", "imported"),
        [
            ("modules.projects.service", "modules.tags.api"),
            ("modules.projects.service", "modules.projects.repository"),
            ("modules.projects.service", "shared.errors"),
            ("modules.projects.tests.test_members", "modules.users.tests.factories"),
            ("modules.projects.tests.test_members", "modules.users.models"),
            ("modules.projects.tests.test_contract", "modules.users.tests.test_contract"),
            ("app.container", "shared.manifest"),
        ],
    )
    def test_there_is_none_against(self, importer, imported):
        """What a module's own files, and its tests, may import."""
        assert objection(importer, imported, REQUIRES) is None

    @pytest.mark.parametrize(
        ("importer", "imported"),
        [
            ("modules.projects.service", "modules.tags"),
            ("modules.projects.service", "modules.tags.api_internals"),
            ("modules.projects.service", "modules.users.models"),
            ("modules.projects.service", "modules.users.tests.factories"),
            ("modules.projects.tests.test_members", "modules.users.repository"),
            ("modules.projects.tests.test_members", "modules.users.tests.test_password"),
            ("modules.tags.tests.test_tags", "modules.projects.tests.factories"),
            ("modules.users.service", "modules.tags.api"),
            ("modules.unknown.service", "modules.tags.api"),
            ("modules", "modules.tags.api"),
            ("app.asgi", "modules.tags.api"),
        ],
    )
    def test_there_is_one_against(self, importer, imported):
        """The inside of a neighbour, a neighbour that is not required, and any module from outside of modules/."""
        assert objection(importer, imported, REQUIRES)


class TestAPattern:
    def test_is_one_that_every_python_matches_alike(self):
        """Before 3.11.5, possessive quantifiers of a group took what they should not (CPython's issue 106052)."""
        patterns = [
            (name, found.pattern if isinstance(found.pattern, str) else found.pattern.decode("latin-1"))
            for name, module in list(sys.modules.items())
            if name.split(".")[0] in {"app", "modules", "shared"}
            for found in vars(module).values()
            if isinstance(found, re.Pattern)
        ]
        assert len(patterns) > 10
        for name, pattern in patterns:
            outside_of_classes = re.sub(r"\[(?:\\.|[^\]\\])+\]|\\.", "x", pattern)
            assert not re.search(r"[*+?}]\+|\(\?>", outside_of_classes), (name, pattern)
