"""Reads from streaming replicas: whoever has written sees it, whatever the replicas do."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest
from httpx2 import AsyncClient
from sqlalchemy import bindparam, func, insert, literal_column, select, table
from sqlalchemy import column as sql_column

from app.asgi import create_app
from app.checks import concerns
from app.container import Application, compose
from app.migrations import upgrade
from shared.errors import Unavailable
from shared.http.edge.consistency import MOST_SESSIONS, Positions
from shared.manifest import discover
from shared.settings import Settings
from shared.wire import connection, replicas
from shared.wire.database import Database
from shared.wire.replicas import Sight, sight
from shared.wire.statements import Statement
from tests.callers import anonymous
from tests.patience import PATIENCE, eventually
from tests.reliability.upgrade import first_session
from tests.servers import free_port, serving
from tests.standby import PostgreSQL, needs_standby, replicated

pytestmark = needs_standby

IN_RECOVERY = Statement(select(func.pg_is_in_recovery()))
COUNT = Statement(select(func.count()).select_from(table("seen")))
ADD = Statement(insert(table("seen", sql_column("n"))).values(n=bindparam("n")))


@pytest.fixture(scope="module")
def servers() -> Iterator[list[PostgreSQL]]:
    with replicated() as (primary, [standby]):
        primary.sql("CREATE DATABASE trellis")
        upgrade(primary.url("trellis"))
        primary.sql("CREATE TABLE seen (n int)", "trellis")
        yield [primary, standby]


@pytest.fixture
def primary(servers):
    return servers[0]


@pytest.fixture
def standby(servers) -> Iterator[PostgreSQL]:
    """Which has caught up, and goes on in the end."""
    primary, standby = servers
    wait_for(primary, standby)
    yield standby
    standby.sql("SELECT pg_wal_replay_resume()")
    wait_for(primary, standby)


def wait_for(primary: PostgreSQL, standby: PostgreSQL) -> None:
    ((position,),) = primary.sql("SELECT pg_current_wal_flush_lsn()::text")
    eventually(lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") == [(True,)])


def pause(standby: PostgreSQL) -> None:
    standby.sql("SELECT pg_wal_replay_pause()")
    eventually(lambda: standby.sql("SELECT pg_get_wal_replay_pause_state()") == [("paused",)])


def settings_on(primary: PostgreSQL, *standbys: PostgreSQL) -> Settings:
    return Settings(
        DATABASE_URL=primary.url("trellis"),
        replica_urls=" ".join(standby.url("trellis") for standby in standbys),
        environment="development",
        secret="a secret for tests, 32 bytes or more",
        argon2_memory_kib=8,
        argon2_iterations=1,
        pool_wait_seconds=PATIENCE,
        statement_seconds=PATIENCE,
    )


@asynccontextmanager
async def database_on(primary: PostgreSQL, *standbys: PostgreSQL) -> AsyncIterator[Database]:
    database = Database(settings_on(primary, *standbys))
    try:
        yield database
    finally:
        await database.close()


async def read(database: Database, statement: Statement, needed: int | None = 0):
    given = sight.set(Sight(needed))
    try:
        ((found,),) = await database.read(statement, {})
        return found
    finally:
        sight.reset(given)


async def write(database: Database) -> int:
    """The position."""
    seen = Sight(None)
    given = sight.set(seen)
    try:
        async with database.unit_of_work() as unit:
            await unit.execute(ADD, {"n": 1})
    finally:
        sight.reset(given)
    return seen.written


async def at_replica(database: Database) -> None:
    """Once it is known where the replica is."""
    await until(lambda: read(database, IN_RECOVERY), True)


async def until(ask, wanted) -> None:
    async with asyncio.timeout(PATIENCE):
        while await ask() is not wanted:  # noqa: ASYNC110 (in a server)
            await asyncio.sleep(0.01)


class TestARead:
    async def test_goes_to_a_replica_when_a_request_asks_for_nothing_newer(self, primary, standby):
        async with database_on(primary, standby) as database:
            await at_replica(database)

    async def test_of_no_request_goes_to_the_primary(self, primary, standby):
        """Nor that of a change, of a job or of a command."""
        async with database_on(primary, standby) as database:
            await at_replica(database)
            assert await database.read(IN_RECOVERY, {}) == [(False,)]
            assert await read(database, IN_RECOVERY, None) is False

    async def test_that_needs_a_position_waits_for_a_replica_that_has_it(self, primary, standby):
        async with database_on(primary, standby) as database:
            await at_replica(database)
            before = await read(database, COUNT, None)
            for number in range(1, 30):
                position = await write(database)
                assert await read(database, COUNT, position) == before + number

    async def test_does_not_wait_for_one_that_stands_still(self, primary, standby, monkeypatch):
        """It has waited once; from then on it goes to the primary, until the replica moves."""
        monkeypatch.setattr(replicas, "WAIT_SECONDS", 0.01)
        async with database_on(primary, standby) as database:
            await at_replica(database)
            pause(standby)
            before = await read(database, COUNT, None)
            position = await write(database)
            assert await read(database, COUNT, position) == before + 1
            assert await read(database, IN_RECOVERY, position) is False
            assert await read(database, IN_RECOVERY) is True
            standby.sql("SELECT pg_wal_replay_resume()")
            await until(lambda: read(database, IN_RECOVERY, position), True)

    async def test_of_a_replica_that_was_started_again_sees_no_less(self, primary, standby):
        """What was known of it before is not believed: the statement itself asks."""
        async with database_on(primary, standby) as database:
            await at_replica(database)
            position = await write(database)
            pause(standby)
            (replica,) = database._replicas._replicas
            replica.position = position + (1 << 40)
            count = await read(database, COUNT, None)
            later = await write(database)
            assert await read(database, COUNT, later) == count + 1

    async def test_that_fails_fails_as_at_the_primary(self, primary, standby):
        async with database_on(primary, standby) as database:
            await at_replica(database)
            with pytest.raises(psycopg.errors.UndefinedTable):
                await read(database, Statement(select(literal_column("1")).select_from(table("nowhere"))))

    async def test_that_a_replica_cannot_answer_is_answered_by_the_primary(self, primary, standby):
        """Such as that of a version whose migration it has not replayed. It goes on answering others."""
        async with database_on(primary, standby) as database:
            await at_replica(database)
            pause(standby)
            primary.sql("ALTER TABLE seen ADD more int", "trellis")
            more = Statement(select(func.count(sql_column("more"))).select_from(table("seen")))
            assert await read(database, more) == 0
            assert await read(database, IN_RECOVERY) is True
            primary.sql("ALTER TABLE seen DROP more", "trellis")


class TestTheStart:
    def test_tells_of_a_replica_that_is_none_or_does_not_answer(self, primary, standby):
        assert list(concerns(settings_on(primary, standby))) == []
        away = PostgreSQL(primary.folder, primary.account, free_port())
        none, absent = concerns(settings_on(primary, primary, away))
        assert none.startswith(f"The replica at 127.0.0.1, port {primary.port}, is none: it takes writes of its own.")
        assert absent.startswith(f"The replica at 127.0.0.1, port {away.port}, is not read from until it answers.")


class TestAReplica:
    async def test_that_lags_is_left_out_and_taken_back(self, primary, standby, monkeypatch):
        monkeypatch.setattr(replicas, "LAG_SECONDS", 0.5)
        async with database_on(primary, standby) as database:
            await at_replica(database)
            pause(standby)
            await write(database)
            await until(lambda: read(database, IN_RECOVERY), False)
            standby.sql("SELECT pg_wal_replay_resume()")
            await at_replica(database)

    async def test_that_dies_is_left_out_and_taken_back(self, primary, standby):
        """No read fails meanwhile."""
        async with database_on(primary, standby) as database:
            await at_replica(database)
            standby.stop()
            for _ in range(20):
                assert await read(database, IN_RECOVERY) is False
            standby.start()
            await at_replica(database)

    async def test_serves_on_while_the_primary_is_away(self, primary, standby):
        async with database_on(primary, standby) as database:
            await at_replica(database)
            await read(database, COUNT)
            primary.stop()
            for _ in range(20):
                assert await read(database, IN_RECOVERY) is True
            primary.start()
            await until(lambda: read(database, IN_RECOVERY, None), False)

    async def test_that_is_none_is_left_out(self, primary, standby):
        """A URL that leads to the primary, say after a failover."""
        async with database_on(primary, primary) as database:
            assert await read(database, IN_RECOVERY) is False
            (replica,) = database._replicas._replicas
            await replica.look()
            assert replica.position == 0

    async def test_that_stands_still_is_left_out(self, primary, standby):
        """And taken back. It is not waited for until the deadline of a statement."""
        async with database_on(primary, standby) as database:
            await at_replica(database)
            (replica,) = database._replicas._replicas
            with standby.stopped():
                async with asyncio.timeout(PATIENCE / 2):
                    while replica.position:  # noqa: ASYNC110 (of another task)
                        await asyncio.sleep(0.01)
                assert await read(database, IN_RECOVERY) is False
            await at_replica(database)

    async def test_that_follows_the_former_primary_is_left_out(self):
        """After a failover to one that was behind it, it has more than the new primary, and never what that writes."""
        with replicated(2) as (former, [primary, astray]):
            former.sql("CREATE DATABASE trellis")
            former.sql("CREATE TABLE seen (n int)", "trellis")
            wait_for(former, primary)
            primary.stop()
            former.sql("INSERT INTO seen SELECT generate_series(1, 100000)", "trellis")
            wait_for(former, astray)
            former.stop()
            primary.start()
            primary.sql("SELECT pg_promote()")
            async with database_on(primary, astray) as database:
                position = await write(database)
                for _ in range(50):
                    assert await read(database, COUNT, position) == 1
                    await asyncio.sleep(0.01)
                primary.sql("INSERT INTO seen SELECT generate_series(1, 200000)", "trellis")
                await asyncio.sleep(1)
                assert await read(database, COUNT) == 200_001

    async def test_that_lags_is_left_out_from_the_start(self, primary, standby):
        """Nobody knows yet where the primary was a while ago."""
        pause(standby)
        async with database_on(primary) as database:
            await write(database)
        async with database_on(primary, standby) as database:
            for _ in range(50):
                assert await read(database, IN_RECOVERY) is False
                await asyncio.sleep(0.01)
            standby.sql("SELECT pg_wal_replay_resume()")
            await at_replica(database)

    async def test_of_another_cluster_is_left_out(self, primary):
        """As that of the former one, after a restore into a new one: the same rows and sessions, as they were."""
        with replicated() as (former, [its_standby]):
            former.sql("CREATE DATABASE trellis")
            wait_for(former, its_standby)
            async with database_on(primary, its_standby) as database:
                await read(database, COUNT)
                (replica,) = database._replicas._replicas
                async with asyncio.timeout(PATIENCE):
                    while database._replicas._oldest is None:  # noqa: ASYNC110 (until the primary was asked)
                        await asyncio.sleep(0.01)
                assert replica.position == 0
                assert await read(database, IN_RECOVERY) is False
            (told,) = concerns(settings_on(primary, its_standby))
            assert told.endswith("is one of another cluster, with other data. It is not read from.")


class TestADatabaseThatIsAStandby:
    async def test_is_left_for_the_primary_when_its_name_leads_there(self, primary, standby, monkeypatch):
        """As the name of a primary does that has failed over: for a moment it leads to the former one, which is started
        again as a standby and keeps its connections.
        """
        monkeypatch.setattr(connection, "STANDBY_SECONDS", 0.1)
        async with leading_to(leads := [standby]) as name, database_on(name) as database:
            with pytest.raises(Unavailable):
                await write(database)
            assert await read(database, IN_RECOVERY) is True
            leads[:] = [primary]
            await asyncio.sleep(0.2)
            await write(database)
            assert await read(database, IN_RECOVERY) is False


@asynccontextmanager
async def leading_to(leads: list[PostgreSQL]) -> AsyncIterator[PostgreSQL]:
    """A server whose name leads to the one in the list when a connection is made."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", leads[0].port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield PostgreSQL(leads[0].folder, leads[0].account, server.sockets[0].getsockname()[1])


