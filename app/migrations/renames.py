"""Columns and tables that were renamed: seen as one that went and one that came, and asked about."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from alembic.operations import MigrateOperation
from alembic.operations.ops import AddColumnOp, CreateTableOp, DropColumnOp, DropTableOp, ModifyTableOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Table, text

from app.migrations.differences import pair
from app.migrations.operations import DIALECT, Sql, quote
from app.migrations.triggers import journalled
from shared.rows import Model

_NAMES = text("""
    SELECT conname, true FROM pg_constraint WHERE conrelid = to_regclass(:table) AND contype <> 'n'
    UNION ALL SELECT relname, false FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = to_regclass(:table) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)""")
ALTER_INDEX = "ALTER INDEX {} RENAME TO {}"
OUT = "The former version knows the {} by its former name alone, and does not run on this schema."
KEPT = "What the journal has told of the column keeps the former name."


class Rename(NamedTuple):
    """Of a table, or of a column in one."""

    table: str
    old: str
    new: str
    of_table: bool
    is_likely: bool
    """Whether the two are alike: a column of the same type, a table of the same columns."""

    def is_meant_by(self, option: str) -> bool:
        """By `old:new`, or by `table.old:new`."""
        if self.of_table:
            return option == f"{self.old}:{self.new}"
        where = f"{self.table}.{self.old}:{self.new}"
        return option in {where, f"{self.old}:{self.new}", f"{self.table}.{self.old}:{self.table}.{self.new}"}

    def __str__(self) -> str:
        """As the option names it."""
        return f"{self.old}:{self.new}" if self.of_table else f"{self.table}.{self.old}:{self.new}"


def candidates(context: MigrationContext, operations: Sequence[MigrateOperation]) -> Iterator[Rename]:
    """Every pair of what goes and what comes."""
    created = [operation for operation in operations if isinstance(operation, CreateTableOp)]
    for gone in (operation for operation in operations if isinstance(operation, DropTableOp)):
        for table in created:
            names = {column.name for column in table.columns if isinstance(column, Column)}
            is_likely = names == set(gone.to_table().columns.keys())
            yield Rename(gone.table_name, gone.table_name, table.table_name, of_table=True, is_likely=is_likely)
    for inner in (operation for operation in operations if isinstance(operation, ModifyTableOps)):
        name = inner.table_name
        for dropped in (operation for operation in inner.ops if isinstance(operation, DropColumnOp)):
            for added in (operation for operation in inner.ops if isinstance(operation, AddColumnOp)):
                old, new = dropped.column_name, added.column.name
                types = pair(context, Model.metadata.tables[name])
                is_likely = types.found.types[old] == types.wanted.types[new]
                if old != new and not added.column.computed:
                    yield Rename(name, old, new, of_table=False, is_likely=is_likely)


def renamed(connection: Connection, rename: Rename) -> Sql:
    """Rename it in the database, and give the operation that does so and back again.

    What the naming convention calls after it is renamed too. A renamed table's entries in the journal go along.
    """
    table = rename.new if rename.of_table else rename.table
    model = Model.metadata.tables[table]
    what = ("", "") if rename.of_table else (f"COLUMN {quote(rename.old)} ", f"COLUMN {quote(rename.new)} ")
    # Each with its way back. All but the first know the table by its new name.
    steps = [
        (
            f"ALTER TABLE {quote(rename.table)} RENAME {what[0]}TO {quote(rename.new)}",
            f"ALTER TABLE {quote(table)} RENAME {what[1]}TO {quote(rename.old)}",
        )
    ]
    names = _names(model)
    for name, is_constraint in connection.execute(_NAMES, {"table": quote(rename.table)}).all():
        new = _renamed(name, rename)
        if new in names and name not in names:
            kind = f"ALTER TABLE {quote(table)} RENAME CONSTRAINT {{}} TO {{}}" if is_constraint else ALTER_INDEX
            steps.append((kind.format(quote(name), quote(new)), kind.format(quote(new), quote(name))))
    if rename.of_table and journalled(model):
        for column in ("resource", "part"):
            statement = f"UPDATE journal SET {column} = '{{}}' WHERE {column} = '{{}}'"  # noqa: S608
            steps.append((statement.format(rename.new, rename.old), statement.format(rename.old, rename.new)))
    for statement, _ in steps:
        connection.exec_driver_sql(statement)
    up, down = zip(*steps, strict=True)
    remarks = [OUT.format("table")] if rename.of_table else [OUT.format("column"), KEPT]
    return Sql(table, up, (*down[1:], down[0]), *remarks)


def _renamed(name: str, rename: Rename) -> str:
    """What the naming convention makes of a constraint's or an index's name."""
    return re.sub(rf"(?<=_){re.escape(rename.old)}(?=_|$)", rename.new, name, count=1)


def _names(table: Table) -> set[str]:
    format = DIALECT.identifier_preparer.format_constraint
    return {str(index.name) for index in table.indexes} | {
        str(format(constraint)).strip('"') for constraint in table.constraints
    }


def chosen(
    found: Sequence[Rename], options: Sequence[str], declined: set[Rename], is_renamed: Callable[[Rename], bool]
) -> Rename | None:
    """The next rename among the candidates: one that an option means, or a likely one that somebody confirms."""
    for rename in found:
        if any(rename.is_meant_by(option) for option in options):
            return rename
    for rename in found:
        if rename.is_likely and rename not in declined:
            if is_renamed(rename):
                return rename
            declined.add(rename)
    return None
