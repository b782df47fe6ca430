"""Units of work, on a database that really commits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import column, func, insert, literal, select, table, text

from shared.errors import Conflict, DomainError, Unavailable
from shared.http.routes.routing import Route
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.applications import client_of
from tests.database import clone
from tests.patience import PATIENCE

SLOW = Statement(select(func.pg_sleep(PATIENCE)))
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
    async def post(id: int, parent: int | None = None, fail: bool = False) -> int:
        values = {"id": id, "parent": parent}
        await database.session.execute(text("INSERT INTO notes VALUES (:id, :parent, 1)"), values)
        if may_end is not None:
            await may_end.wait()
        if fail:
            raise Conflict
        return id

    @router.get("/session")
    async def get_session() -> str:
        return str(database.session)

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
        assert real.write_engine.pool.checkedout() == 0


class TestAReadingRequest:
    async def test_opens_none(self, http):
        assert (await http.get("/session")).status_code == 500


class TestAUnitOfWork:
    async def test_is_not_opened_within_another(self, real):
        async with real.unit_of_work():
            with pytest.raises(RuntimeError, match="open already"):
                async with real.unit_of_work():
                    pass

    async def test_takes_no_connection_before_its_first_statement(self, real):
        """Hashing a password takes 45 ms: a connection held meanwhile would be one that others wait for."""
        async with real.unit_of_work() as unit:
            assert real.write_engine.pool.checkedout() == 0
            assert await real.read(Statement(select(literal(1))), {}) == [(1,)]
            assert real.write_engine.pool.checkedout() == 0
            await unit.session.execute(text("SELECT 1"))
            assert real.write_engine.pool.checkedout() == 1

    async def test_reads_what_it_has_written(self, real, note_ids):
        async with real.unit_of_work() as unit:
            await unit.session.execute(text("INSERT INTO notes VALUES (1, NULL, 1)"))
            assert await real.read(Statement(select(func.count()).select_from(table("notes"))), {}) == [(1,)]
            await unit.session.rollback()
        assert note_ids() == []

    @pytest.mark.parametrize("uses_session", [False, True])
    async def test_leaves_nothing_behind_when_it_is_cancelled(self, real, uses_session):
        async def slow() -> None:
            async with real.unit_of_work() as unit:
                if uses_session:
                    await unit.session.execute(text("SELECT 1"))
                await unit.execute(SLOW, {})

        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slow(), 0.1)
        assert real.write_engine.pool.checkedout() == 0
        async with real.unit_of_work() as unit:
            assert await unit.execute(Statement(select(literal(1))), {}) == [(1,)]

    async def test_is_one_transaction_for_statements_and_the_session(self, real, note_ids):
        one = Statement(insert(table("notes", column("id"), column("amount"))).values(id=1, amount=1))
        count = Statement(select(func.count()).select_from(table("notes")))

        async def twice() -> None:
            async with real.unit_of_work() as unit:
                await unit.execute(one, {})
                await unit.session.execute(text("INSERT INTO notes VALUES (2, NULL, 1)"))
                assert await unit.execute(count, {}) == [(2,)]
                await unit.execute(one, {})

        with pytest.raises(Conflict):
            await twice()
        assert note_ids() == []

    async def test_is_unknown_outside(self, real):
        with pytest.raises(RuntimeError, match="No unit of work is open"):
            _ = real.session


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
                await impatient.read(Statement(select(literal(1))), {})

    async def test_is_whole_again_after_a_read_was_cancelled(self, real):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(real.read(SLOW, {}), 0.1)
        assert [await real.read(Statement(select(literal(1))), {}) for _ in range(3)] == [[(1,)]] * 3


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
    async def test_is_raised_as_a_domain_error(self, real, statement, error):
        with pytest.raises(DomainError) as raised:
            async with real.unit_of_work() as unit:
                await unit.session.execute(text(statement))
        assert raised.value.code == error

    async def test_is_raised_as_the_error_that_names_the_constraint(self, real, monkeypatch):
        class Taken(Conflict, constraint="pk_notes"):
            """There is such a note."""

        try:
            with pytest.raises(Taken):
                async with real.unit_of_work() as unit:
                    await unit.session.execute(text("INSERT INTO notes VALUES (1, NULL, 1), (1, NULL, 1)"))
        finally:
            del DomainError.by_constraint["pk_notes"], DomainError.catalogue["taken"]

    async def test_is_left_as_it_is_when_it_is_a_fault_of_ours(self, real):
        with pytest.raises(Exception, match="nowhere"):
            async with real.unit_of_work() as unit:
                await unit.session.execute(text("SELECT * FROM nowhere"))

    async def test_in_a_statement_that_takes_too_long_is_told_on_both_lanes(self, impatient):
        with pytest.raises(Unavailable):
            async with impatient.unit_of_work() as unit:
                await unit.session.execute(text(f"SELECT pg_sleep({PATIENCE})"))
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
