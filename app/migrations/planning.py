"""What migrations do to the tables that are there: asked of PostgreSQL itself, on a copy of the schema without rows.

The copy stands in a schema of its own in the same database, and is dropped in the end. So nobody's tables are locked,
and what a statement locks, reads through and writes anew is known and not guessed.
"""

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from alembic import command
from alembic.config import Config
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, event

from app.migrations.branches import heads, revisions
from app.migrations.environment import FILES
from app.migrations.errors import MigrationError
from app.migrations.moves import Way
from shared.upkeep import ALEMBIC_INI
from shared.wire import connect

LARGE_BYTES = 64 << 20
"""Of a table. To read or write a smaller one takes less than a second."""

MODES = (
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock"),
    *("ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"),
)
"""PostgreSQL's locks of a table, each stronger than the one before."""
NOBODY_WRITES, NOBODY_READS = MODES.index("ShareLock"), MODES.index("AccessExclusiveLock")
CHANGES = MODES.index("RowExclusiveLock")

_ITS_OWN = {"alembic_version", FILES}
_NO_PARTS = (*_ITS_OWN, "pg_catalog.")
"""What is in the statements that Alembic executes by itself."""

_ALONE = re.compile(
    r"\bconcurrently\b|^\s*(vacuum|reindex|alter system|(create|drop) (database|tablespace))\b", re.IGNORECASE
)
"""What PostgreSQL takes in no transaction."""

_TABLES = "SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
_LOCKED = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND granted AND relation IS NOT NULL"
_FILES = """
    SELECT oid, pg_relation_filenode(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"""
_READ = "SELECT relid, seq_scan FROM pg_stat_xact_user_tables WHERE schemaname = current_schema()"


