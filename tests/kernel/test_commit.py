"""The end of a unit of work: what is kept, what is not, and the state that a connection comes back in."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import Integer, bindparam, column, func, insert, select, table, text

from shared.errors import CommitInDoubt, Conflict, DomainError, Invalid, Unavailable
from shared.http.routes.authentication import PublicChange
from shared.http.routes.routing import Route
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.applications import client_of
from tests.contract.test_problems import is_problem
from tests.database import OTHER_CLIENTS, clone
from tests.patience import PATIENCE, eventually
from tests.proxy import Cut, Fault, Proxy, Step

NOTES = table("commit_notes", column("id", Integer()), column("parent_id", Integer()))
ADD = Statement(insert(NOTES).values(id=bindparam("id"), parent_id=bindparam("parent")))
COUNT = Statement(select(func.count()).select_from(NOTES))
PID = Statement(select(func.pg_backend_pid()))
TABLES = """
    CREATE TABLE commit_notes (
        id int CONSTRAINT pk_commit_notes PRIMARY KEY,
        parent_id int CONSTRAINT fk_commit_notes_parent_id REFERENCES commit_notes DEFERRABLE INITIALLY DEFERRED
    )"""
SIZE = 5


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        yield url


@pytest.fixture
def sql(url):
    """Executes on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE commit_notes, idempotency_keys")
        yield connection.execute


@pytest.fixture
def kept(sql):
    """The ids of the notes that are committed."""
    return lambda: [id for (id,) in sql("SELECT id FROM commit_notes ORDER BY id")]


@pytest.fixture
def proxy(url) -> Proxy:
    return Proxy(url)


@pytest.fixture
async def real(settings, proxy, sql) -> AsyncIterator[Database]:
    async with proxy.listening() as through:
        database = Database(settings.model_copy(update={"database_url": through, "pool_size": SIZE}))
        yield database
        await database.close()


@pytest.fixture
async def single(settings, proxy, sql) -> AsyncIterator[Database]:
    """With one connection in each lane, and short deadlines."""
    short = {"pool_size": 1, "pool_wait_seconds": 0.1, "statement_seconds": 3}
    async with proxy.listening() as through:
        database = Database(settings.model_copy(update={**short, "database_url": through}))
        yield database
        await database.close()


@pytest.fixture
async def http(real) -> AsyncIterator[AsyncClient]:
    """A client of a small application whose endpoints swallow what they should raise, or take their time."""
    router = APIRouter(route_class=Route)

    @router.post("/swallowed")
    async def swallow(change: PublicChange, by: str = "wire") -> None:
        await change.unit.execute(ADD, {"id": 1, "parent": None})
        with suppress(Conflict):
            if by == "wire":
                await change.unit.execute(ADD, {"id": 1, "parent": None})
            elif by == "command":
                await change.unit.command("INSERT INTO commit_notes VALUES (1)")
            else:
                async with change.unit.savepoint():
                    await change.unit.execute(ADD, {"id": 1, "parent": None})

    @router.post("/notes/{id}", status_code=201)
    async def post(change: PublicChange, id: int, by: str) -> int:
        await change.unit.execute(ADD, {"id": id, "parent": None})
        if by == "session":
            async with change.unit.orm() as session:
                await session.execute(text("SELECT pg_sleep(0.002)"))
        elif by == "savepoint":
            with suppress(Conflict):
                async with change.unit.savepoint():
                    await change.unit.execute(ADD, {"id": id, "parent": None})
        return id

    async with client_of(router, real) as client:
        yield client


class TestAStatementThatFailedAndNobodyRaisedFurther:
    @pytest.mark.parametrize("by", ["wire", "command"])
    async def test_is_a_fault_of_the_code_and_nothing_is_kept(self, http, real, kept, by):
        """PostgreSQL answers COMMIT with ROLLBACK then, and the client would be told that all is well."""
        is_problem(await http.post("/swallowed", params={"by": by}), 500, "internal_error")
        assert kept() == []
        assert real.write_lane.in_use == 0

    async def test_is_told_at_the_end_of_the_unit(self, real, kept):
        async def swallow(*, dry_run: bool) -> None:
            async with real.unit_of_work(dry_run=dry_run) as unit:
                await unit.execute(ADD, {"id": 1, "parent": None})
                with suppress(Conflict):
                    await unit.execute(ADD, {"id": 1, "parent": None})

        for dry_run in (False, True):
            with pytest.raises(RuntimeError, match="nobody said so"):
                await swallow(dry_run=dry_run)
        assert kept() == []

    async def test_in_a_savepoint_is_no_matter(self, http, kept):
        assert (await http.post("/swallowed", params={"by": "savepoint"})).status_code == 200
        assert kept() == [1]


