"""Procrastinate's tables: what we write into them and read from them.

A seam: Procrastinate promises its functions in Python, and its tables only to itself. tests/seams/test_procrastinate.py
tells when a release changes what we rely on.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.wire import Statement

QUEUE = TASK = "trellis"
"""All jobs are of one queue and of one task; which one it is, its arguments say."""

_JOBS = table(
    "procrastinate_jobs",
    *(column("id", BigInteger), column("queue_name"), column("task_name"), column("args", JSONB)),
    *(column("worker_id", BigInteger), column("attempts", Integer)),
)
# The third word of the origin, as `Origin.variables` has it.
_REQUEST_ID: ColumnElement[str] = literal_column(
    "nullif(nullif(split_part(current_setting('trellis.origin', true), ' ', 3), '-'), '')"
)
DEFER = Statement(
    insert(_JOBS).values(
        queue_name=QUEUE,
        task_name=TASK,
        args=cast(bindparam("args"), JSONB).concat(
            func.jsonb_build_object(literal_column("'request_id'"), _REQUEST_ID)
        ),
    )
)
"""Puts a job into the queue, with the id of the request that publishes."""

DONE = Statement(
    update(_JOBS)
    .where(_JOBS.c.id == bindparam("id", type_=BigInteger))
    .where(_JOBS.c.worker_id == bindparam("worker_id", type_=BigInteger))
    .values(args=literal_column("""args - 'error' || '{"done": true}'"""))
    .returning(_JOBS.c.id)
)
"""Notes that the job was done, unless another worker has taken it up."""

NOTE = "UPDATE procrastinate_jobs SET args = args || jsonb_build_object('error', %(error)s::text) WHERE id = %(id)s"
"""Notes why a job failed."""

RESCUE = """
    UPDATE procrastinate_jobs
    SET status = CASE WHEN attempts + 1 < %(attempts)s THEN 'todo' ELSE 'failed' END::procrastinate_job_status,
        attempts = attempts + 1,
        args = args || jsonb_build_object('error', 'Its worker has died, or hangs.')
    WHERE id IN (
        SELECT job.id
        FROM procrastinate_jobs job LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
        WHERE job.status = 'doing' AND job.queue_name = %(queue)s AND (
            worker.id IS NULL
            OR worker.last_heartbeat < now() - %(silent)s * interval '1 second'
            OR (
                SELECT max(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'started'
            ) < now() - %(longest)s * interval '1 second'
        )
        FOR UPDATE OF job SKIP LOCKED
    )
    RETURNING id, args ->> 'job' AS job, status::text"""
"""Takes up again the jobs of workers that give no sign, and those that a worker has for too long: it could not note
their end. By one statement, so that several workers may do it at once; one that another is about to end is left.
"""

JOBS_BY_STATE = """
    SELECT 'waiting', count(*) FROM procrastinate_jobs WHERE queue_name = 'trellis' AND status = 'todo'
    UNION ALL
    SELECT 'running', count(*) FROM procrastinate_jobs WHERE queue_name = 'trellis' AND status = 'doing'
    UNION ALL
    SELECT 'dead', count(*) FROM procrastinate_jobs
    WHERE queue_name = 'trellis' AND status IN ('failed', 'aborted', 'cancelled')"""
"""How many there are, without those that are done."""

OLDEST_WAITING = """
    SELECT coalesce(extract(epoch FROM max(clock_timestamp() - due)), 0) FROM (
        SELECT coalesce(scheduled_at, (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id)) AS due
        FROM procrastinate_jobs job
        WHERE queue_name = 'trellis' AND status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
        ORDER BY id LIMIT 1000
    ) oldest"""
"""For how many seconds the job that has waited longest has been due, or 0."""

LONGEST_RUNNING = """
    SELECT coalesce(extract(epoch FROM max(clock_timestamp() - begun)), 0) FROM (
        SELECT (SELECT max(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'started') AS begun
        FROM procrastinate_jobs job WHERE queue_name = 'trellis' AND status = 'doing' LIMIT 1000
    ) running"""
"""For how many seconds the job that runs longest has run, or 0."""

STATES = {"waiting": ["todo"], "running": ["doing"], "dead": ["failed", "aborted", "cancelled"], "done": ["succeeded"]}
"""An operator's words for Procrastinate's."""

_FOUND = """
    SELECT id, args ->> 'job' AS job, args ->> 'event' AS event, (args ->> 'version')::int AS version,
        status::text AS state, attempts, scheduled_at AS due,
        (SELECT min(at) FROM procrastinate_events WHERE job_id = procrastinate_jobs.id AND type = 'deferred') AS made,
        args ->> 'request_id' AS request_id, args -> 'payload' AS payload, args ->> 'error' AS error
    FROM procrastinate_jobs
    WHERE status = ANY(%(statuses)s::procrastinate_job_status[]) AND (%(id)s::bigint IS NULL OR id = %(id)s)
    ORDER BY id DESC LIMIT %(limit)s"""

_AGAIN = """
    UPDATE procrastinate_jobs SET status = 'todo', attempts = 0, scheduled_at = NULL
    WHERE status = ANY(%(statuses)s::procrastinate_job_status[]) AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s))
    RETURNING id"""

_COUNTS = """
    SELECT count(*) FILTER (WHERE status IN ('todo', 'doing')),
        count(*) FILTER (WHERE status = 'todo' AND now() - %(late)s > coalesce(
            scheduled_at, (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id AND type = 'deferred')
        )), count(*) FILTER (WHERE status = ANY(%(dead)s::procrastinate_job_status[]))
    FROM procrastinate_jobs AS job WHERE status <> 'succeeded'"""


class FoundJob(NamedTuple):
    """A job as an operator sees it."""

    id: int
    job: str
    event: str | None
    """None for a periodic job."""
    version: int | None
    """Of the event."""
    state: str
    attempts: int
    """That have ended."""
    due: datetime | None
    """When it is tried again; None for as soon as possible."""
    made: datetime | None
    request_id: str | None
    """Of the request that published."""
    payload: Any
    error: str | None
    """Why the last attempt failed."""


def jobs_in(
    connection: psycopg.Connection[Any], states: Sequence[str], *, limit: int, id: int | None = None
) -> list[FoundJob]:
    """The newest jobs in these states, or the one with this id."""
    words = {status: state for state, statuses in STATES.items() for status in statuses}
    values = {"statuses": [status for state in states for status in STATES[state]], "limit": limit, "id": id}
    with connection.cursor(row_factory=class_row(FoundJob)) as cursor:
        return [job._replace(state=words[job.state]) for job in cursor.execute(_FOUND, values)]


def history_of(connection: psycopg.Connection[Any], id: int) -> Iterator[tuple[datetime, str]]:
    """What happened to a job, and when. `deferred` is when it was made."""
    yield from connection.execute("SELECT at, type::text FROM procrastinate_events WHERE job_id = %s ORDER BY id", [id])


def resubmit(connection: psycopg.Connection[Any], ids: Sequence[int] | None) -> list[int]:
    """Have dead jobs tried again from the first attempt on: these, or all. Those that were dead."""
    found = connection.execute(_AGAIN, {"statuses": STATES["dead"], "ids": None if ids is None else [*ids]})
    return sorted(id for (id,) in found)


class JobCounts(NamedTuple):
    """How many jobs there are of a kind."""

    unfinished: int
    overdue: int
    """That are due for long, and nobody does."""
    dead: int


def counted(connection: psycopg.Connection[Any], late: timedelta) -> JobCounts:
    """How many jobs there are; `late` is how long one may wait once it is due."""
    (row,) = connection.execute(_COUNTS, {"late": late, "dead": STATES["dead"]}).fetchall()
    return JobCounts(*row)
