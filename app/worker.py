"""The worker: does the jobs in the queue, by Procrastinate. The only file that imports it, and only a worker imports
this one: that takes a third of a second.
"""

import asyncio
import faulthandler
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from time import monotonic
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

from app.container import Application, job_name
from app.failures import told
from app.observing import observed
from shared.errors import DomainError
from shared.jobs import NOTE, QUEUE, RESCUE, TASK, Jobs, NotUnderstood
from shared.mail import MailNotSent
from shared.observing import Activity, Watch, current_activity
from shared.settings import Settings
from shared.upkeep import Purge, SchemaOutdated, standing
from shared.wire import lasting

CRON = {"minute": "* * * * *", "hour": "0 * * * *", "day": "0 3 * * *", "week": "0 3 * * 0"}
MISSED_SECONDS = 8 * 86_400
"""A periodic job that nobody ran in this time is not made up for."""
POLL_SECONDS = 5.0
"""A new job is told of; one that is to be tried again is found by looking."""
LONGEST_WAIT = 7200.0  # seconds
FORGOTTEN_SECONDS = 86_400.0
"""A worker that gives no sign is remembered for so long: who forgets it waits for the rows of its jobs, and a worker
forgets others before it begins. Its jobs are taken up much earlier.
"""
LONGEST_REASON = 500  # characters
PAUSE_SECONDS = 5.0
"""Until a worker that lost the database tries again."""
GRACE_SECONDS = 10
"""What ending may take beyond the time for the jobs under way, until the process is killed."""

log = logging.getLogger("trellis")


def run_worker(application: Application) -> None:
    """Do jobs until SIGTERM or SIGINT, which leave `shutdown_seconds` for those under way.

    A job that blocks the event loop would stop all of it, so then the process ends, and tells where it stood. Whatever
    starts it again lets other workers take up its jobs.
    """

    async def main() -> None:
        working = asyncio.create_task(work(application))
        loop = asyncio.get_running_loop()

        def end() -> None:
            log.info("The worker ends, once the jobs under way are done.")
            working.cancel()

        def stop(*_: object) -> None:
            signal.alarm(int(settings.shutdown_seconds) + GRACE_SECONDS)  # Kills, even when the loop is blocked.
            loop.call_soon_threadsafe(end)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        async with observed(application, serves=False):
            with suppress(asyncio.CancelledError):
                await asyncio.gather(working, _watched(settings.worker_silent_seconds))
        await application.kernel.database().close()
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)

    settings = application.kernel.settings()
    application.build()
    asyncio.run(main())


async def _watched(seconds: float) -> None:
    """Have the process end when this is not run for so long."""
    while True:
        faulthandler.dump_traceback_later(seconds, exit=True)
        await asyncio.sleep(seconds / 10)


@asynccontextmanager
async def working(application: Application) -> AsyncIterator[None]:
    """A worker beside what is done inside."""
    task = asyncio.create_task(work(application))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def work(application: Application) -> None:
    """Do jobs until cancelled. Without the database, it waits for it."""
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    procrastinates = logging.getLogger("procrastinate")
    procrastinates.setLevel(logging.ERROR)
    procrastinates.propagate = False  # What happens to a job, we say in one line.
    settings = application.kernel.settings()
    at_once = min(settings.worker_jobs, settings.pool_size)
    log.info("A worker does up to %d jobs at once.", at_once)
    while True:
        procrastinates.handlers = [end := _End()]
        app = _app(application, at_once)
        rescuing = asyncio.create_task(_rescuing(app, settings))
        try:
            await _reach(settings.database_url or "")
            if (await standing(application.kernel.database())).lacks:
                raise SchemaOutdated
            async with app.open_async():
                await app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=at_once,
                    fetch_job_polling_interval=min(POLL_SECONDS, settings.job_retry_seconds),
                    shutdown_graceful_timeout=settings.shutdown_seconds,
                    update_heartbeat_interval=settings.worker_silent_seconds / 3,
                    stalled_worker_timeout=FORGOTTEN_SECONDS,
                    install_signal_handlers=False,
                )
            log.warning("The worker has ended, and begins again. %s", end.reason)
        except (ConnectorException, psycopg.Error, DomainError) as error:
            log.warning("No jobs are done for now. %s", told(error.__cause__ or error))
        except Exception:  # A fault of ours or of Procrastinate's is told of, and stops no server.
            log.exception("The worker has failed, and begins again.")
        finally:
            rescuing.cancel()
        await asyncio.sleep(PAUSE_SECONDS)


async def _reach(url: str) -> None:
    """Raises psycopg.Error at once, with the reason. A pool of connections tries for 30 s, and does not say it."""
    async with await psycopg.AsyncConnection.connect(url, **lasting(url, "trellis worker")):
        pass


