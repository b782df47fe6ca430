"""Migrations as the command line runs and writes them."""

import logging
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from app.checks import refuse_unfit
from shared.manifest import Module
from shared.upkeep import ALEMBIC_INI, standing_of
from shared.wire import connect

VERSIONS = ALEMBIC_INI.parent / "migrations" / "versions"
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

log = logging.getLogger("trellis")


class MigrationError(Exception):
    """The migrations cannot be run; the message says why. Nothing was changed."""


def upgrade(database_url: str) -> str:
    """Bring a database to the newest revision of every branch. A sentence about the result.

    A migration waits only a few seconds for a lock, because all later requests wait behind it. Then it is rolled back
    and tried again. Raises MigrationError, psycopg.Error.
    """
    with connect(database_url, "trellis migrate", autocommit=True) as connection:
        refuse_unfit(connection)
        schema = standing_of(connection)
    if schema.ahead:
        newer = f"The database's schema is ahead of this version's, at {', '.join(sorted(schema.ahead))}"
        if schema.lacks:
            raise MigrationError(f"{newer}, and not within its reach: it lacks {', '.join(sorted(schema.lacks))}.")
        return f"{newer}, and has all that it needs: there is nothing to do."
    deadline = monotonic() + LOCK_PATIENCE_SECONDS
    while (blocker := _tried(database_url)) is not None:
        if monotonic() > deadline:
            raise MigrationError(
                f"A migration needs a lock that {blocker} holds. Nothing was changed; try again later."
            )
        log.warning("Waiting for a lock that %s holds; others are let through meanwhile.", blocker)
        sleep(PAUSE_SECONDS)
    return "The database is up to date."


def write_revision(database_url: str, module: Module, message: str, versions: Path = VERSIONS) -> Path:
    """Write the next migration of a module's branch, from the differences between its tables and the database.

    The first one starts the branch, and depends on the newest revisions of the kernel and of the modules it requires.
    """
    folder = versions / module.name
    folder.mkdir(exist_ok=True)
    config = Config(
        ALEMBIC_INI,
        cmd_opts=Namespace(x=[f"module={module.name}"]),
        attributes={"database_url": database_url},
    )
    # For a new file, Alembic needs each folder by name.
    config.set_main_option("recursive_version_locations", "false")
    config.set_main_option("version_locations", os.pathsep.join(map(str, sorted(versions.glob("*/")))))
    heads = _heads(config)
    if module.name in heads:
        branch: dict[str, Any] = {"head": heads[module.name]}
        number = int(heads[module.name].rpartition("_")[2]) + 1
    else:
        depends_on = [heads[label] for label in ("kernel", *module.requires)]
        branch = {"head": "base", "splice": True, "branch_label": module.name, "depends_on": depends_on}
        number = 1
    written = command.revision(
        config, message, autogenerate=True, version_path=folder, rev_id=f"{module.name}_{number:04}", **branch
    )
    assert written is not None
    assert not isinstance(written, list)
    return Path(written.path)


def _heads(config: Config) -> dict[str, str]:
    """The newest revision of each branch, by the branch's label."""
    revisions = ScriptDirectory.from_config(config).walk_revisions("base", "heads")
    newest: dict[str, str] = {}
    for script in revisions:
        for label in script.branch_labels:
            newest.setdefault(label, script.revision)
    return newest


def _tried(url: str) -> str | None:
    """Run all missing migrations in one transaction. None, or who holds a lock that one needs."""
    try:
        with _steps_told():
            command.upgrade(Config(ALEMBIC_INI, attributes={"database_url": url}), "heads")
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            return _blocker(url, error.statement or "")
        if isinstance(error.orig, psycopg.Error) and error.orig.sqlstate and error.statement:
            reason = error.orig.diag.message_primary
            raise MigrationError(f"PostgreSQL refuses a migration: {reason}. Nothing was changed.") from error
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
