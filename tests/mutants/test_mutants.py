"""The tool that finds what no test sees, on a house of three lines."""

import shutil
from pathlib import Path

import pytest

from tests.mutants.__main__ import Court, sample
from tests.mutants.mutations import mutants
from tests.mutants.reach import Reach, measure
from tests.mutants.trees import Tree

AGES = '''
"""Ages, in years."""
import logging
from dataclasses import dataclass

log = logging.getLogger("ages")


@dataclass(eq=False)
class Guest:
    """Somebody."""


def may_enter(age: int = 18 - 0) -> bool:
    """Whether it is 18."""
    log.info("Somebody is %s years old.", age)
    assert age is not None
    return age >= 18
'''
TEST = """
import time

from shared.ages import may_enter

guests = []


def test_children_may_not_enter():
    time.sleep(0.5)
    assert not may_enter(17)
    guests.append(17)


def test_grown_ups_may_enter():
    time.sleep(0.5)
    assert may_enter(40)


def test_leans_on_the_first_one_and_is_quicker():
    assert may_enter(40) or guests
    assert guests
"""


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    for name, content in {"shared/ages.py": AGES, "tests/test_ages.py": TEST}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(content)
    (folder / "tests/mutants").mkdir()
    for plugin in ("choosing.py", "measuring.py"):
        shutil.copy(Path(__file__).with_name(plugin), folder / "tests/mutants")
    return Tree(folder)


def differences(tree):
    return {mutant.difference().splitlines()[-1].strip() for mutant in mutants(tree.folder, "shared")}


class TestMutants:
    def test_are_of_what_is_code(self, tree):
        """Of operators of mutmut's and of ours."""
        assert differences(tree) == {
            "+def may_enter(age: int = 19 - 0) -> bool:",
            "+def may_enter(age: int = 18 + 0) -> bool:",
            "+def may_enter(age: int = 18 - 1) -> bool:",
            "+    return None",
            "+    return age > 18",
            "+    return age >= 19",
        }

    def test_keep_their_names_when_lines_move(self, tree):
        before = {mutant.id for mutant in mutants(tree.folder, "shared")}
        file = tree.folder / "shared/ages.py"
        file.write_text("MOST = 120\n" + file.read_text().replace("    log.info", "\n    log.info"))
        assert before < {mutant.id for mutant in mutants(tree.folder, "shared")}

    def test_are_sampled_alike_with_one_seed(self, tree):
        found = list(mutants(tree.folder, "shared"))
        assert sample(found, 3, seed=1) == sample(reversed(found), 3, seed=1)
        assert len({mutant.operator for mutant in sample(found, 3, seed=1)}) == 3


class TestTheCourt:
    def test_kills_what_a_test_sees_and_lets_the_rest_survive(self, tree, tmp_path, monkeypatch):
        """A test that fails without a mutant, too, is no witness."""
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # Most would only take their time to start.
        monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin,pytest_timeout")
        measure(tree, tmp_path, jobs=1)
        court = Court([tree], "", Reach(tmp_path), most=10, seconds=60)
        by_change = {mutant.difference().splitlines()[-1].strip(): mutant for mutant in mutants(tree.folder, "shared")}
        unseen = court.judge(by_change["+    return age > 18"])
        assert (unseen.killer, unseen.tried, unseen.reaching) == ("", 2, 3)
        assert court.judge(by_change["+    return None"]).killer == "tests/test_ages.py::test_grown_ups_may_enter"
        assert (tree.folder / "shared/ages.py").read_text() == AGES
