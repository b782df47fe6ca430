"""docs/architecture.md against the code: its picture, its ways, and what it and the other documents name."""

import re
import tomllib
from collections.abc import Sequence

import pytest

from tests.architecture.trees import PYPROJECT, ROOT, run
from tests.architecture.ways import Ways, flaw, is_known, ways_in

DOCUMENT = ROOT / "docs" / "architecture.md"
RECORDS = ROOT / "docs" / "decisions"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LISTED = ways_in(DOCUMENT.read_text())

Floors = dict[str, list[set[str]]]
"""By the package, its floors from the top: of each, the names of the packages and modules on it."""


def floors_in(text: str) -> Floors:
    """Those of the picture: what is indented is inside of the line above; several names on a line share a floor."""
    (picture,) = re.findall(r"^```text floors\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    floors: Floors = {"": []}
    inside: list[str] = [""]
    for line in picture.splitlines():
        indent, names = re.match(r"( *)(\S+(?: \S+)*)", line).groups()
        inside = inside[: len(indent) // 2 + 1]
        parent = inside[-1]
        floors.setdefault(parent, []).append(set(names.split(" ")))
        inside.append(f"{parent}.{names}".lstrip("."))
    return floors


def floors_held() -> Floors:
    """Those that import-linter holds."""
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    return {
        container: [set(re.split(r" [:|] ", layer)) for layer in contract["layers"]]
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract.get("containers", [""])
    }


@pytest.fixture(scope="module")
def ways() -> Ways:
    """The ways as they are: of an application in a process of its own, on a database whose transactions are real."""
    report = run(ROOT, "-m", "tests.architecture.ways")
    assert report.returncode == 0, report.stderr
    return ways_in(report.stdout)


class TestThePicture:
    def test_has_the_floors_that_the_linter_holds(self):
        """Package by package, from the top."""
        assert floors_in(DOCUMENT.read_text()) == floors_held()

    def test_is_read_floor_by_floor(self):
        """The check above does look at something: a floor that is missing, and one that is elsewhere, differ."""
        text = "```text floors\napp  what is on top\nshared\n  wire rows  two of a floor\n  http\n    edge\n```\n"
        assert floors_in(text) == {
            "": [{"app"}, {"shared"}],
            "shared": [{"wire", "rows"}, {"http"}],
            "shared.http": [{"edge"}],
        }


class TestAWay:
    def test_is_listed_for_each_request(self, ways):
        """A read, a create, a patch and a poll of the change feed."""
        assert list(LISTED) == list(ways)

    @pytest.mark.parametrize("way", LISTED)
    def test_passes_the_functions_that_are_listed_in_their_order(self, ways, way):
        """Others may come between. `python -m tests.architecture.ways` prints all of them."""
        assert flaw(LISTED[way], ways[way]) is None

    @pytest.mark.parametrize(
        ("listed", "found"),
        [
            (["shared.turns.turn", "app.asgi.create_app"], None),
            (
                ["app.asgi.create_app", "shared.turns.turn"],
                "The request passes shared.turns.turn before app.asgi.create_app.",
            ),
            (["shared.turns.turn", "shared.turns.Turns.of"], "The request does not pass shared.turns.Turns.of."),
            (["shared.turns.turn", "shared.turns.Turns.no"], "There is no shared.turns.Turns.no."),
        ],
    )
    def test_that_is_wrong_is_found(self, listed, found):
        """A wrong order, a function that is not passed, and one that is not there."""
        passed: Sequence[str] = ["shared.turns.turn", "shared.keys.derived", "app.asgi.create_app"]
        assert flaw(listed, passed) == found


class TestEveryDocument:
    @pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_names_what_is_there(self, document):
        """Modules, classes and functions by their dotted names, tests by their ids, targets of make, files by links."""
        text = document.read_text()
        dotted = re.findall(r"`((?:app|modules|shared|tests)(?:\.\w+)+)(?:\(\))?`", text)
        assert [name for name in dotted if not is_known(name)] == []
        tests = re.findall(r"`((?:tests|modules)/[\w/]+\.py)(?:::([\w:]+))?`", text)
        assert [test for test in tests if not is_known(_dotted(*test))] == []
        targets = re.findall(r"`make ([a-z-]+)", text)
        rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(targets) <= set(rules)
        links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        assert [link for link in links if not (document.parent / link).exists()] == []


class TestTheRecords:
    def test_are_numbered_and_all_in_the_index(self):
        """docs/decisions/README.md has a line for each, by its title, in the order of the numbers."""
        index = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)", (RECORDS / "README.md").read_text(), re.MULTILINE)
        files = sorted(path.name for path in RECORDS.glob("[0-9]*.md"))
        assert [file for _, _, file in index] == files
        for number, title, file in index:
            assert (RECORDS / file).read_text().startswith(f"# {number}. {title}\n")
            assert file.startswith(f"{int(number):04d}-")


def _dotted(file: str, inside: str) -> str:
    return ".".join([*file.removesuffix(".py").split("/"), *(name for name in inside.split("::") if name)])
