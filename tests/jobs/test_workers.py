"""Workers as processes: several share the work, and nothing is lost when one is killed, hangs or is told to end."""

import asyncio
import os
import re
import signal
from contextlib import ExitStack

import psycopg
import pytest

from tests.architecture.trees import ROOT, run
from tests.database import clone, url_with
from tests.jobs.planted import LATER
from tests.jobs.workers import worker
from tests.patience import eventually
from tests.servers import serving

DONE = sorted(["audit.now", *LATER])
PERIODIC = """
    SELECT args ->> 'job', count(*) FROM procrastinate_jobs
    WHERE NOT args ? 'event' AND split_part(args ->> 'job', '.', 1) IN ('garden', 'kernel') GROUP BY 1 ORDER BY 1"""
OF_THE_QUEUE = """
    SELECT count(*) FROM pg_stat_activity WHERE application_name = 'trellis worker' AND datname = current_database()"""


def running(garden):
    return [job for job, state, _ in garden.jobs() if state == "doing"]


async def at_work(garden):
    await garden.until(lambda: len(running(garden)) == len(LATER))


class TestSeveralWorkers:
    async def test_share_the_work_and_run_what_is_periodic_once(self, garden, tmp_path):
        """Each does one job at a time here."""
        await garden.grow("waits")
        with ExitStack() as workers:
            for number in range(3):
                workers.enter_context(worker(garden.url, tmp_path / f"{number}.log", TRELLIS_WORKER_JOBS="1"))
            await at_work(garden)
            by = garden.sql("SELECT count(DISTINCT worker_id) FROM procrastinate_jobs WHERE status = 'doing'")
            assert by == [(3,)]
            garden.rain()
            due = [("garden.look", 1), ("kernel.forget_jobs", 1), ("kernel.purge", 1)]
            await garden.until(lambda: garden.sql(PERIODIC) == due)
            left = "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"
            await garden.until(lambda: garden.sql(left) == [(0,)])
            assert garden.sql(PERIODIC) == due
        assert garden.sql("SELECT count(*) FROM heard WHERE job = 'garden.look'") == [(1,)]


