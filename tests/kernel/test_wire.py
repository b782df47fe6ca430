"""The wire's states, all of them: every message of a server's side of the protocol, ended in every way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvloop
from sqlalchemy import literal, select, text

from shared.errors import DomainError, Unavailable
from shared.settings import Settings
from shared.wire import connection, link
from shared.wire.database import Database
from shared.wire.statements import Record, Statement
from tests.patience import PATIENCE
from tests.scripted import End, Fault, ScriptedPostgres

ONE = Statement(select(literal("1")))
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
SILENT = {End.SILENCE, End.LAST_WORDS_SILENCE, End.HALF_A_MESSAGE_SILENCE}
"""Only the deadline ends these."""

Request = Callable[[Database], Awaitable[list[Record]]]


async def read(database: Database) -> list[Record]:
    return await database.read(ONE, {})


async def write(database: Database) -> list[Record]:
    """The first time it prepares, the second time BEGIN and the rest travel with it in a pipeline."""
    async with database.unit_of_work(variables={"trellis.origin": "a test"}) as unit:
        return await unit.execute(ONE, {})


async def write_by_session(database: Database) -> list[Record]:
    async with database.unit_of_work() as unit:
        async with unit.orm() as session:
            await session.execute(text("SELECT 1"))
        return await unit.execute(ONE, {})


@pytest.fixture(autouse=True)
def _little_grace(monkeypatch):
    monkeypatch.setattr(connection, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(link, "LEFT_SECONDS", 0.1)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 2)  # The least that libpq takes.


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine in an event loop of its own, as long as a machine may take."""

    def run_bounded(coroutine):
        async def bounded():
            async with asyncio.timeout(PATIENCE):
                return await coroutine

        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(bounded())

    return run_bounded


@dataclass
class Scene:
    """A database of one connection a lane, over a scripted server."""

    database: Database
    server: ScriptedPostgres

    async def become_whole(self):
        """Wait until every place in both lanes is free; that of a COMMIT is not at once."""
        lanes = (self.database.read_lane, self.database.write_lane)
        while not all(lane.in_use == 0 and not lane._places.locked() for lane in lanes):  # noqa: ASYNC110 (of the lanes)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def scene_of(settings: Settings, *faults: Fault) -> AsyncIterator[Scene]:
    """It gives up soon only where it has to give up."""
    server = ScriptedPostgres(*faults)
    seconds = 0.2 if any(fault.end in SILENT for fault in faults) else PATIENCE
    async with server.listening() as url:
        changes = {"database_url": url, "pool_size": 1, "pool_wait_seconds": PATIENCE, "statement_seconds": seconds}
        database = Database(settings.model_copy(update=changes))
        try:
            yield Scene(database, server)
        finally:
            await database.close()


async def steps_of(settings: Settings, request: Request) -> int:
    """How many messages a good server sends from the start of the connection to the end of the second request."""
    async with scene_of(settings) as scene:
        await request(scene.database)  # SQLAlchemy looks around on the first connection that it sees.
    async with scene_of(settings) as scene:
        await request(scene.database)
        await request(scene.database)
        return scene.server.steps


async def outcome_of(request: Request, database: Database) -> str:
    try:
        return "answered" if await request(database) == [("1",)] else "wrong"
    except DomainError as error:
        return "unavailable" if isinstance(error, Unavailable) else error.code


async def walk(settings: Settings, request: Request, end: End, during=outcome_of) -> None:
    """Each step in a scene of its own, all at once: three requests, of which the connection's end meets one or two."""

    async def one(step: int) -> None:
        async with scene_of(settings, Fault(step, end)) as scene:
            first, second = [await during(request, scene.database) for _ in range(2)]
            assert {first, second} <= {"answered", "unavailable", "cancelled"}, (step, first, second)
            await scene.become_whole()
            while await outcome_of(request, scene.database) != "answered":  # Deadlines are short, machines are slow.
                assert end in SILENT, step
            await scene.become_whole()

    async with asyncio.TaskGroup() as walking:
        for step in range(await steps_of(settings, request)):
            walking.create_task(one(step))


@pytest.mark.parametrize("request_", [read, write, write_by_session])
class TestARequest:
    @pytest.mark.parametrize("end", End)
    def test_is_answered_whenever_and_however_the_connection_ends(self, run, settings, request_, end, monkeypatch):
        if end not in SILENT:
            monkeypatch.setattr(connection, "CONNECT_SECONDS", PATIENCE)
        run(walk(settings, request_, end))

    @pytest.mark.parametrize("after", [0, 0.02])
    def test_that_is_cancelled_at_any_step_leaves_its_place_free(self, run, settings, request_, after):
        async def cancelled(request, database):
            task = asyncio.create_task(outcome_of(request, database))
            await asyncio.wait([task], timeout=after)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            return "cancelled" if isinstance(outcome, asyncio.CancelledError) else outcome

        run(walk(settings, request_, End.SILENCE, during=cancelled))


class TestTheFirstStatementOfAUnitOfWork:
    def test_travels_with_begin_and_the_variables(self, run, settings):
        """In one message to the server, and COMMIT in another: that is what a change has to wait for."""

        async def receipts():
            async with scene_of(settings) as scene:
                for _ in range(2):
                    await write(scene.database)
                return scene.server.received

        *_, prepare, all_at_once, commit, once_more, second_commit = run(receipts())
        assert (prepare, all_at_once, commit) == ("PS", "PBDEPBDEBDES", "Q")
        assert (once_more, second_commit) == ("PBDEPBDEBDES", "Q")
