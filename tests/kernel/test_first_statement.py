"""The first statement of a unit of work: BEGIN and the variables travel with it, in libpq's pipeline mode."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy import Integer, Text, bindparam, column, func, insert, literal, select, table

from shared.errors import Conflict, Invalid, Unavailable
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.proxy import Fault, Proxy

NOTES = table("first_notes", column("id", Integer()), column("text", Text()))
ADD = Statement(insert(NOTES).values(id=bindparam("id"), text=bindparam("text")))
COUNT = Statement(select(func.count()).select_from(NOTES))
PID = Statement(select(func.pg_backend_pid()))
DIVIDED = Statement(select(literal(1) / bindparam("n", type_=Integer())))
ASLEEP = Statement(
    select(func.pg_sleep(bindparam("seconds", type_=Integer())), func.length(bindparam("x", type_=Text())))
)
ORIGIN = Statement(select(func.current_setting("trellis.origin", literal(True))))
AT_WORK = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
    AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'"""
BIG = "x" * (16 << 20)
BAD = {"statement_timeout": "nonsense"}
"""What SET LOCAL is refused for."""


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE first_notes (id int CONSTRAINT pk_first_notes PRIMARY KEY, text text)")
        yield url


@pytest.fixture
def sql(url):
    """Executes on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE first_notes")
        yield connection.execute


@pytest.fixture
def kept(sql):
    """The ids of the notes that are committed."""
    return lambda: [id for (id,) in sql("SELECT id FROM first_notes ORDER BY id")]


@pytest.fixture
def proxy(url) -> Proxy:
    return Proxy(url)


@pytest.fixture
async def real(settings, proxy, sql) -> AsyncIterator[Database]:
    """With one connection for writing, on which all statements are prepared: the next unit begins with a pipeline."""
    async with proxy.listening() as url:
        database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
        await prepare(database)
        yield database
        await database.close()


async def prepare(database: Database) -> None:
    async with database.unit_of_work(dry_run=True) as unit:
        await unit.execute(ADD, {"id": 0, "text": ""})
        for statement, values in ((COUNT, {}), (PID, {}), (DIVIDED, {"n": 1}), (ASLEEP, {"seconds": 0, "x": ""})):
            await unit.execute(statement, values)


async def pid_of(database: Database) -> int:
    async with database.unit_of_work() as unit:
        ((pid,),) = await unit.execute(PID, {})
    return int(pid)


Failing = Callable[[Database], Awaitable[Any]]


async def refused(database: Database) -> None:
    async with database.unit_of_work(variables={"trellis.origin": "x"}) as unit:
        await unit.execute(DIVIDED, {"n": 0})


async def refused_for_a_constraint(database: Database) -> None:
    async with database.unit_of_work(variables={"trellis.origin": "x"}) as unit:
        await unit.execute(ADD, {"id": 1, "text": "again"})


async def refused_for_a_variable(database: Database) -> None:
    async with database.unit_of_work(variables=BAD) as unit:
        await unit.execute(ADD, {"id": 2, "text": "never"})


async def refused_for_a_variable_and_itself(database: Database) -> None:
    """The error of a statement that would be refused too is not the one that counts: it is not executed."""
    async with database.unit_of_work(variables=BAD) as unit:
        await unit.execute(ADD, {"id": 1, "text": "never"})


async def refused_for_a_variable_by_a_command(database: Database) -> None:
    async with database.unit_of_work(variables=BAD) as unit:
        await unit.command("INSERT INTO first_notes VALUES (2)")


async def refused_for_a_variable_by_a_block(database: Database) -> None:
    async with database.unit_of_work(variables=BAD) as unit, unit.orm():
        pass


class TestAFirstStatementThatIsRefused:
    @pytest.mark.parametrize(
        ("failing", "error"),
        [
            (refused, Invalid),
            (refused_for_a_constraint, Conflict),
            (refused_for_a_variable, Invalid),
            (refused_for_a_variable_and_itself, Invalid),
            (refused_for_a_variable_by_a_command, Invalid),
            (refused_for_a_variable_by_a_block, Invalid),
        ],
    )
    async def test_is_told_and_the_connection_is_used_again(self, real, sql, kept, failing, error):
        sql("INSERT INTO first_notes VALUES (1)")
        before = await pid_of(real)
        for _ in range(3):
            with pytest.raises(error):
                await failing(real)
            assert real.write_lane.in_use == 0
            assert await pid_of(real) == before
        async with real.unit_of_work() as unit:
            await unit.execute(ADD, {"id": 3, "text": "kept"})
        assert kept() == [1, 3]

    async def test_is_told_when_it_is_prepared_too(self, settings, url, kept):
        """On a connection that does not know it yet, BEGIN goes ahead of it."""
        database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
        try:
            for failing in (refused_for_a_variable, refused):
                with pytest.raises(Invalid):
                    await failing(database)
            assert database.write_lane.in_use == 0
        finally:
            await database.close()
        assert kept() == []

    async def test_is_in_a_transaction_that_takes_no_other(self, real, kept):
        """Nobody can go on past it, as if BEGIN had not been sent."""

        async def go_on(variables: dict[str, str]) -> None:
            async with real.unit_of_work(variables=variables) as unit:
                with suppress(Invalid):
                    await unit.execute(DIVIDED, {"n": 0})
                await unit.execute(ADD, {"id": 1, "text": ""})

        for variables in ({}, BAD):
            with pytest.raises(Unavailable):
                await go_on(variables)
        assert kept() == []

    @pytest.mark.parametrize("values", [{"id": 1, "text": "\0"}, {"id": 1}], ids=["of a value", "for want of one"])
    async def test_before_it_is_sent_leaves_the_unit_one_transaction(self, real, kept, values):
        """BEGIN has not been sent then: it goes with the next."""

        async def write() -> None:
            async with real.unit_of_work(variables={"trellis.origin": "x"}) as unit:
                with suppress(Invalid, KeyError):
                    await unit.execute(ADD, values)
                await unit.execute(ADD, {"id": 2, "text": ""})
                assert await unit.execute(ORIGIN, {}) == [("x",)]
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write()
        assert kept() == []


class TestAFirstStatementOfMoreThanTheSocketHolds:
    async def test_is_sent_whole(self, real, sql):
        async with real.unit_of_work(variables={"trellis.origin": "x"}) as unit:
            await unit.execute(ADD, {"id": 1, "text": BIG})
            assert await unit.execute(ORIGIN, {}) == [("x",)]
        assert sql("SELECT id, length(text) FROM first_notes").fetchall() == [(1, len(BIG))]

    async def test_that_is_refused_is_told_and_the_connection_is_used_again(self, real, kept):
        before = await pid_of(real)
        with pytest.raises(Invalid):
            async with real.unit_of_work(variables=BAD) as unit:
                await unit.execute(ADD, {"id": 1, "text": BIG})
        assert await pid_of(real) == before
        assert kept() == []

    @pytest.mark.parametrize("turns", range(0, 12, 2))
    async def test_that_is_cancelled_on_its_way_keeps_nothing(self, real, kept, turns):
        await cancelled_after(turns, writing(real, BIG))
        assert real.write_lane.in_use == 0
        assert await written(real) == kept()


class TestAFirstStatementThatIsCancelled:
    @pytest.mark.parametrize("turns", range(8))
    async def test_at_any_point_keeps_nothing_and_holds_no_place(self, real, kept, turns):
        await cancelled_after(turns, writing(real, "x"))
        assert real.write_lane.in_use == 0
        assert await written(real) == kept()

    async def test_while_the_server_is_at_work_holds_no_place(self, real, sql):
        async def sleep() -> None:
            async with real.unit_of_work() as unit:
                await unit.execute(ASLEEP, {"seconds": PATIENCE, "x": ""})

        task = asyncio.create_task(sleep())
        await asyncio.to_thread(eventually, lambda: sql(AT_WORK).fetchone()[0])
        await cancelled_after(0, task)
        assert real.write_lane.in_use == 0
        assert await written(real) == [7]


def writing(database: Database, content: str) -> asyncio.Task[None]:
    async def write() -> None:
        async with database.unit_of_work(variables={"trellis.origin": "x"}) as unit:
            await unit.execute(ADD, {"id": 1, "text": content})
            await asyncio.sleep(PATIENCE)

    return asyncio.create_task(write())


async def cancelled_after(turns: int, task: asyncio.Task[None]) -> None:
    """So many turns of the event loop, and it has ended when this returns."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def written(database: Database) -> list[int]:
    """The ids of the notes that the next unit of work adds, of which none may be there yet."""
    async with database.unit_of_work() as unit:
        assert await unit.execute(COUNT, {}) == [(0,)]
        await unit.execute(ADD, {"id": 7, "text": ""})
    return [7]


class TestAConnectionThatEndsUnderAFirstStatement:
    @pytest.mark.parametrize("fault", Fault)
    @pytest.mark.parametrize("content", ["x", BIG], ids=["small", "big"])
    async def test_is_told_and_replaced(self, real, kept, proxy, fault, content):
        """Nothing is kept, whether the server has heard of it or not."""
        before = await pid_of(real)
        if fault in {Fault.STALL, Fault.HALF_STALL}:
            real.write_lane._at_hand[0].connection.deadline_seconds = 0.3
        proxy.faults.append(fault)
        with pytest.raises(Unavailable):
            async with real.unit_of_work(variables={"trellis.origin": "x"}) as unit:
                await unit.execute(ADD, {"id": 1, "text": content})
        assert proxy.faults == []
        assert real.write_lane.in_use == 0
        assert await pid_of(real) != before
        assert kept() == []
