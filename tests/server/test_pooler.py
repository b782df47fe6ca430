"""Behind PgBouncer in transaction mode: every transaction may be on another connection, and no setting is lost."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import psycopg
import pytest
from sqlalchemy import bindparam, func, literal, select
from sqlalchemy import text as sql_text
from sqlalchemy.types import Text

from app.asgi import create_app
from shared.errors import Invalid, Unavailable
from shared.settings import Settings
from shared.wire.connection import connector
from shared.wire.database import Database
from shared.wire.direct import NOT_DIRECT
from shared.wire.statements import Statement
from tests.database import clone, url_with
from tests.jobs.conftest import Garden
from tests.jobs.planted import LATER, TABLES, planted
from tests.jobs.workers import worker
from tests.patience import PATIENCE, eventually
from tests.pooler import needs_pgbouncer, pooling
from tests.reliability.upgrade import first_session
from tests.servers import serving, trellis

pytestmark = needs_pgbouncer

SETTING = Statement(select(func.current_setting(bindparam("name", type_=Text()))))
SLOW = Statement(select(func.pg_sleep(30)))
PREPARED = Statement(select(func.count()).select_from(sql_text("pg_prepared_statements")))
PINNED = {
    "statement_timeout": "1min",
    "idle_in_transaction_session_timeout": "2min",
    "timezone": "UTC",
    "bytea_output": "hex",
    "jit": "off",
}
"""The database has others for some, and no timeouts."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with clone("pooler") as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
            for setting in ("timezone = 'Asia/Tokyo'", "bytea_output = 'escape'"):
                connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET {setting}')
        yield url


@pytest.fixture(scope="module")
def pooled(url) -> Iterator[str]:
    """With two connections to PostgreSQL, fewer than any test has clients."""
    with pooling(url) as pooled:
        yield pooled


def settings_on(url: str, pooled: str | None, seconds: float = 60) -> Settings:
    return Settings(
        DATABASE_URL=url,
        pooled_url=pooled,
        environment="development",
        secret="a secret for tests, 32 bytes or more",
        pool_wait_seconds=PATIENCE,
        statement_seconds=seconds,
    )


@pytest.fixture
async def database(url, pooled) -> AsyncIterator[Database]:
    database = Database(settings_on(url, pooled))
    yield database
    await database.close()


async def read(database: Database, statement: Statement, **values: object):
    return await database.read(statement, values)


async def execute(database: Database, statement: Statement, **values: object):
    async with database.unit_of_work() as unit:
        return await unit.execute(statement, values)


async def execute_by_session(database: Database, statement: Statement, **values: object):
    async with database.unit_of_work() as unit:
        async with unit.orm() as session:
            await session.execute(sql_text("SELECT 1"))
        return await unit.execute(statement, values)


async def stream(database: Database, statement: Statement, **values: object):
    return [row async for rows in database.stream(statement, values) for row in rows]


WAYS = [read, execute, execute_by_session, stream]


@pytest.mark.parametrize("way", WAYS)
class TestAStatement:
    async def test_has_the_settings_that_the_code_relies_on(self, database, way):
        for name, value in PINNED.items():
            assert [*await way(database, SETTING, name=name)] == [(value,)], name

    async def test_that_is_slow_is_ended_by_its_timeout(self, url, pooled, way, monkeypatch):
        """By PostgreSQL, and so before the wire gives up."""
        monkeypatch.setattr("shared.wire.connection.GRACE_SECONDS", PATIENCE)
        database = Database(settings_on(url, pooled, seconds=1))
        try:
            with pytest.raises((Unavailable, psycopg.errors.QueryCanceled)) as refused:
                await way(database, SLOW)
            cause = refused.value if isinstance(refused.value, psycopg.Error) else refused.value.__cause__
            assert isinstance(cause, psycopg.errors.QueryCanceled)
        finally:
            await database.close()

    async def test_leaves_nothing_behind_for_others(self, database, pooled, way):
        """Neither settings nor prepared statements."""
        await asyncio.gather(*(way(database, SETTING, name="jit") for _ in range(2)))
        with psycopg.connect(pooled, autocommit=True) as other:
            for _ in range(4):
                assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
                assert other.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)

    async def test_of_many_at_once_gets_its_own_answer(self, database, way):
        """Twenty clients, each with statements of its own, share two connections."""
        statements = [Statement(select(literal(str(number)))) for number in range(20)]
        at_once = asyncio.Semaphore(5 if way is stream else 20)

        async def ask(statement: Statement):
            async with at_once:
                return [[*await way(database, statement)] for _ in range(3)]

        answers = await asyncio.gather(*map(ask, statements))
        assert answers == [[[(str(number),)]] * 3 for number in range(20)]


class TestAnErrorInARead:
    async def test_costs_no_connection(self, database):
        """It ends the pipeline's transaction, and the connection serves on."""
        with pytest.raises(Invalid):
            await database.read(Statement(select(sql_text("1 / 0"))), {})
        assert len(database.read_lane._at_hand) == 1
        assert await read(database, SETTING, name="jit") == [("off",)]


