"""How Alembic reaches the database and the models, for whoever runs migrations and for whoever writes them."""

from collections.abc import Callable
from typing import Any, Literal

import psycopg
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Column, Computed, Connection, Engine, Table, create_engine, event, pool
from sqlalchemy.sql.schema import SchemaItem
from sqlmodel import AutoString, UTCDateTime

from app.migrations.differences import is_other_type
from app.migrations.operations import literal
from shared.rows import Model
from shared.wire import PIN_SESSION, connect

LOCK_TIMEOUT = "500ms"
"""How long a migration waits for a table at most: whoever comes after it waits as well."""

FILES = "alembic_version_files"
"""The table in which a database keeps the files of its migrations in development."""


def engine(url: str) -> Engine:
    """One for a single connection. libpq reads the URL, and SQLAlchemy none: the two have other rules for it."""

    def connected() -> psycopg.Connection[Any]:
        connection = connect(url, "trellis migrate", autocommit=True)
        connection.execute(PIN_SESSION)
        connection.autocommit = False
        return connection

    made = create_engine("postgresql+psycopg://", creator=connected, poolclass=pool.NullPool)
    event.listen(made, "begin", _be_impatient)
    return made


def _be_impatient(connection: Connection) -> None:
    """In each transaction. Outside of any, where an index is created concurrently, nobody waits behind it."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")


def options(is_looked_at: Callable[[str], bool] = lambda _table: True) -> dict[str, Any]:
    """Alembic's options, to look at these tables, by their names."""

    def include(item: SchemaItem, *_: object) -> bool:
        if isinstance(item, Column) and item.computed:
            return False  # `compare_generated` does it.
        return not isinstance(item, Table) or (not _is_foreign(item.name) and is_looked_at(item.name))

    return {
        "target_metadata": Model.metadata,
        "include_object": include,
        "compare_type": is_other_type,
        "render_item": _rendered,
        "autogenerate_plugins": ["alembic.autogenerate.*", "~alembic.autogenerate.defaults", "trellis"],
    }


def _is_foreign(table: str) -> bool:
    """Whether no model has the table: it is the queue's (see kernel_0002), or keeps files of migrations."""
    return table == FILES or table.startswith("procrastinate_")


def _rendered(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """A migration is frozen in time: it names SQLAlchemy's own types, not SQLModel's, which may change."""
    match item:
        case AutoString(length=length) if kind == "type":
            return f"sa.String({length or ''})"
        case UTCDateTime() if kind == "type":
            return "sa.DateTime(timezone=True)"
        case Computed(sqltext=expression) if kind == "server_default":
            return f"sa.Computed({literal(str(expression))}, persisted=True)"
    if kind == "type" and not (home := type(item).__module__).startswith("sqlalchemy"):
        context.imports.add(f"from {home} import {type(item).__name__}")
        return repr(item) if repr(item).endswith(")") else f"{type(item).__name__}()"
    return False