class TestAWorkerThat:
    async def test_may_not_use_the_queue_says_so(self, garden, tmp_path):
        role = f"trellis_barred_{os.getpid()}"
        garden.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
        try:
            garden.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
            with worker(url_with(garden.url, user=role, password="x"), tmp_path / "a.log") as barred:
                eventually(lambda: "begins again. PostgreSQL says: permission denied for sequence" in barred.output())
        finally:
            garden.sql(f"DROP OWNED BY {role}")
            garden.sql(f"DROP ROLE {role}")

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"dbname": "no such"}, "does not exist"),
            ({"host": "no.such.invalid"}, "no.such.invalid"),
        ],
        ids=["no database", "no host"],
    )
    async def test_cannot_connect_says_why_before_a_pool_gives_up(self, garden, tmp_path, changes, reason):
        with worker(url_with(garden.url, **changes), tmp_path / "a.log") as lost:
            eventually(lambda: "No jobs are done for now." in lost.output())
            assert reason in lost.output()

    async def test_is_killed_loses_no_job(self, garden, tmp_path):
        plant = await garden.grow("waits")
        with worker(garden.url, tmp_path / "a.log") as killed:
            await at_work(garden)
            killed.process.kill()
            garden.rain()
            with worker(garden.url, tmp_path / "b.log") as other:
                await garden.until(lambda: garden.heard(plant) == DONE)
                for job in LATER:
                    assert re.search(rf"{job} \d+: its worker has died, or hangs; it is taken up again", other.output())

    async def test_is_stopped_loses_no_job_and_does_none_twice(self, garden, tmp_path):
        """It gives no sign for a while. When it goes on, it ends, or finds that its jobs are another's."""
        plant = await garden.grow("waits")
        with worker(garden.url, tmp_path / "a.log") as stopped:
            await at_work(garden)
            os.kill(stopped.process.pid, signal.SIGSTOP)
            garden.rain()
            with worker(garden.url, tmp_path / "b.log"):
                await garden.until(lambda: garden.heard(plant) == DONE)
            os.kill(stopped.process.pid, signal.SIGCONT)
            failed = [f"{job} " for job in LATER]
            await garden.until(lambda: stopped.process.poll() == 1 or all(job in stopped.output() for job in failed))
            assert garden.heard(plant) == DONE

    async def test_a_job_blocks_ends_and_tells_where_it_stood(self, garden, tmp_path):
        plant = await garden.grow("blocks")
        with worker(garden.url, tmp_path / "a.log") as blocked:
            assert await asyncio.to_thread(blocked.end) == 1
            assert "Timeout" in blocked.output()
            assert "in hear" in blocked.output()
        garden.rain()
        with worker(garden.url, tmp_path / "b.log"):
            await garden.until(lambda: garden.heard(plant) == DONE)

    async def test_is_told_to_end_finishes_what_it_does_and_takes_no_more(self, garden, tmp_path):
        plant = await garden.grow("waits")
        with worker(garden.url, tmp_path / "a.log") as ending:
            await at_work(garden)
            ending.process.terminate()
            await garden.until(lambda: "The worker ends" in ending.output())
            later = await garden.grow()
            garden.rain()
            assert await asyncio.to_thread(ending.end) == 0
        assert garden.heard(plant) == DONE
        assert garden.heard(later) == ["audit.now"]

    async def test_is_told_to_end_leaves_to_others_what_takes_too_long(self, garden, tmp_path):
        await garden.grow("waits")
        with worker(garden.url, tmp_path / "a.log", TRELLIS_SHUTDOWN_SECONDS="0.2") as ending:
            await at_work(garden)
            ending.process.terminate()
            assert await asyncio.to_thread(ending.end) == 0
        assert garden.jobs() == [(job, "todo", 1) for job in LATER]

    async def test_finds_its_time_over_is_killed(self, garden, tmp_path):
        """A job blocks it, and would for longer than there is time."""
        await garden.grow("blocks")
        environment = {"TRELLIS_SHUTDOWN_SECONDS": "0.2", "TRELLIS_WORKER_SILENT_SECONDS": "10000"}
        with worker(garden.url, tmp_path / "a.log", **environment) as ending:
            await garden.until(lambda: running(garden))
            ending.process.terminate()
            assert await asyncio.to_thread(ending.end) == -signal.SIGALRM


class TestTheCommand:
    def test_does_the_jobs_of_the_modules_and_ends_with_success(self, tmp_path):
        """`trellis worker`: the first job is the kernel's purge."""
        with clone() as url, worker(url, tmp_path / "a.log", "app.cli", "worker") as started:
            eventually(lambda: "kernel.purge 1: attempt 1 done in" in started.output())
            started.process.send_signal(signal.SIGINT)
            assert started.end() == 0


class TestAServer:
    def test_has_a_worker_over_the_embedded_database(self, tmp_path):
        with serving(tmp_path, worker="") as server:
            eventually(lambda: "kernel.purge 1: attempt 1 done in" in server.output())
            assert server.stop() == 0

    @pytest.mark.parametrize("is_told", [False, True])
    def test_has_one_over_another_database_only_when_told(self, tmp_path, is_told):
        """Else it opens no connection for it."""
        with clone() as url, serving(tmp_path, worker="true" if is_told else "", DATABASE_URL=url) as server:
            with psycopg.connect(url) as connection:
                if is_told:
                    eventually(lambda: "kernel.purge 1: attempt 1 done in" in server.output())
                assert (connection.execute(OF_THE_QUEUE).fetchone()[0] > 0) == is_told
            assert server.stop() == 0

    def test_imports_nothing_of_it_otherwise(self):
        program = "import sys, app.cli; print(sorted({'procrastinate', 'psycopg_pool'} & sys.modules.keys()))"
        assert run(ROOT, "-c", program).stdout == "[]\n"