class TestAPosition:
    def test_of_a_session_counts_for_that_session_alone(self):
        positions, ann, ben = Positions(), uuid4(), uuid4()
        positions.note(ann, 10)
        positions.note(ann, 9)
        assert [positions.needed(session) for session in (ann, ben, None)] == [10, 0, 0]

    def test_of_nobody_known_counts_for_everybody(self):
        """A sign-out says no access token, and the session's next read has to fail."""
        positions = Positions()
        positions.note(None, 10)
        assert positions.needed(uuid4()) == 10

    def test_that_is_not_remembered_counts_for_everybody(self):
        positions, first = Positions(), uuid4()
        positions.note(first, 10)
        for _ in range(MOST_SESSIONS):
            positions.note(uuid4(), 5)
        assert positions.needed(first) == positions.needed(None) == 10


@pytest.fixture
async def application(primary, standby) -> AsyncIterator[Application]:
    application = compose(settings_on(primary, standby), discover())
    yield application
    await application.kernel.database().close()


@pytest.fixture
async def http(application) -> AsyncIterator[AsyncClient]:
    """With an account of its own, at a process of its own."""
    async with anonymous(create_app(application)) as http:
        await sign_in(http)
        yield http


async def sign_in(http: AsyncClient) -> None:
    account = {"email": f"{uuid4()}@example.com", "password": "correct horse battery", "full_name": "Ann"}
    assert (await http.post("/users", json=account)).status_code == 201
    body = {"email": account["email"], "password": account["password"]}
    tokens = (await http.post("/auth/sessions", json=body)).json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    http.headers["Refresh"] = tokens["refresh_token"]


