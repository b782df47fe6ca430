"""What PostgreSQL does at a change of a table: asked of itself, on tables that are rolled back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import CreateForeignKeyOp, CreateIndexOp, CreateTableOp, CreateUniqueConstraintOp
from alembic.runtime.migration import MigrationContext
from psycopg import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.migrations.errors import MigrationError
from app.migrations.operations import escaped, flat, quote, remark

_IS_KEPT = "SELECT atthasmissing FROM pg_attribute WHERE attrelid = 'probe'::regclass AND attname = 'probed'"
_FILE = text("SELECT pg_relation_filenode(to_regclass(:table))")

REWRITES = "PostgreSQL writes the whole table anew, and nobody can use it meanwhile, readers included."
BUILDS = (
    "Writes to the table wait while the index is built, about a second for a million rows. If that is too long, give "
    "it a revision of its own, in `with op.get_context().autocommit_block():`, with postgresql_concurrently=True and "
    "if_not_exists=True."
)
BUILDS_ALONE = "Nobody can use the table while the index behind it is built."
REFERS = "PostgreSQL reads the whole table for it, and writes to both tables wait meanwhile."


@contextmanager
def forgotten(connection: Connection) -> Iterator[None]:
    """What happens inside is rolled back."""
    with connection.begin_nested() as savepoint:
        yield
        savepoint.rollback()


def is_kept_in_the_catalogue(connection: Connection, kind: str, default: str) -> bool:
    """Whether PostgreSQL adds a column of this type and with this default without touching a row.

    Not when each row gets a value of its own, by other columns or by a volatile function. Raises MigrationError for
    what is no expression of this type.
    """
    try:
        with forgotten(connection):
            connection.exec_driver_sql("CREATE TEMPORARY TABLE probe AS SELECT 1")
            connection.execute(text(escaped(f"ALTER TABLE probe ADD probed {kind} NOT NULL DEFAULT {default}")))
            return bool(connection.exec_driver_sql(_IS_KEPT).scalar())
    except DBAPIError as error:
        match error.orig:
            case errors.FeatureNotSupported() | errors.UndefinedColumn():  # It names columns.
                return False
            case errors.Error(diag=diagnosis):
                raise MigrationError(f"PostgreSQL says of {default}: {diagnosis.message_primary}.") from error
        raise


def can_change_type(connection: Connection, was: str, becomes: str) -> bool:
    """Whether PostgreSQL casts a column by itself. It does not where a cast may fail, as from text to a number."""
    try:
        with forgotten(connection):
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE probe (probed {was})")
            connection.exec_driver_sql(f"ALTER TABLE probe ALTER probed TYPE {becomes}")
    except DBAPIError as error:
        if isinstance(error.orig, errors.DatatypeMismatch):
            return False
        raise
    return True


def rehearse(context: MigrationContext, up: Sequence[MigrateOperation], down: Sequence[MigrateOperation]) -> str | None:
    """Run the operations up, down and up again, on the database as it is, and forget it.

    Those that lock for long or rewrite a table get a remark. Gives what PostgreSQL refuses, or None.
    """
    assert context.connection is not None
    operations = Operations(context)
    made = {operation.table_name for operation in up if isinstance(operation, CreateTableOp)}
    try:
        with forgotten(context.connection):
            for operation in flat(up):
                table = str(getattr(operation, "table_name", None) or getattr(operation, "table", ""))
                before = _file_of(context.connection, table)
                operations.invoke(operation)
                if table not in made:
                    is_written = before is not None and _file_of(context.connection, table) not in {None, before}
                    _judge(operation, is_written=is_written)
            for operation in [*flat(down), *flat(up)]:
                operations.invoke(operation)
    except DBAPIError as error:
        if isinstance(error.orig, errors.Error) and error.orig.sqlstate:
            return f"{error.orig.diag.message_primary}, at: {error.statement}"
        raise
    return None


def _judge(operation: MigrateOperation, *, is_written: bool) -> None:
    match operation:
        case _ if is_written:
            remark(operation, REWRITES)
        case CreateIndexOp():
            remark(operation, BUILDS)
        case CreateForeignKeyOp():
            remark(operation, REFERS)
        case CreateUniqueConstraintOp():
            remark(operation, BUILDS_ALONE)


def _file_of(connection: Connection, table: str) -> int | None:
    """The number of the file that a table is in. A table that is written anew gets another."""
    number: int | None = connection.execute(_FILE, {"table": quote(table)}).scalar()
    return number
