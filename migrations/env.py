"""How Alembic reaches the database and the models.

`-x module=NAME` narrows autogenerate to one module's tables: alembic -x module=tags revision --autogenerate ...
"""

import logging
from typing import Literal

from alembic import context
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations.ops import CreateTableOp, ExecuteSQLOp, MigrateOperation
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Column, Connection, Table, create_engine, pool
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.sql.schema import SchemaItem
from sqlmodel import AutoString, UTCDateTime

from shared.manifest import discover
from shared.rows import TransactionId, models
from shared.settings import Settings
from shared.wire import PIN, connect

LOCK = 0x7472656C6C6973  # "trellis"
LOCK_TIMEOUT = "2s"
"""How long a migration waits for a table at most: whoever comes after it waits as well."""

log = logging.getLogger("trellis")

ischema_names["xid8"] = TransactionId  # SQLAlchemy knows no such type, and warns when it finds one.
discover()  # Imports every module, and with it every table.
module = context.get_x_argument(as_dictionary=True).get("module")


def include(item: SchemaItem, _name: str | None, _kind: str, _reflected: bool, _other: SchemaItem | None) -> bool:
    """Whether autogenerate looks at this: at all there is, or at one module's own."""
    if isinstance(item, Column) and item.name == "search":
        return False  # PostgreSQL spells its expression otherwise, and Alembic would take that for a change.
    return module is None or not isinstance(item, Table) or models.owners().get(item.name) == module


writer = Rewriter()


@writer.rewrites(CreateTableOp)
def with_triggers(_context: MigrationContext, _revision: object, table: CreateTableOp) -> list[MigrateOperation]:
    """A table gets the triggers that keep its rows' version, and those that write the journal: no author forgets."""
    columns = {column.name: column for column in table.columns if isinstance(column, Column)}
    statements = []
    resource, subject = table.info.get("part_of", (table.table_name, "id"))
    if "version" in columns:
        statements.append(f"""CREATE TRIGGER touch BEFORE UPDATE ON {table.table_name}
        FOR EACH ROW EXECUTE FUNCTION trellis_touch()""")
    if "version" in columns or "part_of" in table.info:
        untold = [name for name, column in columns.items() if column.computed or column.info.get("secret")]
        names = ",".join(sorted({"updated_at", *untold} & columns.keys()))
        statements.append(f"SELECT trellis_journal('{table.table_name}', '{resource}', '{subject}', '{{{names}}}')")
    return [table, *map(ExecuteSQLOp, statements)]


def plain_type(kind: str, item: object, _context: object) -> str | Literal[False]:
    """A migration is frozen in time: it names SQLAlchemy's own types, not SQLModel's, which may change."""
    match item:
        case AutoString(length=length) if kind == "type":
            return f"sa.String({length or ''})"
        case UTCDateTime() if kind == "type":
            return "sa.DateTime(timezone=True)"
    return False


def migrate(connection: Connection) -> None:
    """Run what was asked for, in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=models.Model.metadata,
        include_object=include,
        compare_server_default=True,
        render_item=plain_type,
        process_revision_directives=writer,
    )
    with context.begin_transaction():
        connection.exec_driver_sql(PIN)
        take_turn(connection)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        context.run_migrations()


def take_turn(connection: Connection) -> None:
    """Several replicas may start their migration at once: one does it, the others wait and find nothing to do."""
    if not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({LOCK})").scalar():
        log.info("Waiting for another migration of this database to end.")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


url = context.config.attributes.get("database_url") or Settings.load().database_url
if url is None:
    raise CommandError("Set DATABASE_URL, or use `trellis migrate`, which knows the embedded database.")
# libpq reads the URL, and SQLAlchemy none: the two have other rules for it.
engine = create_engine(
    "postgresql+psycopg://", creator=lambda: connect(url, "trellis migrate"), poolclass=pool.NullPool
)
with engine.connect() as connection:
    migrate(connection)