@pytest.mark.needs("projects")
class TestAClient:
    async def test_reads_what_it_wrote_while_replay_stops_and_goes_on(self, http, application, standby):
        """Pairs of a write and a read, with nothing sent along."""
        chance, end = random.Random(12), asyncio.Event()

        async def stop_and_go() -> None:
            while not end.is_set():
                for state in ("pause", "resume"):
                    await asyncio.to_thread(standby.sql, f"SELECT pg_wal_replay_{state}()")
                    await asyncio.sleep(chance.uniform(0, 0.05))

        moving = asyncio.create_task(stop_and_go())
        made = (await http.post("/projects", json={"name": "0"})).json()
        for number in range(200):
            changed = await http.patch(f"/projects/{made['id']}", json={"name": str(number)})
            assert changed.headers["X-Consistency"]
            seen = await http.get(f"/projects/{made['id']}")
            assert seen.content == changed.content
            assert seen.headers["ETag"] == changed.headers["ETag"]
        end.set()
        await moving
        await until(lambda: read(application.kernel.database(), IN_RECOVERY), True)

    async def test_carries_its_position_to_another_process(self, http, primary, standby):
        """Which knows nothing of the session, and has not what was written unless it is told."""
        other = compose(settings_on(primary, standby), discover())
        async with anonymous(create_app(other)) as elsewhere:
            elsewhere.headers["Authorization"] = http.headers["Authorization"]
            made = (await http.post("/projects", json={"name": "before"})).json()
            wait_for(primary, standby)
            await at_replica(other.kernel.database())
            await asyncio.to_thread(pause, standby)
            changed = await http.patch(f"/projects/{made['id']}", json={"name": "after"})
            path, position = f"/projects/{made['id']}", {"X-Consistency": changed.headers["X-Consistency"]}
            assert (await elsewhere.get(path)).json()["name"] == "before"
            assert (await elsewhere.get(path, headers=position)).json()["name"] == "after"
            for forged in ("", "x", "AAAA", changed.headers["X-Consistency"][:-4] + "AAAA", "é"):
                given = {b"X-Consistency": forged.encode()}
                assert (await elsewhere.get(path, headers=given)).json()["name"] == "after"
        await other.kernel.database().close()

    async def test_that_signed_in_elsewhere_is_known_at_once(self, http, primary, standby):
        """A replica that has not the session says that there is none; the primary is asked."""
        other = compose(settings_on(primary, standby), discover())
        async with anonymous(create_app(other)) as elsewhere:
            await at_replica(other.kernel.database())
            await asyncio.to_thread(pause, standby)
            await sign_in(http)
            elsewhere.headers["Authorization"] = http.headers["Authorization"]
            assert (await elsewhere.get("/users/me")).status_code == 200
        await other.kernel.database().close()

    async def test_that_signs_out_is_refused_at_once(self, http, application, standby):
        """Nobody who is known does it, so it concerns everybody."""
        await at_replica(application.kernel.database())
        assert (await http.get("/users/me")).status_code == 200
        await asyncio.to_thread(pause, standby)
        ended = await http.post("/auth/revoke", data={"token": http.headers["Refresh"]}, headers={"Authorization": ""})
        assert ended.status_code == 200
        assert (await http.get("/users/me")).status_code == 401

    async def test_that_only_reads_or_is_refused_gets_no_position(self, http):
        assert "X-Consistency" not in (await http.get("/users/me")).headers
        assert "X-Consistency" not in (await http.post("/projects", json={})).headers