@dataclass
class Seen:
    """What the transaction has done to tables so far, by their numbers: a name may go."""

    locks: dict[int, int] = field(default_factory=dict)
    files: dict[int, int] = field(default_factory=dict)
    reads: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A statement of a migration, and what it does to tables that were there before."""

    revision: str
    statement: str
    locks: dict[str, int]
    """The tables on which its transaction has locks by then; the place of each in MODES."""
    rewritten: frozenset[str]
    read: frozenset[str]
    """From the first row to the last."""

    def blocked(self) -> dict[str, str]:
        """Who cannot use which table while it works; empty when nobody notices."""
        if not self.read and not self.rewritten:
            return {}
        found = {
            table: "nobody can use it" if mode >= NOBODY_READS else "nobody can write to it"
            for table, mode in self.locks.items()
            if mode >= NOBODY_WRITES
        }
        changed = {table for table in self.read if self.locks.get(table) == CHANGES}
        return dict.fromkeys(changed, "nobody can change the rows that it changes") | found


class Rehearsal:
    """Runs migrations on a copy of the schema, and notes what they do."""

    def __init__(self, url: str, applied: Collection[str]) -> None:
        """`url` leads to an empty schema, which gets the migrations that are applied."""
        self.steps: list[Step] = []
        self._url = url
        self._revision = ""
        with _quiet():
            for head in heads(revision for revision in revisions() if revision.id in applied).values():
                command.upgrade(self._config(), head)
        self._there = {number: table for number, table in self.ask(_TABLES) if table not in _ITS_OWN}

    def run(self, revision: str, way: Way, target: str) -> None:
        """Go up or down to the target; the statements count for the revision."""
        self._revision = revision
        with _quiet():
            way(self._config(watch=self._watching), target)

    def ask(self, query: LiteralString) -> list[tuple[Any, ...]]:
        """What a query finds in the copy."""
        with connect(self._url, "trellis migrate", autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def _config(self, **attributes: Any) -> Config:
        return Config(ALEMBIC_INI, attributes={"database_url": self._url, **attributes})

    @contextmanager
    def _watching(self, connection: Connection) -> Iterator[None]:
        """Note what each statement on the connection does."""
        was = Seen()
        driver: Any = connection.connection.driver_connection

        def begin(*arguments: Any) -> None:
            """In autocommit the locks of a statement would be gone before they are looked at."""
            nonlocal was
            if driver.info.transaction_status == TransactionStatus.IDLE:
                if driver.autocommit and not _ALONE.search(arguments[2]):
                    driver.execute("BEGIN")
                was = _seen(connection)

        def note(*arguments: Any) -> None:
            nonlocal was
            now = _seen(connection)
            self._note(arguments[2], was, now)
            was = now
            if driver.autocommit and driver.info.transaction_status == TransactionStatus.INTRANS:
                driver.execute("COMMIT")

        event.listen(connection, "before_cursor_execute", begin)
        event.listen(connection, "after_cursor_execute", note)
        try:
            yield
        finally:
            event.remove(connection, "before_cursor_execute", begin)
            event.remove(connection, "after_cursor_execute", note)

    def _note(self, statement: str, was: Seen, now: Seen) -> None:
        if statement.startswith("SET LOCAL lock_timeout") or any(name in statement for name in _NO_PARTS):
            return
        there = self._there
        self.steps.append(
            Step(
                self._revision,
                statement.strip(),
                {there[n]: mode for n, mode in now.locks.items() if n in there},
                frozenset(there[n] for n, file in now.files.items() if n in there and was.files.get(n, file) != file),
                frozenset(there[n] for n, count in now.reads.items() if n in there and count > was.reads.get(n, 0)),
            )
        )


def _seen(connection: Connection) -> Seen:
    """By a cursor of the driver's, so that it is no statement of the migration's."""
    driver: Any = connection.connection.driver_connection
    seen = Seen()
    for table, mode in driver.execute(_LOCKED).fetchall():
        seen.locks[table] = max(seen.locks.get(table, 0), MODES.index(mode))
    seen.files = dict(driver.execute(_FILES).fetchall())
    seen.reads = dict(driver.execute(_READ).fetchall())
    return seen


@contextmanager
def copied(url: str, applied: Collection[str]) -> Iterator[Rehearsal]:
    """A rehearsal on a schema at the revisions that are applied. Raises MigrationError where none may be made."""
    schema = f"trellis_plan_{uuid4().hex[:8]}"
    with connect(url, "trellis migrate", autocommit=True) as connection:
        try:
            connection.execute(f"CREATE SCHEMA {schema}")
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationError(
                "To see what migrations do, a copy of the schema without rows is made, and this role may make none: "
                f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {connection.info.user}."
            ) from error
        try:
            yield Rehearsal(make_conninfo(url, options=f"-c search_path={schema}"), applied)
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


def sizes(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """The bytes of each table on the search path, without its indexes."""
    found = connection.execute("""
        SELECT relname, pg_table_size(oid) FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid)""")
    return dict(found.fetchall())


def dangers(steps: Sequence[Step], bytes: dict[str, int]) -> list[str]:
    """A sentence for each statement that works through a large table while somebody has to wait."""
    sentences = []
    for step in steps:
        worked = {table for table in step.read | step.rewritten if bytes.get(table, 0) >= LARGE_BYTES}
        waiting = [f"{table}: {who}" for table, who in sorted(step.blocked().items())]
        if worked and waiting:
            sentences.append(f"{step.revision} {_work(step, bytes)}, and meanwhile, of {'; of '.join(waiting)}")
    return list(dict.fromkeys(sentences))


def told(steps: Sequence[Step], bytes: dict[str, int]) -> Iterator[str]:
    """The plan, line by line: each migration's SQL, with what it locks, reads and writes below it."""
    revision = ""
    held: dict[str, int] = {}
    for step in steps:
        if step.revision != revision:
            revision, held = step.revision, {}
            yield f"-- {revision}"
        yield step.statement.rstrip(";") + ";"
        for table, mode in step.locks.items():
            if mode > held.get(table, -1) and mode >= CHANGES:
                yield f"--   locks {table}: {MODES[mode].removesuffix('Lock')}"
        held = step.locks
        if work := _work(step, bytes):
            yield f"--   {work}"
        for table, who in sorted(step.blocked().items()):
            yield f"--   meanwhile, of {table}: {who}"


def _work(step: Step, bytes: dict[str, int]) -> str:
    done = [f"writes {_sized(table, bytes)} anew" for table in sorted(step.rewritten)]
    done += [f"reads all of {_sized(table, bytes)}" for table in sorted(step.read - step.rewritten)]
    return ", ".join(done)


def _sized(table: str, bytes: dict[str, int]) -> str:
    return f"{table} ({bytes.get(table, 0) / (1 << 20):.0f} MiB)"


@contextmanager
def _quiet() -> Iterator[None]:
    """Alembic tells of each step; these are none of the database's."""
    theirs = logging.getLogger("alembic.runtime.migration")
    before = theirs.level
    theirs.setLevel(logging.WARNING)
    try:
        yield
    finally:
        theirs.setLevel(before)
