"""The arrows between packages and modules, and that a forbidden one is found."""

import re
import sys
from pathlib import Path

import pytest

from tests.architecture import trees
from tests.architecture.contracts import objection
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
        assert (
            f"shared.planted (line {line}) imports modules.tags.api: "
            "outside of modules/ no module is known by name, so take it from the manifests." in report.stdout
        )
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

    def test_a_module_does_not_import_the_composition_root(self, tree):
        """Nothing imports app."""
        line = plant(tree, "modules/tags/planted.py", "from app.container import compose")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"modules.tags.planted -> app.container (l.{line})" in report.stdout
        assert "Move what both need down into shared, or let the lower one leave an extension point" in report.stdout

    def test_a_module_does_not_import_the_inside_of_another(self, tree):
        """A declared requirement opens the api, and nothing behind it."""
        line = plant(tree, "modules/tags/service.py", "from modules.users.repository import UserRepository")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert (
            f"modules.tags.service (line {line}) imports modules.users.repository: "
            "take what it needs from modules.users.api, or have that offer it." in report.stdout
        )

    def test_a_module_does_not_import_one_that_its_manifest_does_not_require(self, tree):
        """The manifest is the single source of truth of what a module needs."""
        line = plant(tree, "modules/users/planted.py", "from modules.tags.api import TagsApi")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert (
            f"modules.users.planted (line {line}) imports modules.tags.api: "
            "name 'tags' in `requires` of modules/users/module.py, or do without." in report.stdout
        )

    @pytest.mark.parametrize("layer", ["service", "sessions"])
    def test_what_holds_the_rules_does_not_import_fastapi(self, tree, layer):
        """HTTP stays at the edge, also out of files that no list of names foresaw."""
        line = plant(tree, f"modules/users/{layer}.py", "from fastapi import HTTPException")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"modules.users.{layer} -> fastapi (l.{line})" in report.stdout
        assert "Only routers speak HTTP: raise a domain error, and let the kernel translate it." in report.stdout

    def test_a_service_does_not_import_http_by_way_of_the_kernel(self, tree):
        """The kernel's HTTP side is no way around."""
        line = plant(tree, "modules/tags/service.py", "from shared.http.edge.problems import problem")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"modules.tags.service -> shared.http.edge.problems (l.{line})" in report.stdout

    def test_a_repository_does_not_import_dependency_injector(self, tree):
        """Services and repositories are plain classes."""
        line = plant(tree, "modules/tags/repository.py", "from dependency_injector.wiring import inject")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"modules.tags.repository -> dependency_injector (l.{line})" in report.stdout
        assert "Take what is needed as an argument of the constructor" in report.stdout

    def test_the_application_does_not_import_tests(self, tree):
        """Factories make rows for tests only."""
        line = plant(tree, "modules/tags/service.py", "import modules.tags.tests.factories")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert f"modules.tags.service -> modules.tags.tests.factories (l.{line})" in report.stdout

    def test_modules_that_do_not_load_are_reported_and_not_a_traceback(self, tree):
        """An import in a circle, as an undeclared one easily is, still gets its sentence."""
        module = tree / "modules/users/api.py"
        module.write_text(f"import modules.projects.service\n{module.read_text()}")
        report = lint_imports(tree)
        assert report.returncode == 1
        assert "Nothing tells what the modules require, as they do not load: " in report.stdout
        assert "modules.users.api (line 1) imports modules.projects.service: take what it needs" in report.stdout


class TestObjections:
    @pytest.mark.parametrize(
        ("importer", "imported"),
        [
            ("modules.projects.service", "modules.tags.api"),
            ("modules.projects.service", "modules.projects.repository"),
            ("modules.projects.service", "shared.errors"),
            ("modules.projects.tests.test_members", "modules.users.tests.factories"),
            ("modules.projects.tests.test_members", "modules.users.models"),
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
