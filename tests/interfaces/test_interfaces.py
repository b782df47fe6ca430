"""What modules publish to others: modules/*/api.txt say it, and CHANGELOG.md names what breaks a neighbour."""

from textwrap import dedent

import pytest

from app.development.checking import Tree
from app.development.interfaces import differences, interface
from tests.interfaces.snapshots import interfaces, since_the_release, snapshot, written
from tests.openapi.document import CHANGELOG, unnamed

INTERFACES = interfaces()
API = """
    '''What others may know.'''
    from modules.things.errors import ThingNotFound
    from shared.events import Event
    from shared.writes import Api

    __all__ = ["THINGS", "ThingNotFound", "ThingRenamed", "ThingsApi", "found", "points"]

    THINGS = frozenset({"a"})
    points: ExtensionPoint[int] = ExtensionPoint("things.points")

    @dataclass(frozen=True)
    class ThingRenamed(Event, version=2):
        thing_id: UUID
        name: str | None = None
        _secret: int = 1

    class _Base(Api):
        async def held(self, change: Change) -> bool: ...

    class ThingsApi(_Base):
        resource = ThingRepository
        def named(self, names: Collection[str] = ()) -> int: ...
        def _inner(self) -> None: ...

    def found(id: UUID, /, *, deleted: bool = False) -> bool: ...
    def other() -> None: ...
"""
LINES = [
    "THINGS",
    "class ThingNotFound(NotFound)",
    "class ThingRenamed(Event, version=2)",
    "ThingRenamed.name: str | None",
    "ThingRenamed.thing_id: UUID",
    "class ThingsApi(_Base)",
    "ThingsApi.named(self, names: Collection[str]=()) -> int",
    "async ThingsApi.held(self, change: Change) -> bool",
    "found(id: UUID, /, *, deleted: bool=False) -> bool",
    "points: ExtensionPoint[int]",
]


class TestTheSnapshots:
    @pytest.mark.parametrize("name", INTERFACES)
    def test_are_what_the_modules_publish(self, name):
        kept = snapshot(name)
        assert kept.exists(), "Run `make apis`, and commit what it writes."
        assert kept.read_text(encoding="utf-8") == written(INTERFACES[name]), (
            "Run `make apis`, and commit what it writes."
        )

    def test_that_break_a_neighbour_are_named_in_the_changelog(self):
        """In the Unreleased section, in the words that this prints; prose may follow them."""
        assert unnamed(since_the_release(INTERFACES), CHANGELOG.read_text(encoding="utf-8")) == []


class TestAnInterface:
    def test_has_a_line_for_each_name_with_its_signature_or_its_fields(self):
        """Through the imports of the module, and without what is private or not published."""
        files = {
            "modules/things/api.py": dedent(API),
            "modules/things/errors.py": "class ThingNotFound(NotFound): ...\n",
        }
        assert interface(Tree(files), "things") == LINES

    def test_is_of_all_public_names_without_a_list_of_them(self):
        assert interface(Tree({"modules/things/api.py": "X: int = 1\n_Y = 2\ndef f(): ...\n"}), "things") == [
            "X: int",
            "f()",
        ]

    def test_of_a_module_without_an_api_is_empty(self):
        assert interface(Tree({"modules/things/service.py": ""}), "things") == []


class TestADifference:
    @pytest.mark.parametrize(
        ("old", "new", "is_breaking"),
        [
            ("f(a: int) -> int", "f(a: int, b: int=1) -> int", False),
            ("f(a: int) -> int", "f(a: int, b: int) -> int", True),
            ("f(a: int) -> int", "f(b: int) -> int", True),
            ("f(a: int) -> int", "f(a: int) -> str", True),
            ("f(a: int) -> int", "async f(a: int) -> int", True),
            ("f(a: dict[str, int]) -> int", "f(a: dict[str, int], *, b: int=1) -> int", False),
            ("E.name: str", "E.name: str | None", True),
            ("class E(Event)", "class E(Event, version=2)", True),
        ],
    )
    def test_is_breaking_where_the_old_use_no_longer_fits(self, old, new, is_breaking):
        assert differences("things", [old], [new]) == [(f"changed: `{old}` → `{new}` of things", is_breaking)]

    def test_is_told_of_what_comes_and_goes(self):
        """The sentence is the one that the changelog has to have."""
        assert differences("things", ["E.name: str"], ["E.age: int"]) == [
            ("removed: `E.name: str` of things", True),
            ("added: `E.age: int` of things", False),
        ]

    def test_has_to_be_named_in_the_changelog_if_it_breaks(self):
        (change,) = differences("things", ["E.name: str"], [])
        assert unnamed([change], "## Unreleased\n\n- Something else\n") == [change.sentence]
        assert unnamed([change], f"## Unreleased\n\n- {change.sentence}. Take the id.\n") == []
