"""The last migration of a module: it drops the module's tables."""

from collections.abc import Iterator
from pathlib import Path

from alembic.operations import MigrateOperation
from alembic.operations.ops import CreateIndexOp, CreateTableOp, DropTableOp
from sqlalchemy import Table

from app.migrations.branches import VERSIONS
from app.migrations.environment import engine
from app.migrations.operations import Both, Sql, remark
from app.migrations.revision import write
from app.migrations.triggers import of_model
from shared.manifest import Module
from shared.rows import Model, owners

LEFT = "The rows are gone for good; the way down makes the tables empty. The journal keeps its entries as long as any."


def write_retirement(database_url: str, module: Module, versions: Path = VERSIONS) -> list[Path]:
    """Write it. Its way down makes the tables again, as the module's models have them."""
    tables = [table for table in Model.metadata.sorted_tables if owners()[table.name] == module.name]
    drops = [Both([_dropped(table)], list(_made(table))) for table in reversed(tables)]
    with engine(database_url).connect() as connection:
        return write(connection, module, {"retired": drops}, versions)


def _dropped(table: Table) -> DropTableOp:
    drop = DropTableOp(table.name)
    remark(drop, LEFT)
    return drop


def _made(table: Table) -> Iterator[MigrateOperation]:
    create = CreateTableOp.from_table(table)
    create.info = {}  # Alembic would write it into the migration.
    yield create
    for triggers in of_model(table):
        yield Sql(table.name, triggers.make, triggers.drop)
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        yield CreateIndexOp.from_index(index)