class _End(logging.Handler):
    """Hears why a worker ends. When what it does beside jobs fails, Procrastinate logs that, and returns."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.reason = "No reason is known."

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectorException | psycopg.Error):
            self.reason = told(error.__cause__ or error)


async def _rescuing(app: procrastinate.App, settings: Settings) -> None:
    """Take up again, every so often, the jobs of workers that died or hang."""
    while True:
        await asyncio.sleep(settings.worker_silent_seconds / 3)
        with suppress(ConnectorException, procrastinate.exceptions.AppNotOpen):  # The worker itself tells of that.
            for row in await app.connector.execute_query_all_async(
                RESCUE,
                queue=QUEUE,
                attempts=settings.job_attempts,
                silent=settings.worker_silent_seconds,
                longest=settings.job_seconds + settings.worker_silent_seconds,
            ):
                outcome = "it is taken up again" if row["status"] == "todo" else "it is dead"
                log.warning("%s %d: its worker has died, or hangs; %s", row["job"], row["id"], outcome)


def _app(application: Application, at_once: int) -> procrastinate.App:
    """Procrastinate's side: one task for all jobs, and when those that are periodic are due."""
    settings, database = application.kernel.settings(), application.kernel.database()
    connector = procrastinate.PsycopgConnector(
        conninfo=settings.database_url,
        kwargs=lasting(settings.database_url or "", "trellis worker"),
        min_size=1,
        max_size=at_once + 3,  # To take and to end jobs, to give signs, and to look for others' jobs.
        configure=_in_autocommit,
    )
    app = procrastinate.App(connector=connector, periodic_defaults={"max_delay": MISSED_SECONDS})
    upkeep: dict[str, Callable[[], Awaitable[object]]] = {
        "kernel.purge": Purge(database, settings).run,
        "kernel.forget_jobs": partial(_forget, app, settings),
    }
    jobs = Jobs(database, application.runs(), upkeep)

    async def do(context: procrastinate.JobContext, /, **arguments: Any) -> None:
        await _do(app, jobs, context.job, arguments, settings=settings, watch=application.kernel.watch())

    task = app.task(name=TASK, queue=QUEUE, pass_context=True, retry=_BackOff(settings))(do)
    periods = [(job, "day") for job in upkeep] + [
        (job_name(module, periodic.method), periodic.every)
        for module in application.modules
        for periodic in module.periodic
    ]
    for job, every in periods:
        # The lock: a run that takes longer than its period delays the next one.
        app.periodic(cron=CRON[every], periodic_id=job, lock=job, task_kwargs={"job": job})(task)  # type: ignore[arg-type]
    return app


async def _in_autocommit(connection: psycopg.AsyncConnection[Any]) -> None:
    """A worker that hangs between a statement and its COMMIT would hold rows for which all others wait."""
    await connection.set_autocommit(True)


async def _forget(app: procrastinate.App, settings: Settings) -> None:
    """Remove the jobs that ended long ago."""
    await app.job_manager.delete_old_jobs(24 * settings.job_days, queue=QUEUE)
    await app.job_manager.delete_old_jobs(
        24 * settings.journal_days, queue=QUEUE, include_failed=True, include_cancelled=True, include_aborted=True
    )


async def _do(
    app: procrastinate.App, jobs: Jobs, job: Job, arguments: Mapping[str, Any], *, settings: Settings, watch: Watch
) -> None:
    """Do a job, within its deadline, and tell of it in a line."""
    assert job.id is not None
    activity = Activity(arguments.get("request_id") or "-", str(arguments.get("job")))
    current_activity.set(activity)
    tracing = nullcontext() if watch.tracer is None else watch.tracer.job(activity, arguments.get("traceparent"))
    begun, line = monotonic(), f"{activity.name} {job.id}: attempt {job.attempts + 1}"
    outcome = "dead" if job.attempts + 1 >= settings.job_attempts else "failed"
    try:
        with tracing:
            async with asyncio.timeout(settings.job_seconds) as limit:
                await jobs.run(job.id, job.worker_id, arguments)
        outcome = "done"
    except asyncio.CancelledError:
        outcome = "stopped"
        log.warning("%s stopped after %.3f s, as the worker ends", line, monotonic() - begun)
        raise
    except Exception as error:
        is_ours = limit.expired() or isinstance(error, DomainError | NotUnderstood | MailNotSent)
        # Without PostgreSQL's DETAIL, which quotes the row.
        reason = (told(error) if is_ours else f"{type(error).__name__}: {told(error)}")[:LONGEST_REASON]
        if limit.expired():
            reason = f"It was not done within {settings.job_seconds:g} s."
        log.warning("%s failed after %.3f s: %s", line, monotonic() - begun, reason, exc_info=not is_ours)
        with suppress(ConnectorException):
            await app.connector.execute_query_async(NOTE, id=job.id, error=reason)
        raise
    finally:
        if watch.jobs is not None:
            watch.jobs.add((activity.name, outcome), activity, monotonic() - begun)
    cost = {"statements": activity.statements, "statements_ms": round(activity.statement_seconds * 1000, 3)}
    log.info("%s done in %.3f s", line, monotonic() - begun, extra=cost)


class _BackOff(procrastinate.BaseRetryStrategy):
    """When a job that failed is tried again: after 2, 6, 18 … seconds. One that the worker's end stopped, at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        if job.attempts + 1 >= self._settings.job_attempts:
            log.error("Job %s is dead: see trellis events show %s", job.id, job.id)
            return None
        is_stopped = isinstance(exception, asyncio.CancelledError)
        wait = 0.0 if is_stopped else min(LONGEST_WAIT, self._settings.job_retry_seconds * 3**job.attempts)
        return procrastinate.RetryDecision(retry_in={"milliseconds": int(wait * 1000)})