@pytest.mark.needs("projects")
class TestAServer:
    def test_serves_the_first_session_of_the_readme(self, tmp_path, primary, standby):
        """Each line sees what the one before has done, the sign-out at the end included."""
        urls = {"DATABASE_URL": primary.url("trellis"), "TRELLIS_REPLICA_URLS": standby.url("trellis")}
        ended = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'trellis'"
        before = standby.sql(ended)
        with serving(tmp_path, **urls) as server:
            printed, refused = first_session(server)
        assert refused == ["412", "204", "404", "401"]
        assert '"description":"For the roses"' in printed
        eventually(lambda: standby.sql(ended) > before)


class TestTheFeed:
    async def test_is_read_at_the_primary(self, http, application, primary, standby):
        """A replica's snapshot shows no transaction that is under way, and its changes would be missed."""
        await at_replica(application.kernel.database())
        with psycopg.connect(primary.url("trellis")) as slow:
            slow.execute("INSERT INTO seen VALUES (1)")
            ((own,),) = slow.execute("SELECT pg_current_xact_id()::text").fetchall()
            primary.sql("INSERT INTO seen VALUES (2)", "trellis")
            wait_for(primary, standby)
            ask = f"SELECT xid FROM pg_snapshot_xip(pg_current_snapshot()) AS xid WHERE xid = '{own}'"
            assert len(primary.sql(ask)) == 1
            assert standby.sql(ask) == []
            latest = (await http.get("/changes?after=latest")).json()["next_cursor"]
            slow.rollback()
        made = (await http.post("/projects", json={"name": "new"})).json()
        await asyncio.to_thread(pause, standby)
        told = (await http.get("/changes", params={"after": latest})).json()
        assert [item["id"] for item in told["items"]][-1] == made["id"]
