"""Units of work, on a database that really commits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import bindparam, column, func, insert, literal, select, table, text

from shared.errors import Conflict, DomainError, Unavailable
from shared.http.routes.authentication import PublicChange
from shared.http.routes.routing import Route
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.applications import client_of
from tests.database import clone
from tests.patience import PATIENCE

ONE = Statement(select(literal(1)))
SLOW = Statement(select(func.pg_sleep(PATIENCE)))
COUNT = Statement(select(func.count()).select_from(table("notes")))
NOTE = Statement(
    insert(table("notes", column("id"), column("parent_id"), column("amount"))).values(
        id=bindparam("id"), parent_id=bindparam("parent"), amount=1
    )
)
TABLES = """
    CREATE TABLE notes (
        id int CONSTRAINT pk_notes PRIMARY KEY,
        parent_id int CONSTRAINT fk_notes_parent_id REFERENCES notes DEFERRABLE INITIALLY DEFERRED,
        amount int CONSTRAINT ck_notes_amount CHECK (amount > 0)
    )
"""


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        yield url


@pytest.fixture
def note_ids(url):
    """Reads, on a connection of its own, what is committed."""

    def read() -> list[int]:
        with psycopg.connect(url) as connection:
            return [id for (id,) in connection.execute("SELECT id FROM notes ORDER BY id")]

    yield read
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM notes")


@asynccontextmanager
async def opened(settings, url, **changes) -> AsyncIterator[Database]:
    database = Database(settings.model_copy(update={"database_url": url, "pool_size": 2, **changes}))
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
async def real(settings, url) -> AsyncIterator[Database]:
    async with opened(settings, url) as database:
        yield database


@pytest.fixture
async def impatient(settings, url) -> AsyncIterator[Database]:
    """For who waits until a limit is reached."""
    async with opened(settings, url, pool_wait_seconds=0.2, statement_seconds=1) as database:
        yield database


@asynccontextmanager
async def writing(database, may_end: asyncio.Event | None = None) -> AsyncIterator[AsyncClient]:
    """A client of a small application whose endpoints write as they are told, and end when they may."""
    router = APIRouter(route_class=Route)

    @router.post("/notes/{id}", status_code=201)
    async def post(change: PublicChange, id: int, parent: int | None = None, fail: bool = False) -> int:
        await change.unit.execute(NOTE, {"id": id, "parent": parent})
        if may_end is not None:
            await may_end.wait()
        if fail:
            raise Conflict
        return id

    @router.get("/change")
    async def get_change(change: PublicChange) -> str:
        return str(change)

    async with client_of(router, database) as client:
        yield client


@pytest.fixture
async def http(real) -> AsyncIterator[AsyncClient]:
    async with writing(real) as client:
        yield client


class TestAStateChangingRequest:
    async def test_is_committed_when_it_answers(self, http, note_ids):
        assert (await http.post("/notes/1")).status_code == 201
        assert note_ids() == [1]

    async def test_is_committed_before_the_reply_is_sent(self, http, note_ids):
        """A constraint that is checked by COMMIT alone: had the reply been sent by then, it would be a 201."""
        answer = await http.post("/notes/1", params={"parent": 99})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert note_ids() == []

    async def test_is_rolled_back_whole_on_an_error(self, http, note_ids):
        assert (await http.post("/notes/1", params={"fail": True})).status_code == 409
        assert note_ids() == []

    async def test_has_a_session_of_its_own_among_many_at_once(self, http, note_ids):
        answers = await asyncio.gather(*(http.post(f"/notes/{n}", params={"fail": n % 2}) for n in range(20)))
        outcomes = {answer.status_code for answer in answers}
        assert outcomes <= {201, 409, 503}
        kept = [n for n, answer in enumerate(answers) if answer.status_code == 201]
        assert kept
        assert note_ids() == kept
        assert all(n % 2 == 0 for n in kept)

    async def test_is_503_when_every_connection_is_in_use_and_others_go_on(self, settings, url, note_ids):
        may_end = asyncio.Event()
        async with opened(settings, url, pool_wait_seconds=0.2) as database, writing(database, may_end) as http:
            asked = [asyncio.create_task(http.post(f"/notes/{n}")) for n in range(4)]
            assert [answer.status_code for answer in await asyncio.gather(*asked[2:])] == [503, 503]
            may_end.set()
            assert [answer.status_code for answer in await asyncio.gather(*asked[:2])] == [201, 201]
        assert note_ids() == [0, 1]

    async def test_leaves_no_connection_behind(self, http, real, note_ids):
        for n in range(10):
            await http.post(f"/notes/{n}", params={"fail": n % 2})
        assert real.write_lane.in_use == 0


class TestAReadingRequest:
    async def test_opens_none(self, http):
        assert (await http.get("/change")).status_code == 500


class TestAUnitOfWork:
    async def test_within_another_is_a_transaction_of_its_own(self, real, note_ids):
        """On a connection of its own: what becomes of the one is no matter to the other."""
        with suppress(ZeroDivisionError):
            async with real.unit_of_work() as outer:
                await outer.execute(NOTE, {"id": 1, "parent": None})
                async with real.unit_of_work() as inner:
                    assert await inner.execute(COUNT, {}) == [(0,)]
                    await inner.execute(NOTE, {"id": 2, "parent": None})
                with suppress(ZeroDivisionError):
                    async with real.unit_of_work() as inner:
                        await inner.execute(NOTE, {"id": 3, "parent": None})
                        raise ZeroDivisionError
                assert await outer.execute(COUNT, {}) == [(2,)]
                raise ZeroDivisionError
        assert note_ids() == [2]

    @pytest.mark.parametrize("by", ["wire", "command", "session"])
    async def test_takes_no_connection_before_its_first_statement(self, real, by):
        """Hashing a password takes 45 ms: a connection held meanwhile would be one that others wait for."""
        async with real.unit_of_work() as unit:
            assert real.write_lane.in_use == 0
            assert await real.read(ONE, {}) == [(1,)]
            assert real.write_lane.in_use == 0
            if by == "wire":
                await unit.execute(ONE, {})
            elif by == "command":
                await unit.command("SELECT 1")
            else:
                async with unit.orm():
                    pass
            assert real.write_lane.in_use == 1
        assert real.write_lane.in_use == 0

    async def test_reads_what_it_has_written(self, real, note_ids):
        """By its own statements: a read is another transaction."""
        with suppress(ZeroDivisionError):
            async with real.unit_of_work() as unit:
                await unit.execute(NOTE, {"id": 1, "parent": None})
                assert await unit.execute(COUNT, {}) == [(1,)]
                assert await real.read(COUNT, {}) == [(0,)]
                raise ZeroDivisionError
        assert note_ids() == []

    @pytest.mark.parametrize("uses_session", [False, True])
    async def test_leaves_nothing_behind_when_it_is_cancelled(self, real, uses_session):
        async def slow() -> None:
            async with real.unit_of_work() as unit:
                if uses_session:
                    async with unit.orm() as session:
                        await session.execute(text(f"SELECT pg_sleep({PATIENCE})"))
                await unit.execute(SLOW, {})

        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slow(), 0.1)
        assert real.write_lane.in_use == 0
        async with real.unit_of_work() as unit:
            assert await unit.execute(ONE, {}) == [(1,)]

    async def test_is_one_transaction_for_statements_and_the_session(self, real, note_ids):
        async def twice() -> None:
            async with real.unit_of_work() as unit:
                await unit.execute(NOTE, {"id": 1, "parent": None})
                async with unit.orm() as session:
                    await session.execute(text("INSERT INTO notes VALUES (2, NULL, 1)"))
                assert await unit.execute(COUNT, {}) == [(2,)]
                await unit.execute(NOTE, {"id": 1, "parent": None})

        with pytest.raises(Conflict):
            await twice()
        assert note_ids() == []

    @pytest.mark.parametrize("first", ["on a new connection", "on one at hand", "after another"])
    async def test_refuses_statements_at_once(self, real, first):
        """They would share a connection, or take two. It is a fault of the code, and told at once."""
        nap = Statement(select(func.pg_sleep(0.05)))
        if first != "on a new connection":
            async with real.unit_of_work() as unit:
                await unit.execute(nap, {})
        async with asyncio.timeout(PATIENCE):
            async with real.unit_of_work() as unit:
                if first == "after another":
                    await unit.execute(ONE, {})
                both = await asyncio.gather(*(unit.execute(nap, {}) for _ in range(2)), return_exceptions=True)
                assert sorted((type(outcome) for outcome in both), key=str) == [RuntimeError, list]
                assert await unit.execute(ONE, {}) == [(1,)]
        assert real.write_lane.in_use == 0

    async def test_has_its_variables_until_its_end(self, real):
        shown = Statement(select(func.current_setting("trellis.origin", True)))
        for by in ("wire", "command", "session"):
            async with real.unit_of_work(variables={"trellis.origin": f"by {by}"}) as unit:
                if by == "command":
                    await unit.command("SELECT 1")
                elif by == "session":
                    async with unit.orm() as session:
                        assert await session.scalar(text("SHOW trellis.origin")) == "by session"
                assert await unit.execute(shown, {}) == [(f"by {by}",)]
            async with real.unit_of_work() as unit:
                assert await unit.execute(shown, {}) == [("",)]

    async def test_that_is_a_dry_run_checks_all_and_keeps_nothing(self, real, note_ids):
        async with real.unit_of_work(dry_run=True) as unit:
            await unit.execute(NOTE, {"id": 1, "parent": None})
        with pytest.raises(Conflict):
            async with real.unit_of_work(dry_run=True) as unit:
                await unit.execute(NOTE, {"id": 1, "parent": 99})
        assert note_ids() == []
        assert real.write_lane.in_use == 0

    async def test_without_a_statement_sends_nothing(self, real):
        async with real.unit_of_work(variables={"trellis.origin": "nobody"}):
            pass
        async with real.unit_of_work(dry_run=True):
            pass
        assert real.write_lane.in_use == 0


class TestTheReadLane:
    async def test_hands_its_connections_on_to_who_waits(self, real):
        slow = Statement(select(func.pg_sleep(0.02), func.pg_backend_pid()))
        rows = await asyncio.gather(*(real.read(slow, {}) for _ in range(10)))
        assert len({pid for ((_, pid),) in rows}) <= 2
        assert len({pid for ((_, pid),) in await asyncio.gather(*(real.read(slow, {}) for _ in range(2)))}) == 2

    async def test_gives_a_connection_to_who_wants_one_for_longer(self, real):
        for _ in range(3):
            await asyncio.gather(*(real.read(Statement(select(func.pg_sleep(0.01))), {}) for _ in range(2)))
        async with real.reading() as first, real.reading() as second:
            assert first is not second

    async def test_is_503_when_every_connection_is_in_use(self, impatient):
        async with impatient.reading(), impatient.reading():
            with pytest.raises(Unavailable, match="in use"):
                await impatient.read(ONE, {})

    async def test_is_whole_again_after_a_read_was_cancelled(self, real):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(real.read(SLOW, {}), 0.1)
        assert [await real.read(ONE, {}) for _ in range(3)] == [[(1,)]] * 3


class TestWhatTheDatabaseRefuses:
    @pytest.mark.parametrize(
        ("statement", "error"),
        [
            ("INSERT INTO notes VALUES (1, NULL, 1), (1, NULL, 1)", "conflict"),
            ("INSERT INTO notes VALUES (1, NULL, -1)", "invalid"),
            ("SELECT 1 / 0", "invalid"),
            ("SELECT pg_terminate_backend(pg_backend_pid())", "unavailable"),
            ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$", "contended"),
            ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", "contended"),
        ],
    )
    @pytest.mark.parametrize("by", ["wire", "session"])
    async def test_is_raised_as_a_domain_error(self, real, statement, error, by):
        async def refused() -> None:
            async with real.unit_of_work() as unit:
                if by == "wire":
                    await unit.command(statement)
                async with unit.orm() as session:
                    await session.execute(text(statement))

        with pytest.raises(DomainError) as raised:
            await refused()
        assert raised.value.code == error

    async def test_is_raised_as_the_error_that_names_the_constraint(self, real, monkeypatch):
        class Taken(Conflict, constraint="pk_notes"):
            """There is such a note."""

        try:
            with pytest.raises(Taken):
                async with real.unit_of_work() as unit, unit.orm() as session:
                    await session.execute(text("INSERT INTO notes VALUES (1, NULL, 1), (1, NULL, 1)"))
        finally:
            del DomainError.by_constraint["pk_notes"], DomainError.catalogue["taken"]

    async def test_is_left_as_it_is_when_it_is_a_fault_of_ours(self, real):
        with pytest.raises(Exception, match="nowhere"):
            async with real.unit_of_work() as unit, unit.orm() as session:
                await session.execute(text("SELECT * FROM nowhere"))

    async def test_in_a_statement_that_takes_too_long_is_told_on_both_lanes(self, impatient):
        with pytest.raises(Unavailable):
            async with impatient.unit_of_work() as unit:
                await unit.execute(SLOW, {})
        with pytest.raises(Unavailable):
            async with impatient.unit_of_work() as unit, unit.orm() as session:
                await session.execute(text(f"SELECT pg_sleep({PATIENCE})"))
        with pytest.raises(Unavailable):
            await impatient.read(SLOW, {})

    async def test_is_no_matter_when_a_connection_was_lost_in_the_pool(self, real, url):
        """The server restarted meanwhile; reading again is harmless."""
        pid = Statement(select(func.pg_backend_pid()))
        ((first,),) = await real.read(pid, {})
        with psycopg.connect(url) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, %s)", [first, PATIENCE * 1000])
        ((second,),) = await real.read(pid, {})
        assert first != second
