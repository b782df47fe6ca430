"""What a request or a job has cost: statements, their time, waits, retries, refusals; and what was slow."""

import asyncio
import os
import subprocess
import sys

import pytest
from sqlalchemy import Text, bindparam, func, literal, select, text

from shared.errors import DomainError, Unavailable
from shared.observing import Activity, current_activity
from shared.observing.activity import _shown
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.database import clone
from tests.servers import ROOT

ONE = Statement(select(literal(1)))
SLEEP = Statement(select(func.pg_sleep(0.3), bindparam("x", type_=Text())))
CANARY = "canary-3f9d"


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


@pytest.fixture
async def database(settings, url):
    """With one connection in each lane."""
    changes = {"database_url": url, "pool_size": 1, "slow_statement_seconds": 0.2, "pool_wait_seconds": 0.5}
    database = Database(settings.model_copy(update=changes))
    yield database
    await database.close()


@pytest.fixture
async def activity():
    current_activity.set(made := Activity("abc-1", "/a/{id}"))
    return made


class TestStatements:
    async def test_of_a_read_are_one(self, database, activity):
        await database.read(ONE, {})
        assert activity.statements == 1
        assert activity.statement_seconds > 0

    async def test_of_a_unit_of_work_include_what_begins_and_ends_it(self, database, activity):
        async with database.unit_of_work() as unit:
            await unit.execute(ONE, {})
        assert activity.statements == 3

    async def test_of_sqlalchemys_session_count_as_well(self, database, activity):
        async with database.unit_of_work() as unit, unit.orm() as session:
            await session.execute(text("SELECT 1"))  # Behind the savepoint of the block.
            before = activity.statements
            await session.execute(text("SELECT 1"))
            assert activity.statements == before + 1

    async def test_that_fail_took_their_time_too(self, database, activity):
        with pytest.raises(DomainError):
            await database.read(Statement(select(literal(1) / func.length(""))), {})
        assert activity.statements == 1
        assert activity.sqlstates == ("22012",)


class TestAWait:
    async def test_for_a_connection_is_told_by_who_waits_and_by_the_lane(self, database, activity):
        lane = database.read_lane
        wire = await lane.take()
        with pytest.raises(Unavailable):
            await database.read(ONE, {})
        assert (lane.size, lane.in_use, lane.waiting, lane.waits, lane.refused) == (1, 1, 0, 1, 1)
        reading = asyncio.create_task(database.read(ONE, {}))
        await asyncio.sleep(0.01)
        assert lane.waiting == 1
        lane.put_back(wire)
        await reading
        assert (lane.in_use, lane.waiting, lane.waits, lane.refused) == (0, 0, 2, 1)
        assert lane.waited_seconds >= activity.wait_seconds > 0


class TestASlowStatement:
    async def test_is_named_with_its_route_and_time_and_without_its_values(self, database, activity, caplog):
        _shown.discard(SLEEP.digest)
        for _ in range(2):
            await database.read(SLEEP, {"x": CANARY})
        first, second = [record for record in caplog.records if record.message.startswith("Slow")]
        assert (first.statements, first.route) == ([SLEEP.digest], "/a/{id}")
        assert first.seconds >= 0.2
        assert first.sql == {SLEEP.digest: SLEEP.text.decode()}
        assert not hasattr(second, "sql"), "The text is told once: it is long."
        assert CANARY not in str([vars(record) for record in caplog.records])
        assert activity.slow == 2

    async def test_of_a_session_is_told_as_well(self, database, activity, caplog):
        async with database.unit_of_work() as unit, unit.orm() as session:
            await session.execute(text("SELECT pg_sleep(0.3), :x"), {"x": CANARY})
        told = [record for record in caplog.records if record.message.startswith("Slow")]
        (slow,) = [record for record in told if record.seconds >= 0.3]
        assert slow.message.startswith("Slow: a session took")
        assert activity.slow == len(told)
        assert CANARY not in caplog.text

    def test_has_the_same_name_in_every_process(self, url):
        """Whatever the order of Python's sets there."""
        told = [
            subprocess.run(
                [sys.executable, "-c", DIGESTS],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONHASHSEED": seed,
                    "DATABASE_URL": url,
                    "TRELLIS_SECRET": "0123456789abcdef" * 3,
                },
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()
            for seed in ("1", "2")
        ]
        assert len(told[0]) > 20
        assert told[0] == told[1]


DIGESTS = """
import gc
from app.container import compose
from shared.manifest import discover
from shared.settings import Settings
from shared.wire import Statement
compose(Settings.load(), discover()).build()
print(*sorted({one.digest for one in gc.get_objects() if isinstance(one, Statement)}), sep="\\n")
"""


class TestTheDigest:
    def test_is_of_the_text_alone(self):
        assert Statement(select(literal(1))).digest == ONE.digest
        assert Statement(select(literal("1"))).digest != SLEEP.digest
        assert len(ONE.digest) == 12
