"""The lanes and the wire: statements past the driver, on connections that come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    ARRAY,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlmodel import Field, SQLModel

from shared.errors import Conflict, Contended, DomainError, Invalid, Unavailable
from shared.wire import wire
from shared.wire.connection import PostgresConnection
from shared.wire.database import Database
from shared.wire.statements import BATCH, Statement
from tests.database import OTHER_CLIENTS, clone
from tests.patience import PATIENCE, eventually

PID = Statement(select(func.pg_backend_pid()))
ONE = Statement(select(literal(1)))
SLOW = Statement(select(func.pg_sleep(30)))
LENGTH = Statement(select(func.length(bindparam("x", type_=Text()))))
PREPARED = Statement(select(func.count()).select_from(table("pg_prepared_statements")))
BIG = "x" * (8 << 20)


class Note(SQLModel, table=True):
    """A row of a table that is there for these tests alone."""

    __tablename__ = "lane_notes"

    id: int = Field(primary_key=True)
    text: str


COUNT = Statement(select(func.count()).select_from(table("lane_notes")))


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE lane_notes (id int PRIMARY KEY, text text NOT NULL)")
        yield url


@pytest.fixture
def sql(url):
    """Executes on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE lane_notes")
        yield connection.execute


@pytest.fixture
async def real(settings, url) -> AsyncIterator[Database]:
    """With one connection in each lane, so that it is known which."""
    database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
    yield database
    await database.close()


@pytest.fixture(params=["read lane", "unit of work"])
async def rows(real, request):
    """Executes a statement, in either lane."""

    async def execute(statement: Statement, **values: object):
        if request.param == "read lane":
            return await real.read(statement, values)
        async with real.unit_of_work() as unit:
            return await unit.execute(statement, values)

    return execute


def sessions(sql):
    """How many connections there are to the database beside one's own."""
    return sql(f"SELECT count(*) {OTHER_CLIENTS}").fetchone()[0]


def await_end(sql):
    """Wait until they have ended, as PostgreSQL sees it."""
    eventually(lambda: sessions(sql) == 0)


def close_all(sql):
    """The server closes them, as a restart would, and they have ended when this returns."""
    sql(f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000}) {OTHER_CLIENTS}")


