"""Each module with what it requires and nothing else: its tests pass in a tree that has no other module."""

import os

import pytest

from shared.manifest import Module, discover
from tests.architecture import trees
from tests.database import TEMPLATE

BY_NAME = {module.name: module for module in discover()}

LIST = """
from shared.manifest import discover
from shared.rows.models import Model
print(*(module.name for module in discover()), *sorted(Model.metadata.tables))
"""


PARTS = [
    pytest.param(module, trees.closure([module.name]), id=module.name)
    for module in BY_NAME.values()
    if trees.closure([module.name]) < BY_NAME.keys()
]
"""The modules that can stand without all of the others. For the rest, the whole suite is that test."""


@pytest.mark.parametrize(("module", "needed"), PARTS)
class TestAlone:
    def test_the_tests_of_a_module_pass(self, tmp_path, module: Module, needed):
        """A module is tested with exactly its dependencies: routes, tables, migrations and all. Those of its contract
        name nobody else: tests/development runs them for a module in a tree.
        """
        tree = trees.copied(tmp_path, *needed)
        tests = (f"modules/{module.name}", f"--ignore=modules/{module.name}/tests/test_contract.py")
        # The tree makes a template of its own, with its own migrations alone, on the server that runs already.
        report = trees.run(
            tree, "-m", "pytest", *tests, "-n0", "-p", "no:cacheprovider", "-x", DATABASE_URL=os.environ[TEMPLATE]
        )
        assert report.returncode == 0, report.stdout + report.stderr
        assert " passed" in report.stdout

    def test_nothing_of_the_others_is_there(self, tmp_path, module: Module, needed):
        """The test above proves something: the tree's interpreter sees only what was copied."""
        tree = trees.copied(tmp_path, *needed)
        seen = trees.run(tree, "-c", LIST).stdout.split()
        assert frozenset(seen) & BY_NAME.keys() >= needed
        absent = BY_NAME.keys() - needed
        for name in absent:
            assert name not in seen
            assert "ModuleNotFoundError" in trees.run(tree, "-c", f"import modules.{name}").stderr
