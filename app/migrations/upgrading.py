"""`trellis migrate`: brings a database to this version's schema."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from sqlalchemy.exc import DBAPIError

from app.checks import refuse_unfit
from app.migrations.branches import faults, in_order, revisions
from app.migrations.errors import MigrationError
from app.migrations.leaving import keep, told_of_unknown
from shared.upkeep import ALEMBIC_INI, Standing, standing_of
from shared.wire import connect

LOCK_PATIENCE_SECONDS = 300.0
"""How long a migration is retried while another transaction holds a lock that it needs."""
PAUSE_SECONDS = 3.0
"""Between two attempts, so that requests behind the first one are answered meanwhile."""

_BLOCKER = """
    SELECT pid, coalesce(nullif(application_name, ''), 'without a name'), relname
    FROM pg_locks JOIN pg_class ON pg_class.oid = relation JOIN pg_stat_activity USING (pid)
    WHERE granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid <> pg_backend_pid() AND position(relname IN %s) > 0
    ORDER BY xact_start LIMIT 1"""

UP_TO_DATE = "The database is up to date."

log = logging.getLogger("trellis")


def upgrade(database_url: str, *, is_development: bool = False) -> str:
    """Bring a database to the newest revision of every branch. A sentence about the result.

    Each migration has a transaction of its own, so that no lock is held through the next one. On an empty database,
    where nobody waits, all have one. In development the database keeps the files, for `--to-here`.

    A migration waits only a few seconds for a lock, because all later requests wait behind it. Then it is rolled back
    and tried again. Raises MigrationError, psycopg.Error.
    """
    for fault in faults():
        raise MigrationError(fault)
    with connect(database_url, "trellis migrate", autocommit=True) as connection:
        refuse_unfit(connection)
        schema = standing_of(connection)
        if schema.ahead:
            return _told_of_being_ahead(schema, is_development=is_development)
        order = in_order(revisions())
        missing = [revision.id for revision in order if revision.id in schema.lacks]
        deadline = monotonic() + LOCK_PATIENCE_SECONDS
        applied: list[str] = []
        for step in ["heads"] if len(missing) == len(order) else missing:
            _apply(database_url, step, deadline, applied)
            applied += missing if step == "heads" else [step]
        if is_development:
            keep(connection, applied)
    return UP_TO_DATE


def _told_of_being_ahead(schema: Standing, *, is_development: bool) -> str:
    newer = f"The database's schema is ahead of this version's, at {', '.join(sorted(schema.ahead))}"
    if is_development:
        newer = f"{told_of_unknown(schema.ahead)} {newer}"
    if schema.lacks:
        raise MigrationError(f"{newer}, and not within its reach: it lacks {', '.join(sorted(schema.lacks))}.")
    return f"{newer}, and has all that it needs: there is nothing to do."


def _apply(database_url: str, step: str, deadline: float, applied: Sequence[str]) -> None:
    """Run a migration, or all, again and again until it gets its locks."""
    outcome = f"What was applied before stays: {', '.join(applied)}." if applied else "Nothing was changed."
    while (blocker := _tried(database_url, step, outcome)) is not None:
        if monotonic() > deadline:
            raise MigrationError(f"A migration needs a lock that {blocker} holds. {outcome[:-1]}; try again later.")
        log.warning("Waiting for a lock that %s holds; others are let through meanwhile.", blocker)
        sleep(PAUSE_SECONDS)


def _tried(url: str, step: str, outcome: str) -> str | None:
    """Run what is missing up to a revision, in one transaction. None, or who holds a lock that it needs."""
    try:
        with _steps_told():
            command.upgrade(Config(ALEMBIC_INI, attributes={"database_url": url}), step)
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            return _blocker(url, error.statement or "")
        if isinstance(error.orig, psycopg.Error) and error.orig.sqlstate and error.statement:
            reason = error.orig.diag.message_primary
            raise MigrationError(f"PostgreSQL refuses a migration: {reason}. {outcome}") from error
        raise
    return None


def _blocker(url: str, statement: str) -> str:
    """Who holds a lock on a table that the statement names, with the oldest transaction."""
    with connect(url, "trellis migrate", autocommit=True) as connection:
        found = connection.execute(_BLOCKER, [statement]).fetchone()
    return "process {} ({}), on {}".format(*found) if found else "another transaction"


class _Steps(logging.Handler):
    """Logs each migration when it begins, in place of Alembic's log."""

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (RevisionStep(revision=script),):
                log.info("Applying %s: %s", script.revision, script.doc)


@contextmanager
def _steps_told() -> Iterator[None]:
    theirs, steps = logging.getLogger("alembic.runtime.migration"), _Steps()
    before = theirs.level, theirs.propagate
    theirs.addHandler(steps)
    theirs.setLevel(logging.INFO)
    theirs.propagate = False
    try:
        yield
    finally:
        theirs.removeHandler(steps)
        theirs.setLevel(before[0])
        theirs.propagate = before[1]