class TestASavepoint:
    async def test_undoes_what_was_refused_in_it_and_no_more(self, real, kept):
        async with real.unit_of_work() as unit:
            await unit.execute(ADD, {"id": 1, "parent": None})
            with suppress(Conflict):
                async with unit.savepoint():
                    await unit.execute(ADD, {"id": 2, "parent": None})
                    await unit.execute(ADD, {"id": 1, "parent": None})
            async with unit.savepoint():
                await unit.execute(ADD, {"id": 3, "parent": None})
        assert kept() == [1, 3]

    async def test_undoes_what_failed_in_it_by_itself(self, real, kept):
        async with real.unit_of_work() as unit:
            with suppress(ZeroDivisionError):
                async with unit.savepoint():
                    await unit.execute(ADD, {"id": 1, "parent": None})
                    raise ZeroDivisionError
            await unit.execute(ADD, {"id": 2, "parent": None})
        assert kept() == [2]

    async def test_within_another_is_undone_alone(self, real, kept):
        async with real.unit_of_work() as unit, unit.savepoint():
            await unit.execute(ADD, {"id": 1, "parent": None})
            with suppress(Conflict):
                async with unit.savepoint():
                    await unit.execute(ADD, {"id": 2, "parent": None})
                    await unit.execute(ADD, {"id": 1, "parent": None})
            with suppress(ZeroDivisionError):
                async with unit.savepoint():
                    await unit.execute(ADD, {"id": 3, "parent": None})
                    async with unit.savepoint():
                        await unit.execute(ADD, {"id": 4, "parent": None})
                    raise ZeroDivisionError
            await unit.execute(ADD, {"id": 5, "parent": None})
        assert kept() == [1, 5]

    async def test_is_undone_whole_whatever_was_undone_in_it_before(self, real, kept):
        async with real.unit_of_work() as unit:
            with suppress(ZeroDivisionError):
                async with unit.savepoint():
                    await unit.execute(ADD, {"id": 1, "parent": None})
                    with suppress(Conflict):
                        async with unit.savepoint():
                            await unit.execute(ADD, {"id": 1, "parent": None})
                    raise ZeroDivisionError
            await unit.execute(ADD, {"id": 2, "parent": None})
        assert kept() == [2]

    async def test_holds_a_block_of_the_session(self, real, kept):
        async with real.unit_of_work() as unit:
            with suppress(ZeroDivisionError):
                async with unit.savepoint():
                    async with unit.orm() as session:
                        await session.execute(text("INSERT INTO commit_notes VALUES (1)"))
                    raise ZeroDivisionError
            async with unit.savepoint(), unit.orm() as session:
                await session.execute(text("INSERT INTO commit_notes VALUES (2)"))
        assert kept() == [2]

    async def test_whose_connection_was_lost_tells_what_it_failed_with(self, real, sql):
        async def fail() -> None:
            async with real.unit_of_work() as unit, unit.savepoint():
                await unit.execute(ADD, {"id": 1, "parent": None})
                sql(f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000}) {OTHER_CLIENTS}")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert real.write_lane.in_use == 0


class TestACommit:
    async def test_that_a_constraint_forbids_keeps_nothing_and_the_connection_is_used_again(self, real, kept):
        async with real.unit_of_work() as unit:
            before = await unit.execute(PID, {})
        for dry_run in (False, True):
            with pytest.raises(Conflict):
                async with real.unit_of_work(dry_run=dry_run) as unit:
                    await unit.execute(ADD, {"id": 1, "parent": 99})
            async with real.unit_of_work() as unit:
                assert await unit.execute(PID, {}) == before
        assert kept() == []

    @pytest.mark.parametrize("cut", Cut)
    @pytest.mark.parametrize("by", ["wire", "session"])
    async def test_that_is_lost_is_in_doubt_and_the_connection_replaced(self, real, kept, proxy, cut, by):
        async def write() -> None:
            async with real.unit_of_work() as unit:
                await unit.execute(ADD, {"id": 1, "parent": None})
                if by == "session":
                    async with unit.orm():
                        pass

        proxy.cuts.append(cut)
        with pytest.raises(CommitInDoubt):
            await write()
        assert real.write_lane.in_use == 0
        async with real.unit_of_work() as unit:
            assert await unit.execute(COUNT, {}) == [(0 if cut is Cut.BEFORE else 1,)]
        assert kept() == ([] if cut is Cut.BEFORE else [1])

    async def test_that_is_lost_in_a_dry_run_is_no_doubt(self, real, sql):
        """Nothing would have been kept."""

        async def check() -> None:
            async with real.unit_of_work(dry_run=True) as unit:
                await unit.execute(ADD, {"id": 1, "parent": None})
                sql(f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000}) {OTHER_CLIENTS}")

        with pytest.raises(DomainError) as raised:
            await check()
        assert raised.value.code == "unavailable"

    @pytest.mark.parametrize("turns", range(4))
    async def test_that_is_cancelled_holds_no_place(self, real, kept, turns):
        may_end = asyncio.Event()

        async def write() -> None:
            async with real.unit_of_work() as unit:
                await unit.execute(ADD, {"id": 1, "parent": None})
                may_end.set()

        task = asyncio.create_task(write())
        await may_end.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await all_back(real)
        async with real.unit_of_work() as unit:
            await unit.execute(ADD, {"id": 2, "parent": None})
        assert kept() in ([2], [1, 2])


