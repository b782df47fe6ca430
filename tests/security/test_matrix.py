"""The authorisation matrix, cell by cell: each is a real request, and a new operation without a row fails here."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response

from shared.http.routes import Route
from shared.manifest import discover
from tests.contract.described import OPERATIONS, Operation
from tests.security import matrix
from tests.security.matrix import DOCUMENT, Row, line_of, rows
from tests.security.world import World, key_of

pytestmark = pytest.mark.needs("projects")

STATED = rows()
COLUMNS = [*next(iter(STATED.values()))]
OF = {key_of(operation): operation for operation in OPERATIONS}
ENDED = {"deactivated", "deleted", "revoked", "expired"}


@pytest.fixture(scope="module")
async def world(app: Any, application: Any) -> AsyncIterator[World]:
    """Made once: what the requests change is forgotten."""
    async with application.kernel.database().rolled_back():
        yield await World.made(app, application)


def word_for(answer: Response, *, shows: bool, is_list: bool) -> str:
    """What the matrix says of an answer."""
    if answer.status_code in {400, 409, 422}:
        return "heard"
    if answer.status_code == 401 and answer.json()["code"] == "passkey_refused":
        return "heard"  # The passkey of the example is made up. Nothing is asked of who sends it.
    if not answer.is_success:
        return str(answer.status_code)
    return ("shows" if shows else "none") if is_list else "ok"


def is_list(operation: Operation) -> bool:
    """Whether the operation is about rows that its path does not name: what it shows depends on who asks."""
    names_none = not [name for name in operation.parameters("path") if name.endswith("_id")]
    reads = operation.method == "GET" or key_of(operation) in {"PATCH /projects", "DELETE /projects"}
    return names_none and reads and not operation.is_public and not operation.path.endswith("/me")


async def measured(world: World, operation: Operation) -> tuple[Row, dict[str, Response]]:
    """What everybody is answered, and how. What each of them changes is forgotten before the next one asks."""
    row, answers = {}, {}
    for actor in world.actors:
        async with world.application.kernel.database().forgetting():  # type: ignore[attr-defined]
            answer = answers[actor] = await world.ask(actor, operation)
        row[actor] = word_for(answer, shows=world.shows(actor, answer), is_list=is_list(operation))
    return row, answers


class TestTheTable:
    async def test_has_a_column_for_each_of_the_callers(self, world: World) -> None:
        assert [*world.actors] == COLUMNS

    def test_has_no_row_of_what_is_gone(self) -> None:
        gone = STATED.keys() - {key_of(operation) for operation in OPERATIONS}
        assert not gone, f"matrix.txt has rows of operations that are not there: take them out: {', '.join(gone)}."

    def test_stands_in_the_document(self) -> None:
        """As it is; a module that came since, or went, may be missing or there. If it does not stand there:
        `python -m tests.security.matrix --write`.
        """
        told = re.findall(r"^\| `(\w+ (/[\w-]+).*?)` \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
        paths = {path for _, path, _ in told}
        assert {operation: cells for operation, _, cells in told if operation in STATED} == {
            operation: " | ".join(row.values())
            for operation, row in STATED.items()
            if re.split(r"(?<=\w)/|\s", operation)[1] in paths
        }

    def test_opens_nothing_to_who_has_no_session(self) -> None:
        """Whoever reads the table may trust this: but for public operations, these columns say 401."""
        for operation in OPERATIONS:
            row = STATED.get(key_of(operation), {})
            if not operation.is_public:
                assert {row[column] for column in row if column in {"anonymous", *ENDED}} <= {"401"}


class TestTheTests:
    """They find what they look for."""

    async def test_find_an_operation_without_a_row(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        line = line_of("GET /tags", STATED["GET /tags"])
        monkeypatch.delitem(STATED, "GET /tags")
        with pytest.raises(pytest.fail.Exception, match=r"has no row in modules/tags/tests/matrix\.txt\.") as failure:
            await TestAnOperation().test_answers_everybody_as_stated(world, OF["GET /tags"], print)
        assert line in str(failure.value)

    async def test_find_a_cell_that_is_not_true(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        for key, actor, word in (("GET /tags", "outsider", "shows"), ("GET /tags/{tag_id}", "viewer", "404")):
            monkeypatch.setitem(STATED, key, STATED[key] | {actor: word})
            with pytest.raises(AssertionError):
                await TestAnOperation().test_answers_everybody_as_stated(world, OF[key], print)

    async def test_find_an_answer_that_tells_that_there_is_a_row(self, world: World) -> None:
        for key, actor in (("GET /tags/{tag_id}", "owner"), ("PATCH /tags/{tag_id}", "viewer")):
            answer = await world.ask(actor, OF[key])
            with pytest.raises(AssertionError):
                await _is_like_one_that_never_was(world, actor, OF[key], answer)

    @pytest.mark.parametrize("line", ["GET /x 401", "GET /x" + " 401" * (len(COLUMNS) - 1) + " maybe"])
    def test_find_a_line_that_does_not_fit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
        (tmp_path / "matrix.txt").write_text(f"{' '.join(COLUMNS)}\n{line}\n")
        monkeypatch.setattr(matrix, "OWN", tmp_path / "matrix.txt")
        with pytest.raises(
            ValueError, match=f"GET /x has to have {len(COLUMNS)} cells, each of them one of ok, shows, none, "
        ):
            rows()


class TestAnOperation:
    @pytest.mark.parametrize("operation", OPERATIONS, ids=key_of)
    async def test_answers_everybody_as_stated(self, world: World, operation: Operation, record_property: Any) -> None:
        """And where it refuses who does not see the row, or is not known, it answers to the byte what it answers about
        a row that never was.
        """
        found, answers = await measured(world, operation)
        stated = STATED.get(key_of(operation))
        if stated is None:
            pytest.fail(_advice(world, operation, found))
        assert found == stated, {actor: answers[actor].text for actor in found if found[actor] != stated[actor]}
        record_property("figure", f"{len(found)} cells of the authorisation matrix, each as stated")
        for actor, answer in answers.items():
            if found[actor] in {"401", "404"}:
                code = {"anonymous": "unauthenticated"}.get(actor, "invalid_token")
                assert answer.json()["code"] == code or answer.status_code == 404
                await _is_like_one_that_never_was(world, actor, operation, answer)


async def _is_like_one_that_never_was(world: World, actor: str, operation: Operation, answer: Response) -> None:
    names = world.values(operation)
    absent = await world.ask(actor, operation, about_nothing=True)
    content, asked = absent.content, absent.request.url.path.split("/")
    for place, part in enumerate(answer.request.url.path.split("/")):
        if part in names.values():  # The problem's `instance` is what was asked for.
            content = content.replace(asked[place].encode(), part.encode())
    assert (absent.status_code, content) == (answer.status_code, answer.content), actor
    assert absent.headers == answer.headers, actor


def place_of(operation: Operation) -> str:
    """The file that says what the operation answers to whom: that of the module whose endpoint it is."""
    for module in discover():
        for route in module.router.routes:
            if isinstance(route, Route) and (route.path, {operation.method}) == (operation.path, route.methods):
                return f"modules/{module.name}/tests/matrix.txt"
    return "tests/security/matrix.txt"


def _advice(world: World, operation: Operation, found: Row) -> str:
    unknown = "".join(f" World has no row for {{{name}}}: make one first." for name in world.unknown(operation))
    return (
        f"{key_of(operation)} has no row in {place_of(operation)}.{unknown} Now it answers as the line below says. "
        "Ask of each cell whether that is right, mend what is not, and add the line.\n\n"
        f"{line_of(key_of(operation), found)}\n"
    )
