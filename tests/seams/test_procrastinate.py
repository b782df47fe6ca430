"""What the queue and the worker need and Procrastinate does not promise. Its schema: tests/jobs/test_schema.py."""

import asyncio
import json
from uuid import uuid4

import procrastinate
import psycopg
import pytest
from procrastinate.jobs import Status

from shared.jobs.queue import DEFER, DONE, QUEUE, RESCUE, STATES, TASK
from shared.settings import Settings
from shared.wire.database import Database
from tests.database import clone
from tests.patience import PATIENCE
from tests.seams.sentences import relied_on

FILES = ("shared/jobs/queue.py", "app/worker.py")


@pytest.fixture
async def queue():
    """Procrastinate's side of a queue, and ours."""
    with clone("seam") as url:
        database = Database(Settings(DATABASE_URL=url, environment="development"))
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=1, max_size=2)
        app = procrastinate.App(connector=connector)
        async with app.open_async():
            yield app, database
        await database.close()


async def left(database, **arguments):
    """A job that we leave."""
    async with database.unit_of_work(variables={"trellis.origin": "- - abc-1"}) as unit:
        await unit.send(DEFER, {"args": json.dumps(arguments)})


class TestTheTables:
    async def test_take_a_job_that_we_write_as_one_of_its_own(self, queue):
        app, database = queue
        with relied_on("Procrastinate", "what a job in its table is", *FILES):
            await left(database, job="x")
            worker_id = await app.job_manager.register_worker()
            job = await app.job_manager.fetch_job([QUEUE], worker_id)
            assert (job.task_name, job.task_kwargs) == (TASK, {"job": "x", "request_id": "abc-1"})
            assert (job.worker_id, job.attempts, job.status) == (worker_id, 0, "doing")
            async with database.unit_of_work() as unit:
                assert await unit.execute(DONE, {"id": job.id, "worker_id": worker_id + 1}) == []
                assert await unit.execute(DONE, {"id": job.id, "worker_id": worker_id}) == [(job.id,)]
            (kept,) = await app.job_manager.list_jobs_async()
            assert kept.task_kwargs["done"] is True
            await app.job_manager.finish_job(kept, Status.SUCCEEDED, delete_job=False)

    async def test_tell_workers_of_it(self, queue):
        app, database = queue
        with relied_on("Procrastinate", "whom its triggers tell of a new job", *FILES):
            url = app.connector.pool.conninfo
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(f'LISTEN "procrastinate_queue_v1#{QUEUE}"')
                await left(database, job="x")
                async for told in connection.notifies(timeout=PATIENCE, stop_after=1):
                    assert json.loads(told.payload)["type"] == "job_inserted"

    def test_know_the_states_that_we_know(self):
        with relied_on("Procrastinate", "the states of a job", *FILES):
            ours = {state for states in STATES.values() for state in states}
            assert ours == {state.value for state in Status} - {"aborting"}  # Which it uses no more.

    async def test_tell_which_jobs_have_lost_their_worker(self, queue):
        app, database = queue
        with relied_on("Procrastinate", "how a job and its worker are tied", *FILES):
            await left(database, job="x")
            silent = await app.job_manager.register_worker()
            await app.job_manager.fetch_job([QUEUE], silent)
            values = {"queue": QUEUE, "attempts": 3, "silent": 100, "longest": 100}
            assert await app.connector.execute_query_all_async(RESCUE, **values) == []
            await app.job_manager.unregister_worker(silent)
            (found,) = await app.connector.execute_query_all_async(RESCUE, **values)
            assert (found["job"], found["status"]) == ("x", "todo")
            other = await app.job_manager.register_worker()
            await app.job_manager.fetch_job([QUEUE], other)
            (found,) = await app.connector.execute_query_all_async(RESCUE, **values | {"longest": 0})
            assert found["status"] == "todo"
            await app.job_manager.fetch_job([QUEUE], other)
            (found,) = await app.connector.execute_query_all_async(RESCUE, **values | {"silent": 0})
            assert found["status"] == "failed"


class TestAWorker:
    @pytest.mark.parametrize("is_in_time", [True, False])
    async def test_that_is_cancelled_finishes_its_jobs_or_has_them_tried_again(self, queue, is_in_time):
        """After its patience is over, it asks when, for the cancellation itself."""
        app, database = queue
        begun, may_end, asked = asyncio.Event(), asyncio.Event(), []

        class Again(procrastinate.BaseRetryStrategy):
            def get_retry_decision(self, *, exception, job):
                asked.append(type(exception))
                return procrastinate.RetryDecision(retry_in={"seconds": 0})

        async def do(context, /, **_):
            begun.set()
            await may_end.wait()

        app.task(name=TASK, queue=QUEUE, pass_context=True, retry=Again())(do)
        with relied_on("Procrastinate", "how a worker ends that is cancelled", *FILES):
            await left(database, job=str(uuid4()))
            patience = PATIENCE if is_in_time else 0.01
            options = {"queues": [QUEUE], "install_signal_handlers": False, "shutdown_graceful_timeout": patience}
            working = asyncio.create_task(app.run_worker_async(**options))
            await begun.wait()
            working.cancel()
            if is_in_time:
                await asyncio.sleep(0)
                may_end.set()
            await asyncio.wait([working])
            assert working.cancelled()
            (job,) = await app.job_manager.list_jobs_async()
            assert (job.status, asked) == (("succeeded", []) if is_in_time else ("todo", [asyncio.CancelledError]))
