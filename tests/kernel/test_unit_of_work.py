"""Units of work, on a database that really commits."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import text

from shared.errors import Conflict, DomainError, Unavailable
from shared.http import problems
from shared.http.middleware import RequestContext
from shared.http.routing import Route
from shared.persistence.database import Database
from tests.database import clone

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


@pytest.fixture
async def real(settings, url) -> AsyncIterator[Database]:
    changes = {"database_url": url, "pool_size": 2, "pool_wait_seconds": 0.2, "statement_seconds": 1}
    database = Database(settings.model_copy(update=changes))
    yield database
    await database.close()


@pytest.fixture
async def http(real) -> AsyncIterator[AsyncClient]:
    """A client of a small application whose endpoints write as they are told."""
    router = APIRouter(route_class=Route)

    @router.post("/notes/{id}", status_code=201)
    async def post(id: int, parent: int | None = None, fail: bool = False, pause: float = 0) -> int:
        values = {"id": id, "parent": parent}
        await real.session.execute(text("INSERT INTO notes VALUES (:id, :parent, 1)"), values)
        await asyncio.sleep(pause)
        if fail:
            raise Conflict
        return id

    @router.get("/session")
    async def get_session() -> str:
        return str(real.session)

    app = FastAPI()
    app.state.database = real
    app.include_router(router)
    app.add_middleware(RequestContext, max_body_bytes=1000)
    problems.install(app)
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
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

    async def test_is_503_when_every_connection_is_in_use_and_others_go_on(self, http, note_ids):
        slow = [http.post(f"/notes/{n}", params={"pause": 1}) for n in range(4)]
        statuses = sorted(answer.status_code for answer in await asyncio.gather(*slow))
        assert statuses == [201, 201, 503, 503]
        assert len(note_ids()) == 2

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
        async with real.unit_of_work() as session:
            assert real.write_engine.pool.checkedout() == 0
            async with real.reading() as connection:
                assert (await connection.execute(text("SELECT 1"))).scalar() == 1
            assert real.write_engine.pool.checkedout() == 0
            await session.execute(text("SELECT 1"))
            assert real.write_engine.pool.checkedout() == 1

    async def test_reads_what_it_has_written(self, real, note_ids):
        async with real.unit_of_work() as session:
            await session.execute(text("INSERT INTO notes VALUES (1, NULL, 1)"))
            async with real.reading() as connection:
                assert (await connection.execute(text("SELECT count(*) FROM notes"))).scalar() == 1
            await session.rollback()
        assert note_ids() == []

    async def test_is_unknown_outside(self, real):
        with pytest.raises(RuntimeError, match="No unit of work is open"):
            _ = real.session


class TestWhatTheDatabaseRefuses:
    @pytest.mark.parametrize(
        ("statement", "error"),
        [
            ("INSERT INTO notes VALUES (1, NULL, 1), (1, NULL, 1)", "conflict"),
            ("INSERT INTO notes VALUES (1, NULL, -1)", "invalid"),
            ("SELECT 1 / 0", "invalid"),
            ("SELECT pg_sleep(5)", "unavailable"),
            ("SELECT pg_terminate_backend(pg_backend_pid())", "unavailable"),
            ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$", "unavailable"),
            ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", "unavailable"),
        ],
    )
    async def test_is_raised_as_a_domain_error(self, real, statement, error):
        with pytest.raises(DomainError) as raised:
            async with real.unit_of_work() as session:
                await session.execute(text(statement))
        assert raised.value.code == error

    async def test_is_raised_as_the_error_that_names_the_constraint(self, real, monkeypatch):
        class Taken(Conflict, constraint="pk_notes"):
            """There is such a note."""

        try:
            with pytest.raises(Taken):
                async with real.unit_of_work() as session:
                    await session.execute(text("INSERT INTO notes VALUES (1, NULL, 1), (1, NULL, 1)"))
        finally:
            del DomainError.by_constraint["pk_notes"], DomainError.catalogue["taken"]

    async def test_is_left_as_it_is_when_it_is_a_fault_of_ours(self, real):
        with pytest.raises(Exception, match="nowhere"):
            async with real.unit_of_work() as session:
                await session.execute(text("SELECT * FROM nowhere"))

    async def test_on_the_read_lane_too(self, real):
        with pytest.raises(Unavailable):
            async with real.reading() as connection:
                await connection.execute(text("SELECT pg_sleep(5)"))
