"""One migration of a database at a time, however many places start one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg

from app.migrations.errors import MigrationError
from shared.wire import PIN_SESSION, connect

LOCK = 0x7472656C6C6973  # "trellis"
TURN_SECONDS = 3600.0
"""How long a migration waits for another one to end: an index of a large table takes its time."""
POLL_SECONDS = 0.5

_HOLDER = """
    SELECT pid, coalesce(host(client_addr), 'this machine') FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objsubid = 1 AND classid = %s AND objid = %s AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

log = logging.getLogger("trellis")


@contextmanager
def migrating(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection, in autocommit, whose session has the turn to migrate.

    The lock is the session's: a transaction's would end where a migration commits on its way, as it does to create an
    index concurrently. It is asked for again and again: who waits in a statement has a snapshot, and to create an index
    concurrently PostgreSQL waits for all of those. Raises MigrationError after TURN_SECONDS, and psycopg.Error.
    """
    with connect(url, "trellis migrate", autocommit=True) as connection:
        connection.execute(PIN_SESSION)
        deadline, is_told = monotonic() + TURN_SECONDS, False
        while not _is_taken(connection):
            if not is_told:
                log.info("Waiting for another migration of this database to end.")
                is_told = True
            if monotonic() > deadline:
                raise MigrationError(
                    f"Another migration of this database has not ended in {TURN_SECONDS:g} s: {_holder(connection)}."
                )
            sleep(POLL_SECONDS)
        yield connection


def _is_taken(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
    return bool(row and row[0])


def _holder(connection: psycopg.Connection[Any]) -> str:
    found = connection.execute(_HOLDER, [LOCK >> 32, LOCK & 0xFFFFFFFF]).fetchone()
    return "process {} from {}".format(*found) if found else "nobody holds the lock now, so try again"
