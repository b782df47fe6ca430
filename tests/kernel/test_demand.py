"""The demand of a unit of work: a statement that has to give a row, executed along with the first one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import Integer, bindparam, column, insert, literal, select, table

from shared.errors import Conflict, Forbidden
from shared.wire.database import Database
from shared.wire.statements import Statement
from shared.wire.unit_of_work import UnitOfWork
from shared.wire.wire import Demand
from tests.database import clone

NOTES = table("demanded_notes", column("id", Integer()))
ADD = Statement(insert(NOTES).values(id=bindparam("id", type_=Integer())))
ONE = Statement(select(literal(1)))
IF = Statement(select(literal(1)).where(literal(1) == bindparam("n", type_=Integer())))


def demand(*, met: bool) -> Demand:
    return Demand(IF, {"n": int(met)}, Forbidden)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE demanded_notes (id int PRIMARY KEY)")
        yield url


@pytest.fixture
def kept(url):
    """The ids of the notes that are committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE demanded_notes")
        yield lambda: [id for (id,) in connection.execute("SELECT id FROM demanded_notes ORDER BY id")]


@pytest.fixture
async def real(settings, url, kept) -> AsyncIterator[Database]:
    database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
    yield database
    await database.close()


async def execute(unit: UnitOfWork) -> None:
    await unit.execute(ADD, {"id": 1})


async def send(unit: UnitOfWork) -> None:
    await unit.send(ADD, {"id": 1})


async def send_and_flush(unit: UnitOfWork) -> None:
    await send(unit)
    await unit.flush()


async def execute_in_a_savepoint(unit: UnitOfWork) -> None:
    async with unit.savepoint():
        await execute(unit)


async def insert_in_a_block(unit: UnitOfWork) -> None:
    async with unit.orm() as session:
        await session.execute(insert(NOTES).values(id=1))


async def command(unit: UnitOfWork) -> None:
    await unit.command("INSERT INTO demanded_notes VALUES (1)")


async def begin_and_execute(unit: UnitOfWork) -> None:
    await unit.begin()
    await execute(unit)


WAYS = [execute, send, send_and_flush, execute_in_a_savepoint, insert_in_a_block, command, begin_and_execute]


class TestADemandThatIsMet:
    @pytest.mark.parametrize("write", WAYS)
    async def test_changes_nothing(self, real, kept, write):
        async with real.unit_of_work(demand=demand(met=True)) as unit:
            await write(unit)
        assert kept() == [1]

    async def test_is_met_from_the_first_answer_on_even_a_refusal(self, real, kept):
        async def twice(unit: UnitOfWork) -> None:
            assert unit.is_unmet
            await send(unit)
            assert unit.is_unmet
            await execute(unit)  # The same id.

        with pytest.raises(Conflict):
            async with real.unit_of_work(demand=demand(met=True)) as unit:
                await twice(unit)
        assert not unit.is_unmet
        assert kept() == []


class TestADemandThatIsNotMet:
    @pytest.mark.parametrize("write", WAYS)
    async def test_is_raised_and_nothing_kept(self, real, kept, write):
        for _ in range(2):
            with pytest.raises(Forbidden):
                async with real.unit_of_work(demand=demand(met=False)) as unit:
                    await write(unit)
            assert kept() == []
            assert real.write_lane.in_use == 0
        async with real.unit_of_work() as unit:
            await execute(unit)  # On the same connection.
        assert kept() == [1]

    @pytest.mark.parametrize("write", WAYS)
    async def test_is_raised_again_when_somebody_has_caught_it(self, real, kept, write):
        async def stubborn(unit: UnitOfWork) -> None:
            with suppress(Forbidden):
                await write(unit)
            with suppress(Forbidden):
                await unit.execute(ONE, {})

        with pytest.raises(Forbidden):
            async with real.unit_of_work(demand=demand(met=False)) as unit:
                await stubborn(unit)
        assert kept() == []

    async def test_comes_before_the_refusal_of_a_statement(self, real, kept):
        async with real.unit_of_work() as unit:
            await execute(unit)
        with pytest.raises(Forbidden):
            async with real.unit_of_work(demand=demand(met=False)) as unit:
                await execute(unit)  # The id is taken.
        assert kept() == [1]

    async def test_is_raised_where_no_statement_was_executed(self, real):
        with pytest.raises(Forbidden):
            async with real.unit_of_work(demand=demand(met=False)):
                assert real.write_lane.in_use == 0
        assert real.write_lane.in_use == 0

    async def test_leaves_an_error_before_the_first_statement_as_it_is(self, real):
        with pytest.raises(Conflict):
            async with real.unit_of_work(demand=demand(met=False)):
                raise Conflict
