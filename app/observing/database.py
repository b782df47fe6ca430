"""What only the database knows: the queue, the feed, sessions, locks and size. Asked when an exporter is asked.

On a connection of its own, which is closed at once: what the pool or the event loop suffers from is to be seen, too.
"""

import asyncio
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import NamedTuple

import psycopg

from shared.jobs import JOBS_BY_STATE, LONGEST_RUNNING, OLDEST_WAITING
from shared.settings import Settings
from shared.wire import connector

CACHE_SECONDS = 10.0
STATEMENT_SECONDS = 1.0
CONNECT_SECONDS = 3.0


class Gauge(NamedTuple):
    """A metric that a statement gives, one row a value, in the last column."""

    name: str
    about: str
    sql: str
    label: str = ""
    """What the first column is, if there are two."""


_SESSIONS = """FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
_OLDEST = f"SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0) {_SESSIONS}"  # noqa: S608 (constant)
_LOCKS = "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"

GAUGES = (
    Gauge("trellis_jobs", "Jobs in the queue, by state.", JOBS_BY_STATE, "state"),
    Gauge("trellis_jobs_oldest_seconds", "For how long the oldest job that is due has waited.", OLDEST_WAITING),
    Gauge("trellis_jobs_longest_seconds", "For how long the job runs that runs longest.", LONGEST_RUNNING),
    Gauge(
        "trellis_feed_lag_seconds",
        "The age of the oldest transaction that has written: the feed tells of its changes only once it has ended.",
        f"{_OLDEST} AND backend_xid IS NOT NULL",
    ),
    Gauge("trellis_database_oldest_transaction_seconds", "The age of the oldest transaction, also of reads.", _OLDEST),
    Gauge(
        "trellis_database_sessions",
        "Sessions on this database, by state.",
        f"""SELECT told, (SELECT count(*) {_SESSIONS} AND state = told)
            FROM unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)']) told""",  # noqa: S608 (constants)
        "state",
    ),
    Gauge(
        "trellis_database_connections_left",
        "Connections that the server still takes from ordinary roles.",
        """SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'""",
    ),
    Gauge("trellis_database_lock_waits", "Sessions that wait for a lock.", f"SELECT count(DISTINCT pid) {_LOCKS}"),
    Gauge(
        "trellis_database_longest_lock_wait_seconds",
        "For how long the session waits for a lock that waits longest.",
        f"SELECT coalesce(extract(epoch FROM max(clock_timestamp() - waitstart)), 0) {_LOCKS}",  # noqa: S608
    ),
    Gauge("trellis_database_size_bytes", "On the disk.", "SELECT pg_database_size(current_database())"),
)

Values = dict[str, list[tuple[str, float]]]
"""By the gauge's name: the values, each with its label or an empty one. Without a gauge whose statement failed."""


class DatabaseGauges:
    """Remembers what it found for CACHE_SECONDS, however often it is asked."""

    def __init__(self, settings: Settings) -> None:
        # The connection gives up a moment after the statement's timeout, even a server that is stopped.
        self._connect = connector(settings.model_copy(update={"statement_seconds": STATEMENT_SECONDS}))
        self._lock = Lock()
        self._found: Values | None = None
        self._asked_at: float | None = None

    def read(self) -> Values | None:
        """The values; None when the database cannot be reached. It takes some seconds at the most, and blocks."""
        with self._lock:
            if self._asked_at is None or monotonic() - self._asked_at > CACHE_SECONDS:
                self._found = None
                with suppress(psycopg.Error, TimeoutError, OSError):
                    self._found = asyncio.run(self._ask())
                self._asked_at = monotonic()
            return self._found

    async def _ask(self) -> Values:
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await self._connect()
        found: Values = {}
        async with connection:
            for gauge in GAUGES:
                try:
                    rows = await (await connection.execute(gauge.sql)).fetchall()
                except psycopg.OperationalError:  # Of a statement that took too long, too: do not ask for more.
                    if connection.closed:
                        raise
                    continue
                except psycopg.Error:  # The schema is another one.
                    continue
                found[gauge.name] = [("" if len(row) == 1 else row[0], float(row[-1])) for row in rows]
        return found
