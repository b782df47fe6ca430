"""A worker in this process: what it does with a job, and with one that fails."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from procrastinate.jobs import Job
from psycopg.pq import TransactionStatus

from app.worker import _app, _BackOff
from tests.jobs.conftest import UNBOUND
from tests.jobs.planted import LATER
from tests.servers import trellis


def defer(garden, **arguments):
    """Put a job into the queue, as another release may have done."""
    garden.sql(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('trellis', 'trellis', %s::jsonb)",
        json.dumps({"job": "mail.send", "event": "kernel.Grew", "version": 2} | arguments),
    )


def errors(garden):
    return [error for (error,) in garden.sql("SELECT args ->> 'error' FROM procrastinate_jobs WHERE args ? 'error'")]


async def dead(garden):
    """The errors of jobs that are dead, once there is one."""
    await garden.until(lambda: any(state == "failed" for _, state, _ in garden.jobs()))
    return errors(garden)


class TestAJob:
    async def test_is_done_once_for_each_subscriber(self, garden):
        plants = [await garden.grow() for _ in range(10)]
        async with garden.working():
            await garden.until(lambda: all(state == "succeeded" for _, state, _ in garden.jobs()))
        for plant in plants:
            assert garden.heard(plant) == sorted(["audit.now", *LATER])

    async def test_is_no_callers_change_but_has_the_id_of_the_request(self, garden):
        """So the journal shows where it came from, and the log as well."""
        plant = await garden.grow(headers={"X-Request-ID": "abc-1"})
        async with garden.working():
            await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))
        found = garden.sql("SELECT DISTINCT job, origin FROM heard WHERE job = 'mail.send'")
        assert found == [("mail.send", "- - abc-1")]

    async def test_is_told_of_in_a_line(self, garden, caplog):
        await garden.grow()
        with caplog.at_level(logging.INFO, "trellis"):
            async with garden.working():
                await garden.until(lambda: all(state == "succeeded" for _, state, _ in garden.jobs()))
        lines = [line for line in caplog.messages if line.startswith("mail.send")]
        (id,) = garden.sql("SELECT id FROM procrastinate_jobs WHERE args ->> 'job' = 'mail.send'")[0]
        (line,) = lines
        assert re.match(rf"mail\.send {id}: attempt 1 done in \d+\.\d+ s", line)

    async def test_that_was_done_is_not_done_again_when_only_its_end_was_not_told(self, garden):
        """Its worker died between the commit and the word to the queue."""
        plant = uuid4()
        defer(garden, payload={"plant_id": str(plant)}, done=True)
        async with garden.working():
            await garden.until(lambda: garden.jobs() == [("mail.send", "succeeded", 1)])
        assert garden.heard(plant) == []

    async def test_waits_until_the_database_has_its_schema(self, garden, monkeypatch, caplog):
        monkeypatch.setattr("app.worker.PAUSE_SECONDS", 0.1)
        plant = await garden.grow()
        garden.sql("ALTER TABLE procrastinate_workers RENAME TO elsewhere")
        try:
            async with garden.working():
                await garden.until(lambda: "No jobs are done for now. The database has not the schema" in caplog.text)
                garden.sql("ALTER TABLE elsewhere RENAME TO procrastinate_workers")
                await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))
        finally:
            if garden.sql("SELECT to_regclass('elsewhere')") != [(None,)]:
                garden.sql("ALTER TABLE elsewhere RENAME TO procrastinate_workers")

    async def test_waits_until_the_schema_is_that_of_this_version(self, garden, monkeypatch, caplog):
        """A worker of a rollout may start before the migration has ended."""
        monkeypatch.setattr("app.worker.PAUSE_SECONDS", 0.1)
        ((newest,),) = garden.sql("SELECT max(version_num) FROM alembic_version WHERE version_num LIKE 'users%%'")
        garden.sql("DELETE FROM alembic_version WHERE version_num = %s", newest)
        plant = await garden.grow()
        async with garden.working():
            await garden.until(lambda: "No jobs are done for now. The database lacks migrations" in caplog.text)
            assert len(garden.heard(plant)) == 1
            garden.sql("INSERT INTO alembic_version VALUES (%s)", newest)
            await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))


class TestAWorkerWhoseConnectionsEnd:
    async def test_goes_on(self, garden, monkeypatch):
        """As after a restart of PostgreSQL: connections to the queue, and those of the jobs."""
        monkeypatch.setattr("app.worker.PAUSE_SECONDS", 0.1)
        async with garden.working():
            for _ in range(3):
                plant = await garden.grow()
                await garden.until(lambda plant=plant: len(garden.heard(plant)) == 1 + len(LATER))
                await garden.application.kernel.database().close()  # The publisher's own are not meant.
                garden.sql("""
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()""")
            plant = await garden.grow()
            await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))


class TestADatabaseWithSettingsOfItsOwn:
    @pytest.fixture(
        params=[
            "datestyle = 'German, DMY'",
            "default_transaction_isolation = 'serializable'",
            "statement_timeout = '1ms'",
            "lock_timeout = '1ms'",
            "idle_session_timeout = '50ms'",
        ]
    )
    def own_setting(self, request, garden):
        ((name,),) = garden.sql("SELECT current_database()")
        garden.sql(f"ALTER DATABASE {name} SET {request.param}")
        yield
        with psycopg.connect(garden.url, autocommit=True, options=UNBOUND) as connection:
            connection.execute(f"ALTER DATABASE {name} RESET ALL")

    async def test_has_its_jobs_done_as_any_other(self, own_setting, garden, caplog):
        """A job that is tried again has a time, which the worker reads."""
        plant = await garden.grow("fails")
        async with garden.working(job_attempts=100):
            await garden.until(lambda: min(attempts for *_, attempts in garden.jobs()) >= 2)
            garden.rain()
            await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))
            await garden.until(lambda: all(state == "succeeded" for _, state, _ in garden.jobs()))
        assert "No jobs are done for now" not in caplog.text
        assert "begins again" not in caplog.text


class TestTheQueuesConnections:
    async def test_are_in_no_transaction_between_statements(self, garden):
        """A worker that hangs there would hold rows for which all others wait when they start."""
        app = _app(garden.application, 1)
        connector: Any = app.connector
        async with app.open_async(), connector.pool.connection() as connection:
            await connection.execute("SELECT 1")
            assert connection.info.transaction_status == TransactionStatus.IDLE


class TestAJobThatFails:
    async def test_is_tried_again(self, garden):
        plant = await garden.grow("fails")
        async with garden.working(job_attempts=100):
            await garden.until(lambda: min(attempts for *_, attempts in garden.jobs()) >= 2)
            assert garden.heard(plant) == ["audit.now"]
            garden.rain()
            await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))
            await garden.until(lambda: all(state == "succeeded" for _, state, _ in garden.jobs()))
        assert errors(garden) == []  # They are of attempts that failed.

    def test_waits_for_three_times_as_long_each_time_but_not_for_ever(self, settings):
        back_off, job = _BackOff(settings), Job(id=1, queue="", lock=None, queueing_lock=None, task_name="")
        for attempts, seconds in enumerate([2, 6, 18, 54, 162, 486, 1458, 4374, 7200, 7200, 7200]):
            before, wait = datetime.now(UTC), timedelta(seconds=seconds)
            due: Any = back_off.get_retry_decision(exception=ValueError(), job=job.evolve(attempts=attempts)).retry_at
            assert before + wait <= due <= datetime.now(UTC) + wait
        assert back_off.get_retry_decision(exception=ValueError(), job=job.evolve(attempts=11)) is None

    async def test_is_dead_in_the_end_and_is_tried_again_on_demand(self, garden, caplog):
        plant = await garden.grow("fails")
        async with garden.working(job_attempts=2):
            await garden.until(lambda: [job[1:] for job in garden.jobs()] == [("failed", 2)] * len(LATER))
            assert errors(garden) == ["ValueError: It has not rained."] * len(LATER)
            assert caplog.text.count("Traceback") == 2 * len(LATER)  # Of ours; the library's say nothing.
            garden.rain()
            done = trellis("events", "resubmit", "--all", "--json", DATABASE_URL=garden.url)
            assert (done.returncode, len(json.loads(done.stdout))) == (0, len(LATER))
            await garden.until(lambda: len(garden.heard(plant)) == 1 + len(LATER))

    async def test_by_an_error_of_the_domain_is_told_of_in_its_sentence(self, garden, caplog):
        await garden.grow("withers")
        async with garden.working(job_attempts=1):
            assert "It withered." in await dead(garden)
        assert "failed after" in caplog.text
        assert "Traceback" not in caplog.text

    async def test_to_end_in_time_counts_as_failed(self, garden):
        """And leaves its connection to others."""
        plant = await garden.grow("hangs")
        async with garden.working(job_attempts=2, job_seconds=0.2):
            assert "It was not done within 0.2 s." in await dead(garden)
        assert garden.heard(plant) == ["audit.now"]

    async def test_keeps_nothing_of_what_it_wrote(self, garden):
        plant = await garden.grow("fails")
        async with garden.working(job_attempts=1):
            await garden.until(lambda: {state for _, state, _ in garden.jobs()} == {"failed"})
        assert garden.heard(plant) == ["audit.now"]


class TestAJobThatEnded:
    @pytest.mark.parametrize(
        ("status", "days", "is_kept"),
        [
            ("succeeded", 6, True),
            ("succeeded", 8, False),
            ("failed", 89, True),
            ("failed", 91, False),
            ("todo", 91, True),
        ],
    )
    async def test_is_removed_when_it_is_old(self, garden, status, days, is_kept):
        """One that is dead later than one that was done. The worker does that by itself, every day."""
        defer(garden, payload={})
        garden.sql("UPDATE procrastinate_jobs SET status = %s, scheduled_at = 'infinity'", status)
        garden.sql("UPDATE procrastinate_events SET at = now() - %s * interval '1 day'", days)
        done = "SELECT args ->> 'job' FROM procrastinate_jobs WHERE status = 'succeeded'"
        async with garden.working():
            await garden.until(lambda: ("kernel.forget_jobs",) in garden.sql(done))
        assert bool(garden.jobs()) == is_kept


class TestAPayload:
    async def test_of_an_older_version_is_understood(self, garden):
        plant = uuid4()
        defer(garden, version=1, payload={"plant": str(plant)})
        async with garden.working():
            await garden.until(lambda: garden.heard(plant) == ["mail.send"])

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (
                {"version": 3, "payload": {}},
                "kernel.Grew is of version 3, and this release knows version 2: upgrade the worker.",
            ),
            (
                {"version": 1, "payload": {"plant": "a rose"}},
                "kernel.Grew of version 1 does not fit version 2: plant_id (Input should be a valid UUID",
            ),
            ({"version": 1, "payload": {"flower": "a rose"}}, "KeyError: 'plant'"),
            ({"event": "kernel.Shrank", "payload": {}}, "No module of this release has the job mail.send about"),
            ({"job": "fax.send", "payload": {}}, "No module of this release has the job fax.send about kernel.Grew."),
        ],
    )
    async def test_that_is_not_understood_is_kept_and_told_of(self, garden, arguments, reason):
        """In the midst of an upgrade, another worker may understand it: so it is tried again before it is dead."""
        defer(garden, **arguments)
        async with garden.working(job_attempts=2):
            (error,) = await dead(garden)
        assert error.startswith(reason)
        assert [job[1:] for job in garden.jobs()] == [("failed", 2)]
