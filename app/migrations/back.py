"""`trellis migrate --back`: from this version's schema to that of the release before, as long as both can serve."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Identifier

from app.migrations.branches import VERSIONS, Revision, ancestors, in_order, revisions
from app.migrations.errors import MigrationError
from shared.upkeep import standing_of

RELEASED = VERSIONS.parent / "released.txt"
"""What the release before has: its tag or commit after the word `release`, and the newest revision of each branch."""

Column = tuple[str, str, str]
"""Its table, its name and its type."""

COLUMNS = """
    SELECT relname, attname, format_type(atttypid, atttypmod) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        AND attgenerated = ''"""
"""Those that hold what cannot be computed."""

_DEFAULT = """
    SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON adrelid = attrelid AND adnum = attnum
    WHERE adrelid = %s::regclass AND attname = %s"""


class Release(NamedTuple):
    """A release, as `released.txt` records it."""

    ref: str
    """Its tag or commit in git."""
    heads: frozenset[str]


def released(file: Path = RELEASED) -> Release:
    """The release before this version."""
    words = [line.split("#")[0].split() for line in file.read_text().splitlines()]
    ref = next((line[1] for line in words if line[:1] == ["release"]), "")
    return Release(ref, frozenset(line[0] for line in words if len(line) == 1))


def way_back(connection: psycopg.Connection[Any], heads: Collection[str]) -> list[Revision]:
    """The migrations to take back, the newest first. Raises MigrationError where this version does not know the way."""
    found, schema = revisions(), standing_of(connection)
    if schema.ahead:
        ahead = ", ".join(sorted(schema.ahead))
        raise MigrationError(
            f"The schema is ahead of this version's, at {ahead}: the newer version knows the way back."
        )
    kept = ancestors(heads, found) | schema.lacks
    return [revision for revision in reversed(in_order(found)) if revision.id not in kept]


def target(revision: Revision) -> str:
    """Where the way down from it leads, as Alembic names it."""
    return revision.follows or f"{revision.module}@base"


def losses(connection: psycopg.Connection[Any], before: Collection[Column], after: Collection[Column]) -> Iterator[str]:
    """The tables and columns that go, or become something else, and in which rows have other values than the default.

    A column that every row has by default, as the first migration of a new column makes it, holds nothing of anybody's.
    """
    left = {table for table, *_ in after}
    for table in sorted({table for table, *_ in before} - left):
        if _finds(connection, SQL("SELECT EXISTS (SELECT FROM {})").format(Identifier(table))):
            yield f"the table {table}"
    for table, column, _ in sorted(set(before) - set(after)):
        if table not in left:
            continue
        default = connection.execute(_DEFAULT, [table, column]).fetchone()
        is_used = SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS DISTINCT FROM {})").format(
            Identifier(table), Identifier(column), SQL(default[0] if default else "NULL")
        )
        if _finds(connection, is_used):
            yield f"{table}.{column}"


def _finds(connection: psycopg.Connection[Any], query: Any) -> bool:
    row = connection.execute(query).fetchone()
    return bool(row and row[0])