class TestAStatementsName:
    def test_is_the_same_for_the_same_text_alone(self):
        """Two processes never mean different statements by one name."""
        one, same = (Statement(select(literal(value))) for value in ("1", "2"))
        assert (one.text, one.name) == (same.text, same.name)
        assert len({one.name, PREPARED.name, SLOW.name, SETTING.name}) == 4

    async def test_is_prepared_once_for_twins(self, url):
        """Of two objects with one text, the second finds what the first has prepared."""
        database = Database(settings_on(url, None))
        try:
            for number in range(3):
                assert await read(database, Statement(select(literal(str(number))))) == [(str(number),)]
            ((count,),) = await read(database, PREPARED)
            assert count == 2
        finally:
            await database.close()


class TestAPoolerAsTheDatabase:
    """DATABASE_URL has to lead to PostgreSQL itself: what is asked for at the start of a connection is kept there."""

    @pytest.mark.parametrize("more", ["", "ignore_startup_parameters = options"], ids=["refuses", "ignores"])
    async def test_is_refused_in_a_sentence(self, url, more):
        """By commands, and by the lanes, one that drops our settings as well as one that says so."""
        with pooling(url, more=more) as pooled:
            migrated = trellis("migrate", DATABASE_URL=pooled)
            assert (migrated.returncode, migrated.stderr) == (
                1,
                f"trellis: The database cannot be reached: {NOT_DIRECT}.\n",
            )
            with pytest.raises(psycopg.OperationalError, match="TRELLIS_POOLED_URL to the pooler"):
                await connector(settings_on(pooled, None))()

    async def test_may_have_no_other_isolation_level(self, url, pooled):
        """It holds from BEGIN on, so no setting in the transaction mends it."""
        with clone("pooler") as other:
            with psycopg.connect(other) as connection:
                name = connection.info.dbname
                connection.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")
            with pytest.raises(psycopg.OperationalError, match="another isolation level"):
                await connector(settings_on(url, url_with(pooled, dbname=name)))()


class TestOptionsInTheUrl:
    def test_hold_behind_the_pooler(self, url, pooled):
        """Such as a search_path."""
        options = "-c search_path=here,public --work-mem=9MB"

        async def ask():
            database = Database(settings_on(url, url_with(pooled, options=options)))
            try:
                return [await read(database, SETTING, name=name) for name in ("search_path", "work_mem")]
            finally:
                await database.close()

        assert asyncio.run(ask()) == [[("here,public",)], [("9MB",)]]


class TestJobs:
    async def test_are_published_and_done_through_it(self, url, pooled, tmp_path):
        """The worker is told of them by PostgreSQL itself, and does them through the pooler."""
        application = planted(settings_on(url, pooled, PATIENCE))
        garden = Garden(url, application, create_app(application))
        plants = [await garden.grow() for _ in range(5)]
        with worker(url, tmp_path / "worker.log", TRELLIS_POOLED_URL=pooled):
            done = sorted(["audit.now", *LATER])
            await garden.until(lambda: all(garden.heard(plant) == done for plant in plants))
        await application.kernel.database().close()


@pytest.mark.needs("projects")
class TestAServer:
    def test_serves_the_first_session_of_the_readme(self, tmp_path, url, pooled):
        with serving(tmp_path, DATABASE_URL=url, TRELLIS_POOLED_URL=pooled) as server:
            printed, refused = first_session(server)
        assert refused == ["412", "204", "404", "401"]
        assert '"description":"For the roses"' in printed

    def test_serves_more_clients_than_the_pooler_has_connections(self, tmp_path, url, pooled):
        """Writes under keys, each asked for twice; then lists, an export and a batch."""
        with serving(tmp_path, DATABASE_URL=url, TRELLIS_POOLED_URL=pooled) as server:
            account = {"email": f"{uuid4()}@example.com", "password": "correct horse battery", "full_name": "Ann"}
            assert server.post("/api/v1/users", json=account).status_code == 201
            body = {"email": account["email"], "password": account["password"]}
            token = server.post("/api/v1/auth/sessions", json=body).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            names = [f"project {number}" for number in range(60)]
            with httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=PATIENCE) as http:

                def make(name: str) -> set[tuple[int, str]]:
                    keyed = {"Idempotency-Key": name}
                    answers = [http.post("/projects", json={"name": name}, headers=keyed) for _ in range(2)]
                    answers.append(http.get(f"/projects/{answers[0].json()['id']}"))
                    return {(answer.status_code, answer.json()["id"]) for answer in answers}

                with ThreadPoolExecutor(12) as clients:
                    made = list(clients.map(make, names))
                assert [len(outcomes) for outcomes in made] == [2] * 60
                exported = http.get("/projects/export").text
                assert sorted(json.loads(line)["name"] for line in exported.splitlines()) == sorted(names)
                operations = [{"method": "POST", "path": "/tags", "body": {"name": name}} for name in "ab"]
                assert http.post("/batch", json={"operations": operations}).status_code == 200
                assert http.get("/changes?limit=3").status_code == 200
            statuses = eventually(lambda: re.findall(r'"status":(\d+)', server.output()))
        assert not [status for status in statuses if status >= "400"]