class TestACommitThatTakesTooLong:
    """As it does without the standby that has to have it, or when the disk stands still. PostgreSQL goes on with it,
    also when its client is gone.
    """

    @pytest.mark.parametrize("is_waited_for", [True, False])
    @pytest.mark.parametrize("is_lost", [True, False])
    async def test_keeps_its_place_so_that_they_do_not_pile_up(self, single, proxy, sql, is_waited_for, is_lost):
        await add(single, 1)
        async with proxy.troubled(Step.COMMITTED, Fault.STALL):
            adding = asyncio.create_task(add(single, 2))
            if not is_waited_for:
                async with asyncio.timeout(PATIENCE):
                    while not proxy.met:  # noqa: ASYNC110 (of the proxy)
                        await asyncio.sleep(0.01)
                adding.cancel()
            with pytest.raises(CommitInDoubt if is_waited_for else asyncio.CancelledError):
                await adding
            with pytest.raises(Unavailable, match="Every connection to the database is in use"):
                await add(single, 3)
            eventually(lambda: sql(f"SELECT count(*) = 1 {OTHER_CLIENTS}").fetchone()[0])
            if is_lost:
                proxy.end()
        await all_back(single)
        await add(single, 4)
        assert sql("SELECT array_agg(id ORDER BY id) FROM commit_notes").fetchone() == ([1, 2, 4],)


async def add(database: Database, id: int) -> None:
    async with database.unit_of_work() as unit:
        await unit.execute(ADD, {"id": id, "parent": None})


async def all_back(database: Database) -> None:
    """Once every connection is given back, also that of a COMMIT for which nobody waits."""
    async with asyncio.timeout(PATIENCE):
        while database.write_lane.in_use:  # noqa: ASYNC110 (of PostgreSQL)
            await asyncio.sleep(0.01)


class TestTheWriteLane:
    async def test_keeps_no_connection_that_is_in_a_transaction(self, real, sql):
        lane = real.write_lane
        for spoiled in ("BEGIN", "BEGIN; SELECT 1"):
            wire = await lane.take()
            await wire.run(spoiled)
            lane.put_back(wire)
            other = await lane.take()
            assert other is not wire
            assert other.is_idle
            lane.put_back(other)
        eventually(lambda: sql(f"SELECT count(*) = 1 {OTHER_CLIENTS}").fetchone()[0])

    async def test_keeps_no_connection_whose_transaction_failed(self, real):
        lane = real.write_lane
        wire = await lane.take()
        with suppress(psycopg.Error):
            await wire.run("BEGIN; SELECT 1 / 0")
        assert wire.has_failed
        lane.put_back(wire)
        other = await lane.take()
        assert other is not wire
        lane.put_back(other)

    async def test_loses_no_connection_to_requests_that_are_cancelled(self, http, real, sql):
        """At random points: as they wait for a connection, connect, begin, write, commit, roll back."""
        chance = random.Random(9)
        ways = ("wire", "session", "savepoint")

        async def cancelled(n: int) -> None:
            headers = {"Idempotency-Key": f"{n}"} if n % 2 else {}
            task = asyncio.create_task(http.post(f"/notes/{n}", params={"by": ways[n % 3]}, headers=headers))
            for _ in range(chance.randrange(120)):
                await asyncio.sleep(0 if chance.random() < 0.9 else 0.002)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        for begun in range(0, 200, 20):
            await asyncio.gather(*(cancelled(n) for n in range(begun, begun + 20)))
            await all_back(real)
            assert all(wire.is_idle for wire in real.write_lane._at_hand)
        eventually(lambda: sql(f"SELECT count(*) = 0 {OTHER_CLIENTS} AND state <> 'idle'").fetchone()[0])
        all_at_once = asyncio.Barrier(SIZE)

        async def one() -> int:
            async with real.unit_of_work() as unit:
                ((pid,),) = await unit.execute(PID, {})
                await all_at_once.wait()
            return int(pid)

        assert len({*await asyncio.gather(*(one() for _ in range(SIZE)))}) == SIZE

    async def test_gives_nobody_what_another_left_open(self, real):
        """Whatever way a unit ends, the next begins a transaction of its own."""

        async def ends(n: int) -> None:
            async with real.unit_of_work(dry_run=n % 5 == 1) as unit:
                await unit.command("SET LOCAL application_name = 'left open'")
                await unit.execute(ADD, {"id": n, "parent": 99 if n % 5 == 2 else None})
                if n % 5 == 3:
                    await unit.command("SELECT 1 / 0")
                if n % 5 == 4:
                    raise ZeroDivisionError

        name = Statement(select(func.current_setting("application_name")))
        for n in range(20):
            with suppress(Conflict, Invalid, ZeroDivisionError):
                await ends(n)
            wire = await real.write_lane.take()
            assert wire.is_idle
            assert await wire.rows(name, {}) == [("trellis",)]
            real.write_lane.put_back(wire)
        assert real.write_lane.in_use == 0