class TestAStatement:
    async def test_is_prepared_once(self, rows):
        before = await rows(PREPARED)
        for _ in range(5):
            await rows(ONE)
        ((count,),), ((first,),) = await rows(PREPARED), before
        assert count == first + 1

    async def test_of_many_is_prepared_as_long_as_there_is_room(self, rows, monkeypatch):
        monkeypatch.setattr(wire, "MOST_PREPARED", 5)
        statements = [Statement(select(literal(n))) for n in range(12)]
        for _ in range(3):
            assert [await rows(statement) for statement in statements] == [[(n,)] for n in range(12)]
            ((count,),) = await rows(PREPARED)
            assert count <= 5

    async def test_whose_column_has_another_type_since_a_migration_is_prepared_anew(self, settings, url, sql):
        """PostgreSQL refuses what was prepared before, on each connection; the former release may serve on for long."""
        columns: Select[*tuple[Any, ...]] = select(column("id"), column("text")).select_from(table("lane_notes"))
        read, write = Statement(columns), Statement(columns.with_for_update())
        database = Database(settings.model_copy(update={"database_url": url, "pool_size": 4}))

        async def written():
            async with database.unit_of_work() as unit:
                return await unit.execute(write, {})

        sql("INSERT INTO lane_notes VALUES (1, 'one')")
        asked = (written, partial(database.read, read, {}))
        for ask in asked:
            await asyncio.gather(*(ask() for _ in range(4)))
        for kind in ("varchar(60)", "text"):
            sql(f"ALTER TABLE lane_notes ALTER text TYPE {kind}")
            with pytest.raises(Contended):  # The edge has it done again.
                await written()
            for ask in asked:
                assert await asyncio.gather(*(ask() for _ in range(4))) == [[(1, "one")]] * 4
        await database.close()

    async def test_that_is_cancelled_as_it_is_prepared_can_be_prepared_again(self, rows, monkeypatch):
        settle = wire.Wire._settle

        def settle_and_cancel(*args):
            settle(*args)
            task.cancel()

        assert await rows(PREPARED)
        statement = Statement(select(literal(1).label("cancelled")))
        task = asyncio.create_task(rows(statement))
        monkeypatch.setattr(wire.Wire, "_settle", settle_and_cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        assert await rows(statement) == [(1,)]

    async def test_that_is_in_use_stays_when_others_make_room(self, rows, monkeypatch):
        monkeypatch.setattr(wire, "MOST_PREPARED", 3)
        used = Statement(select(literal(1).label("used")))
        for n in range(10):
            assert await rows(used) == [(1,)]
            await rows(Statement(select(literal(n))))
        names = Statement(
            select(func.count()).select_from(table("pg_prepared_statements")).where(text("statement ~ 'used'"))
        )
        monkeypatch.setattr(wire, "MOST_PREPARED", 100)
        assert await rows(used) == [(1,)]
        assert await rows(names) == [(2,)]  # It, and the one that asks.

    async def test_of_more_than_the_socket_holds_is_sent_whole(self, rows):
        for size in (1, 1 << 16, 1 << 20, len(BIG)):
            assert await rows(LENGTH, x=BIG[:size]) == [(size,)]
        assert await rows(ONE) == [(1,)]

    async def test_is_answered_with_more_than_the_socket_holds(self, rows):
        much = Statement(select(func.repeat(bindparam("x", type_=Text()), bindparam("n", type_=Integer()))))
        ((answer,),) = await rows(much, x="x", n=len(BIG))
        assert answer == BIG

    async def test_takes_values_of_every_kind(self, rows):
        kinds = Statement(
            select(
                bindparam("a", type_=Integer()),
                bindparam("b", type_=Text()),
                bindparam("c", type_=DateTime(timezone=True)),
                bindparam("d", type_=ARRAY(Text())),
            )
        )
        values = {"a": None, "b": "ä\n", "c": datetime(2026, 1, 1, tzinfo=UTC), "d": ["x", None, ""]}
        assert await rows(kinds, **values) == [tuple(values.values())]

    async def test_that_fails_spoils_nothing(self, rows):
        ((pid,),) = await rows(PID)
        fails = Statement(select(literal(1) / bindparam("n", type_=Integer())))
        for values in ({"n": 0}, {"n": "x"}, {"n": 1 << 80}):
            with pytest.raises(DomainError):
                await rows(fails, **values)
        with pytest.raises(Invalid):
            await rows(LENGTH, x="\0")
        with pytest.raises(KeyError):
            await rows(LENGTH)
        with pytest.raises(psycopg.errors.UndefinedTable):
            await rows(Statement(select(func.count()).select_from(table("nowhere"))))
        assert await rows(fails, n=1) == [(1,)]
        assert await rows(PID) == [(pid,)]


class TestAConnection:
    async def test_is_the_same_for_one_statement_after_the_other(self, rows):
        assert len({(await rows(PID))[0] for _ in range(5)}) == 1

    async def test_that_the_server_closed_meanwhile_is_replaced(self, rows, sql):
        for _ in range(3):
            ((pid,),) = await rows(PID)
            close_all(sql)
            ((other,),) = await rows(PID)
            assert other != pid

    async def test_that_the_server_closed_a_while_ago_is_replaced(self, rows, sql):
        """The event loop has heard of it by then."""
        ((pid,),) = await rows(PID)
        close_all(sql)
        await asyncio.sleep(0.1)
        assert await rows(PID) != [(pid,)]

    @pytest.mark.parametrize("lane", ["read lane", "unit of work"])
    async def test_of_many_that_were_closed_at_once_are_all_replaced(self, settings, url, sql, lane):
        real = Database(
            settings.model_copy(update={"database_url": url, "pool_size": 5, "pool_wait_seconds": PATIENCE})
        )
        wait = Statement(select(func.pg_sleep(0.05), func.pg_backend_pid()))

        async def asked():
            if lane == "read lane":
                ((_, pid),) = await real.read(wait, {})
            else:
                async with real.unit_of_work() as unit:
                    ((_, pid),) = await unit.execute(wait, {})
            return pid

        try:
            for _ in range(3):
                assert len(set(await asyncio.gather(*(asked() for _ in range(10))))) == 5
                close_all(sql)
        finally:
            await real.close()

    @pytest.mark.parametrize("first", ["wire", "session"])
    async def test_that_is_lost_within_a_unit_of_work_is_no_trouble_at_its_end(self, real, sql, caplog, first):
        """What the unit of work failed with is told, and no stack trace of what cannot be rolled back any more."""

        async def fail() -> None:
            async with real.unit_of_work() as unit:
                if first == "wire":
                    await unit.execute(ONE, {})
                    close_all(sql)
                    raise Conflict
                async with unit.orm() as session:
                    await session.execute(text("SELECT 1"))
                    close_all(sql)
                    raise Conflict

        for _ in range(5):
            with pytest.raises(Conflict):
                await fail()
            assert real.write_lane.in_use == 0
        assert not [record for record in caplog.records if record.exc_info]
        async with real.unit_of_work() as unit:
            assert await unit.execute(ONE, {}) == [(1,)]

    async def test_that_is_lost_while_a_statement_is_sent_leaves_the_lane_whole(self, rows, sql):
        for _ in range(5):
            await rows(ONE)
            sending = [asyncio.create_task(rows(LENGTH, x=BIG)) for _ in range(3)]
            await asyncio.sleep(0.01)
            close_all(sql)
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
            assert all(outcome == [(len(BIG),)] or isinstance(outcome, Unavailable) for outcome in outcomes)
            assert await rows(ONE) == [(1,)]

    async def test_expires(self, rows, sql, monkeypatch):
        monkeypatch.setattr(PostgresConnection, "lifetime_seconds", 0)
        pids = {(await rows(PID))[0] for _ in range(3)}
        assert len(pids) == 3
        await_end(sql)

    async def test_is_closed_with_the_database(self, settings, url, sql):
        real = Database(settings.model_copy(update={"database_url": url}))
        await real.read(ONE, {})
        async with real.unit_of_work() as unit:
            await unit.execute(ONE, {})
        assert sessions(sql) >= 2
        await real.close()
        await_end(sql)


class TestACancellation:
    async def test_in_the_midst_of_a_statement_leaves_the_lane_whole(self, rows):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await rows(SLOW)
            assert await rows(ONE) == [(1,)]

    async def test_while_a_statement_is_sent_leaves_the_lane_whole(self, rows):
        for _ in range(3):
            task = asyncio.create_task(rows(LENGTH, x=BIG))
            await asyncio.sleep(0.005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await rows(ONE) == [(1,)]

    async def test_between_statements_of_a_unit_of_work_keeps_nothing(self, real, sql):
        async def write() -> None:
            async with real.unit_of_work() as unit:
                async with unit.orm() as session:
                    await session.execute(text("INSERT INTO lane_notes VALUES (1, 'x')"))
                assert await unit.execute(COUNT, {}) == [(1,)]
                await asyncio.sleep(30)

        task = asyncio.create_task(write())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sql("SELECT count(*) FROM lane_notes").fetchone() == (0,)
        assert real.write_lane.in_use == 0

    @pytest.mark.parametrize("first", ["wire", "session"])
    async def test_in_a_unit_of_work_keeps_nothing_and_holds_no_lock(self, real, sql, first):
        async def write() -> None:
            async with real.unit_of_work() as unit:
                if first == "wire":
                    await unit.command("LOCK TABLE lane_notes")
                    await unit.execute(SLOW, {})
                async with unit.orm() as session:
                    await session.execute(text("LOCK TABLE lane_notes"))
                    await session.execute(text("SELECT pg_sleep(30)"))

        task = asyncio.create_task(write())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with real.unit_of_work() as unit, unit.orm() as session:
            await session.execute(text("INSERT INTO lane_notes VALUES (1, 'x')"))
        assert sql("SELECT count(*) FROM lane_notes").fetchone() == (1,)
        assert real.write_lane.in_use == 0

    async def test_of_who_waits_for_a_connection_takes_none(self, real):
        async with real.reading():
            waiting = [asyncio.create_task(real.read(ONE, {})) for _ in range(3)]
            await asyncio.sleep(0.05)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        assert await real.read(ONE, {}) == [(1,)]


class TestAnExport:
    MANY = Statement(select(func.generate_series(1, 3 * BATCH)))

    async def test_borrows_the_connection_of_the_reads(self, real):
        """Which psycopg watches meanwhile, and the wire again thereafter."""
        ((pid,),) = await real.read(PID, {})
        for _ in range(3):
            batches = [len(batch) async for batch in real.stream(self.MANY, {})]
            assert batches == [BATCH] * 3
            assert await real.read(PID, {}) == [(pid,)]

    async def test_that_is_left_early_gives_the_connection_back(self, real):
        stream = real.stream(self.MANY, {})
        assert len(await anext(stream)) == BATCH
        await stream.aclose()
        assert await real.read(ONE, {}) == [(1,)]
        assert sum([len(batch) async for batch in real.stream(self.MANY, {})]) == 3 * BATCH

    async def test_has_half_of_the_connections_with_all_others_and_is_refused_beyond(self, settings, url):
        database = Database(settings.model_copy(update={"database_url": url, "pool_size": 4}))
        try:
            streams = [database.stream(self.MANY, {}) for _ in range(2)]
            for stream in streams:
                await anext(stream)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await anext(database.stream(self.MANY, {}))
            assert await database.read(ONE, {}) == [(1,)]
            await streams[0].aclose()
            assert sum([len(batch) async for batch in database.stream(self.MANY, {})]) == 3 * BATCH
            await streams[1].aclose()
        finally:
            await database.close()

    async def test_that_fails_gives_the_connection_back(self, real):
        fails = Statement(select(literal(1) / func.generate_series(-1500, 1500)))
        with pytest.raises(Invalid):
            _ = [batch async for batch in real.stream(fails, {})]
        assert await real.read(ONE, {}) == [(1,)]


class TestInAUnitOfWork:
    async def test_the_wire_and_the_session_take_turns(self, real, sql):
        """On one connection, in one transaction: each sees what the other did."""
        add = Statement(insert(Note).values(id=bindparam("id"), text=bindparam("text")))
        async with real.unit_of_work() as unit:
            for n in range(0, 20, 4):
                await unit.execute(add, {"id": n, "text": "wire"})
                async with unit.orm() as session:
                    assert await session.scalar(text("SELECT count(*) FROM lane_notes")) == n + 1
                    session.add(Note(id=n + 1, text="orm"))
                assert await unit.execute(COUNT, {}) == [(n + 2,)]
                async with unit.orm() as session:
                    await session.execute(text("INSERT INTO lane_notes VALUES (:id, 'session')"), {"id": n + 2})
                    session.add(Note(id=n + 3, text=BIG[: 1 << 20]))
            ((wired,),) = await unit.execute(PID, {})
            async with unit.orm() as session:
                assert (await session.get(Note, 4)).text == "wire"
                assert await session.scalar(text("SELECT pg_backend_pid()")) == wired
        assert sql("SELECT count(*) FROM lane_notes").fetchone() == (20,)

    async def test_what_fails_on_the_wire_takes_all_back(self, real, sql):
        fails = Statement(select(literal(1) / bindparam("n", type_=Integer())))

        async def write() -> None:
            async with real.unit_of_work() as unit:
                async with unit.orm() as session:
                    session.add(Note(id=1, text="x"))
                await unit.execute(fails, {"n": 0})

        with pytest.raises(Invalid):
            await write()
        assert sql("SELECT count(*) FROM lane_notes").fetchone() == (0,)

    async def test_statements_stay_prepared_from_one_to_the_next(self, real):
        """Also when the session rolled back: psycopg would deallocate what it has prepared itself."""
        for fails in (False, True, False):
            with suppress(ZeroDivisionError):
                async with real.unit_of_work() as unit:
                    await unit.execute(ONE, {})
                    async with unit.orm() as session:
                        await session.execute(text("SELECT 1"))
                        if fails:
                            raise ZeroDivisionError
        async with real.unit_of_work() as unit:
            ((before,),) = await unit.execute(PREPARED, {})
            await unit.execute(ONE, {})
            assert await unit.execute(PREPARED, {}) == [(before,)]
