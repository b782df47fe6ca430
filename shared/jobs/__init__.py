"""Jobs: what is done after the reply, or every so often, by a worker.

An event as it stands in the queue, the job that a publisher leaves for each subscriber, and what a worker does with it.
The queue is Procrastinate's, on the same PostgreSQL; only `queue.py` knows its tables, and the process that works on it
is the composition root's. A job runs in a unit of work of its own, and knows no caller and no HTTP.
"""

from shared.jobs.jobs import PERIODS, Jobs, Key, Periodic, Run, delivery, leaving
from shared.jobs.payloads import NotUnderstood, Payloads
from shared.jobs.queue import (
    JOBS_BY_STATE,
    LONGEST_RUNNING,
    NOTE,
    OLDEST_WAITING,
    QUEUE,
    RESCUE,
    STATES,
    TASK,
    FoundJob,
    counted,
    history_of,
    jobs_in,
    resubmit,
)

__all__ = [
    "JOBS_BY_STATE",
    "LONGEST_RUNNING",
    "NOTE",
    "OLDEST_WAITING",
    "PERIODS",
    "QUEUE",
    "RESCUE",
    "STATES",
    "TASK",
    "FoundJob",
    "Jobs",
    "Key",
    "NotUnderstood",
    "Payloads",
    "Periodic",
    "Run",
    "counted",
    "delivery",
    "history_of",
    "jobs_in",
    "leaving",
    "resubmit",
]
