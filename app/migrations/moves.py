"""Runs migrations up or down among those who use the database: none of them waits long for it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from sqlalchemy.exc import DBAPIError

from app.migrations.errors import MigrationError
from shared.upkeep import ALEMBIC_INI
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

Way = Callable[[Config, str], None]
"""Alembic's, up or down to a revision."""

log = logging.getLogger("trellis")


class Moves:
    """Migrations, one after the other, each tried again and again until it gets its locks."""

    def __init__(self, url: str, way: Way) -> None:
        self._config = Config(ALEMBIC_INI, attributes={"database_url": url})
        self._url = url
        self._way = way
        self._done: list[str] = []

    def make(self, target: str, name: str = "") -> None:
        """Go up or down to the target. Raises MigrationError, which says what was done before."""
        deadline = monotonic() + LOCK_PATIENCE_SECONDS  # Of each: the one before may have taken long by itself.
        while (blocker := self._tried(target)) is not None:
            if monotonic() > deadline:
                outcome = self._outcome()[:-1]
                raise MigrationError(f"A migration needs a lock that {blocker} holds. {outcome}; try again later.")
            log.warning("Waiting for a lock that %s holds; others are let through meanwhile.", blocker)
            sleep(PAUSE_SECONDS)
        self._done.append(name or target)

    def _tried(self, target: str) -> str | None:
        """None, or who holds a lock that it needs."""
        try:
            with _steps_told():
                self._way(self._config, target)
        except DBAPIError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                return _blocker(self._url, error.statement or "")
            if isinstance(error.orig, psycopg.Error) and error.orig.sqlstate and error.statement:
                reason = error.orig.diag.message_primary
                raise MigrationError(f"PostgreSQL refuses a migration: {reason}. {self._outcome()}") from error
            raise
        return None

    def _outcome(self) -> str:
        if not self._done:
            return "Nothing was changed."
        done = "applied" if self._way is command.upgrade else "taken back"
        return f"What was {done} before stays: {', '.join(self._done)}."


def _blocker(url: str, statement: str) -> str:
    """Who holds a lock on a table that the statement names, with the oldest transaction."""
    with connect(url, "trellis migrate", autocommit=True) as connection:
        found = connection.execute(_BLOCKER, [statement]).fetchone()
    return "process {} ({}), on {}".format(*found) if found else "another transaction"


class _Steps(logging.Handler):
    """Logs each migration when it begins, in place of Alembic's log."""

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (RevisionStep(revision=script, is_upgrade=is_upgrade),):
                log.info("%s %s: %s", "Applying" if is_upgrade else "Taking back", script.revision, script.doc)


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
