"""What `trellis doctor` asks about the schema: whether its migrations ran, and whether all that they made is there."""

from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Table

from app.migrations.operations import DIALECT
from app.migrations.triggers import journalled
from app.operating.findings import Deployment, Finding, fine
from shared.rows import Model
from shared.upkeep import standing_of

_PARTS = """
    SELECT relname, part FROM pg_class JOIN (
        SELECT conrelid, conname FROM pg_constraint
        UNION ALL SELECT indrelid, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indisvalid
        UNION ALL SELECT tgrelid, tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')
    ) parts (owner, part) ON pg_class.oid = owner
    WHERE pg_table_is_visible(pg_class.oid)"""
"""Constraints, indexes and triggers that do their work, with their tables."""
TOLD = 5
"""Of many parts, so many are named."""


def schema(_: Deployment, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Whether the schema is the one that this version needs."""
    standing = standing_of(connection)
    if standing.lacks:
        says = f"The schema lacks what this version needs: {', '.join(sorted(standing.lacks))}."
        yield Finding("error", "schema", says, "trellis migrate")
    elif standing.ahead:  # A newer version may have dropped parts.
        ahead = ", ".join(sorted(standing.ahead))
        yield fine("schema", f"The schema has all that this version needs, and is ahead of it: {ahead}.")
    elif missing := sorted(_needed() - {*connection.execute(_PARTS).fetchall()}):
        names = ", ".join(f"{part} of {table}" for table, part in missing[:TOLD])
        more = f", and {len(missing) - TOLD} more" if len(missing) > TOLD else ""
        says = f"The migrations ran, and what they made is gone, invalid or disabled: {names}{more}."
        way_out = (
            "If a restore stopped halfway, restore anew, into an empty database. Else make it as its migration does."
        )
        yield Finding("error", "schema", says, way_out)
    else:
        yield fine("schema", "The schema has all that this version needs.")


def _needed() -> set[tuple[str, str]]:
    return {(table.name, part) for table in Model.metadata.tables.values() for part in _parts(table)}


def _parts(table: Table) -> Iterator[str]:
    """The names as PostgreSQL has them: SQLAlchemy cuts those that are too long."""
    preparer = DIALECT.identifier_preparer
    yield from (str(preparer.format_constraint(one)).strip('"') for one in table.constraints)
    yield from (preparer.format_index(one).strip('"') for one in table.indexes)
    if "version" in table.columns:
        yield "touch"
    if journalled(table):
        yield from ("journal_inserted", "journal_changed")
