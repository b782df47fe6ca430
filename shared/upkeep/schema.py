"""How a database's schema stands to the one that this version of the code needs."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from psycopg.errors import UndefinedTable
from sqlalchemy import Boolean, column, func, select, table
from sqlalchemy.dialects.postgresql import OID

from shared.errors import Unavailable
from shared.rows import Model
from shared.wire import Database, Record, Statement

ALEMBIC_INI = Path(__file__).parents[2] / "alembic.ini"


def _column_statement() -> Statement:
    """Of each column that the search path leads to: its table, its name, and whether an INSERT has to give it."""
    tables = table("pg_class", column("oid", OID), column("relname"), column("relkind"))
    columns = table(
        "pg_attribute",
        *(column(name) for name in ("attrelid", "attname", "attnum", "attidentity")),
        *(column(name, Boolean) for name in ("attisdropped", "attnotnull", "atthasdef")),
    )
    is_demanded = columns.c.attnotnull & ~columns.c.atthasdef & (columns.c.attidentity == "")
    return Statement(
        select(tables.c.relname, columns.c.attname, is_demanded)
        .join_from(tables, columns, columns.c.attrelid == tables.c.oid)
        .where((tables.c.relkind == "r") | (tables.c.relkind == "p"), func.pg_table_is_visible(tables.c.oid))
        .where(columns.c.attnum > 0, ~columns.c.attisdropped)
    )


_REVISIONS = Statement(select(column("version_num")).select_from(table("alembic_version")))
_COLUMNS = _column_statement()


class SchemaOutdated(Unavailable):
    """The database lacks migrations that this version needs. `trellis migrate` brings them."""


class Standing(NamedTuple):
    """How a schema stands to this version's code."""

    lacks: frozenset[str]
    """What this version needs and the schema has not. It serves only when this is empty."""
    ahead: frozenset[str]
    """The migrations that the schema has and this version does not know: a newer one's."""


async def standing(database: Database) -> Standing:
    """Of the database that is served from."""
    try:
        revisions = await database.read(_REVISIONS, {})
    except UndefinedTable:  # No migration ever ran.
        revisions = []
    return _judged(revisions, await database.read(_COLUMNS, {}) if _unknown(revisions) else [])


def standing_of(connection: psycopg.Connection[Any]) -> Standing:
    """Of the database at the end of a connection in autocommit."""
    cursor = psycopg.RawCursor(connection)

    def read(statement: Statement) -> list[Record]:
        return cursor.execute(statement.text, statement.arguments({})).fetchall()

    try:
        revisions = read(_REVISIONS)
    except UndefinedTable:
        revisions = []
    return _judged(revisions, read(_COLUMNS) if _unknown(revisions) else [])


def _judged(revisions: Iterable[Record], columns: Iterable[Record]) -> Standing:
    """A schema lacks the migrations of this version that it has not.

    One that is ahead, because the next version's migrations ran before its rollout or stayed after it was taken back,
    names revisions that are unknown here, and hides known ones that those depend on. An unknown one comes after all
    that is known of its branch. Of a branch whose end is not named, as when a module depends on it that this version
    does not have, the columns decide. They do so for the others as well, for a newer version may have taken away what
    this one needs: it reads and writes every column of its tables, and gives no value to other ones.
    """
    lacks = _known().keys() - _applied(revisions)
    ahead = _unknown(revisions)
    if ahead:
        ends = {_branch(revision) for (revision,) in revisions if revision not in ahead}
        lacks = {revision for revision in lacks if _branch(revision) in ends} | _misfits(columns)
    return Standing(frozenset(lacks), frozenset(ahead))


def _applied(revisions: Iterable[Record]) -> set[str]:
    """The known revisions among these and those before them."""
    known = _known()
    waiting: list[str] = [revision for (revision,) in revisions]
    applied: set[str] = set()
    while waiting:  # alembic_version names only the ends of branches, and no end that another branch depends on.
        revision = waiting.pop()
        if revision not in known:
            waiting += [other for other in known if _branch(other) == _branch(revision)]
        elif revision not in applied:
            applied.add(revision)
            waiting += before(known[revision])
    return applied


def before(script: Script) -> list[str]:
    """The revisions that must be there before it. Alembic gives None, one, or several of each kind."""
    kinds = script.down_revision, script.dependencies
    return [revision for given in kinds for revision in ([given] if isinstance(given, str) else given or ())]


def _misfits(columns: Iterable[Record]) -> set[str]:
    """Columns that this version names and the schema has not, and such as it has to name and does not know."""
    demanded = {(table, name): is_demanded for table, name, is_demanded in columns}
    needed = {(table.name, column.name) for table in Model.metadata.tables.values() for column in table.columns}
    tables = Model.metadata.tables
    return {f"the column {table}.{name}" for table, name in needed - demanded.keys()} | {
        f"a default of {table}.{name}"
        for (table, name), is_demanded in demanded.items()
        if is_demanded and table in tables and (table, name) not in needed
    }


def _unknown(revisions: Iterable[Record]) -> set[str]:
    return {revision for (revision,) in revisions} - _known().keys()


@cache
def _known() -> dict[str, Script]:
    scripts = ScriptDirectory.from_config(Config(ALEMBIC_INI))
    return {script.revision: script for script in scripts.walk_revisions("base", "heads")}


def _branch(revision: str) -> str:
    """`projects` of `projects_0003`, as `trellis revision` numbers them."""
    return revision.rpartition("_")[0]
