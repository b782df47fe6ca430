"""What a change of tables becomes, so that it runs on tables with rows and the former version can go on meanwhile.

Up to three revisions, each in a transaction of its own. The first expands: both versions run on it. The other two
contract, where a column has to have a value: new rows first, then all. The three are apart because a lock is held to
the end of its transaction, and none that keeps everybody out is to be held while a table is filled or read through.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import MigrateOperation
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateTableOp,
    DropColumnOp,
    DropIndexOp,
    DropTableOp,
    ModifyTableOps,
)
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Computed, text

from app.migrations.choices import Choice, first_value
from app.migrations.differences import Pair, pair
from app.migrations.operations import Both, Sql, quote, remark
from app.migrations.probing import can_change_type, is_kept_in_the_catalogue
from shared.rows import Model

Fill = Callable[[str, str, str], str]
"""Gives the SQL expression for rows without a value: by table, column, and what it is for."""

NEUTRAL = {
    r"^(character|text|bytea)": "''",
    r"^(smallint|integer|bigint|numeric|real|double)": "0",
    r"^boolean": "false",
    r"^timestamp": "now()",
    r"^date": "current_date",
    r"^time": "'00:00'",
    r"^interval": "'0'",
    r"^uuid": "gen_random_uuid()",
    r"^jsonb?$": "'{}'",
    r"\[\]$": "'{}'",
}
"""What a way down gives to rows whose value nobody knows any more, by the type in PostgreSQL's spelling."""

IDENTITIES: dict[str | None, str] = {"a": "ALWAYS", "d": "BY DEFAULT"}
"""By PostgreSQL's letter for them."""
GONE = "The former version reads it: ship this a release after the code that does not. The values are gone for good."
UNKNOWN = "Nobody knows the former values: rows get {}."
DEMANDED = (
    "From here on new rows must have `{}`. Ship this a release later than the expansion: the former version, which "
    "does not know the column, writes rows without it."
)
FILLED = "One statement fills all rows. Each gets a new version and an entry in the journal, and is locked to the end."
PROVEN = (
    "Rows that came while the others were filled. Then VALIDATE reads the table while others use it, and SET NOT NULL "
    "reads nothing: the CHECK proves that there is no NULL."
)


@dataclass
class Stages:
    """The operations of each revision."""

    expand: list[MigrateOperation] = field(default_factory=list)
    demand: list[MigrateOperation] = field(default_factory=list)
    contract: list[MigrateOperation] = field(default_factory=list)


def staged(context: MigrationContext, operations: Iterable[MigrateOperation], fill: Fill) -> Stages:
    """Arrange Alembic's operations. Raises MigrationError when `fill` does."""
    stages = Stages()
    for operation in operations:
        match operation:
            case ModifyTableOps(table_name=table) if table in Model.metadata.tables:
                changes = _Changes(context, table, fill, stages)
                # What depends on a column goes before it.
                for inner in sorted(operation.ops, key=_place):
                    changes.take(inner)
            case ModifyTableOps(ops=inner_operations):
                stages.expand += inner_operations
            case CreateTableOp():
                operation.info = {}  # Alembic would write it into the migration.
                stages.expand.append(operation)
            case _:
                if isinstance(operation, DropTableOp):
                    remark(operation, GONE)
                stages.expand.append(operation)
    return stages


def _place(operation: MigrateOperation) -> int:
    """Indexes go first, then generated columns, which they are on and which read others."""
    if isinstance(operation, DropIndexOp):
        return 0
    return 1 if isinstance(operation, DropColumnOp) and operation.reverse().column.computed is not None else 2


class _Changes:
    """Those of one table."""

    def __init__(self, context: MigrationContext, table: str, fill: Fill, stages: Stages) -> None:
        assert context.connection is not None
        self._connection = context.connection
        self._table = table
        self._spellings: Pair = pair(context, Model.metadata.tables[table])
        self._fill = fill
        self._stages = stages

    def take(self, operation: MigrateOperation) -> None:
        """Arrange one."""
        match operation:
            case AddColumnOp(column=column):
                self._add(column)
            case DropColumnOp():
                self._stages.expand.append(self._drop(operation))
            case AlterColumnOp():
                self._alter(operation)
            case _:
                if isinstance(operation, Choice) and operation.removed:
                    values = ", ".join(map(repr, operation.removed))
                    operation.fill(self._fill(self._table, operation.column, f"rows with {values}, which is no value"))
                self._stages.expand.append(operation)

    def _add(self, column: Column[Any]) -> None:
        if column.nullable or column.server_default is not None or column.computed or column.identity:
            self._stages.expand.append(AddColumnOp(self._table, _plain(column)))
            return
        fill = self._fill(self._table, column.name, "rows that are there")
        kind = self._spellings.wanted.types[column.name]
        if not is_kept_in_the_catalogue(self._connection, kind, fill):
            self._stages.expand.append(AddColumnOp(self._table, _plain(column, nullable=True)))
            self._demand(column.name, fill)
            return
        # PostgreSQL notes such a default for the rows that are there, and touches none of them.
        self._stages.expand.append(AddColumnOp(self._table, _plain(column, default=fill)))
        set_default, drop_default = self._altered(column.name, f"SET DEFAULT {fill}", "DROP DEFAULT")
        self._stages.demand.append(Sql(self._table, [drop_default], [set_default], DEMANDED.format(column.name)))

    def _drop(self, operation: DropColumnOp) -> MigrateOperation:
        column = operation.reverse().column
        if column.computed is None:
            remark(operation, GONE)
        if column.nullable or column.server_default is not None or column.computed or column.identity:
            return operation
        neutral = self._neutral(column)
        if neutral is None:
            back = AddColumnOp(self._table, _plain(column, nullable=True))
            remark(back, UNKNOWN.format("NULL"))
            return Both([operation], [back])
        back = AddColumnOp(self._table, _plain(column, default=neutral))
        remark(back, UNKNOWN.format(neutral))
        (drop_default,) = self._altered(column.name, "DROP DEFAULT")
        return Both([operation], [back, Sql(self._table, [drop_default], [])])

    def _alter(self, operation: AlterColumnOp) -> None:
        column, nullable = operation.column_name, operation.modify_nullable
        if operation.modify_type is not None:
            self._stages.expand.append(self._retyped(column))
            operation.modify_server_default = False
        found, wanted = (side.defaults[column] for side in self._spellings)
        if operation.modify_server_default is not False and {found, wanted} & IDENTITIES.keys():
            up, down = self._altered(column, _identity(found, wanted), _identity(wanted, found))
            self._stages.expand.append(Sql(self._table, [up], [down]))
            operation.modify_server_default = False  # Alembic writes no such change.
        operation.modify_type = operation.modify_nullable = None
        if operation.has_changes():
            self._stages.expand.append(operation)
        if nullable is False:
            self._demand(column, self._fill(self._table, column, "rows with NULL"))
        elif nullable is True:
            loosen, tighten = self._altered(column, "DROP NOT NULL", "SET NOT NULL")
            neutral = self._neutral(Model.metadata.tables[self._table].columns[column])
            back = [self._update(column, neutral), tighten] if neutral else [tighten]
            loosened = Sql(self._table, [loosen], back)
            if neutral:
                loosened.on_the_way_down = [UNKNOWN.format(neutral)]
            self._stages.expand.append(loosened)

    def _demand(self, column: str, fill: str) -> None:
        table, check = quote(self._table), quote(f"ck_{self._table}_{column}_is_there")
        add = f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({quote(column)} IS NOT NULL) NOT VALID"
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {check}"
        update = self._update(column, fill)
        self._stages.demand.append(Sql(self._table, [update, add], [drop], DEMANDED.format(column), FILLED))
        tighten, loosen = self._altered(column, "SET NOT NULL", "DROP NOT NULL")
        up = [update, f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}", tighten, drop]
        self._stages.contract.append(Sql(self._table, up, [add, loosen], PROVEN))

    def _retyped(self, column: str) -> Sql:
        """Another type; the default goes before and comes after, since PostgreSQL may not cast it."""
        was, becomes = self._spellings.found.types[column], self._spellings.wanted.types[column]
        change, remarks = f"TYPE {becomes}", []
        if not can_change_type(self._connection, was, becomes):
            change += f" USING {quote(column)}::{becomes}"
            remarks.append(f"Each value is cast to {becomes}; it fails at one that cannot be.")
        has_identity = Model.metadata.tables[self._table].columns[column].identity is not None
        found, wanted = (None if has_identity else side.defaults[column] for side in self._spellings)
        changed = Sql(
            self._table,
            [self._with_default(column, change, found, wanted)],
            [self._with_default(column, f"TYPE {was} USING {quote(column)}::{was}", wanted, found)],
            *remarks,
        )
        changed.on_the_way_down = [f"Each value is cast to {was}: what does not fit is cut off, or stops the way down."]
        return changed

    def _with_default(self, column: str, change: str, was: str | None, becomes: str | None) -> str:
        first = ["DROP DEFAULT"] if was else []
        actions = [*first, change, *([f"SET DEFAULT {becomes}"] if becomes else [])]
        return f"ALTER TABLE {quote(self._table)} " + ", ".join(
            f"ALTER COLUMN {quote(column)} {one}" for one in actions
        )

    def _altered(self, column: str, *actions: str) -> list[str]:
        return [f"ALTER TABLE {quote(self._table)} ALTER COLUMN {quote(column)} {action}" for action in actions]

    def _update(self, column: str, fill: str) -> str:
        return f"UPDATE {quote(self._table)} SET {quote(column)} = {fill} WHERE {quote(column)} IS NULL"  # noqa: S608 (a team's own)

    def _neutral(self, column: Column[Any]) -> str | None:
        """A value that any row may have; None where there is no such."""
        if column.foreign_keys:
            return None
        if value := first_value(self._spellings.found.checks, column.name):
            return f"'{value}'"
        kind = self._spellings.found.types[column.name]
        return next((value for pattern, value in NEUTRAL.items() if re.search(pattern, kind)), None)


def _identity(was: str | None, becomes: str | None) -> str:
    if becomes not in IDENTITIES:
        return "DROP IDENTITY"
    return f"{'SET' if was in IDENTITIES else 'ADD'} GENERATED {IDENTITIES[becomes]}{'' if was else ' AS IDENTITY'}"


def _plain(column: Column[Any], *, nullable: bool | None = None, default: str | None = None) -> Column[Any]:
    """The column alone: its foreign keys and indexes are operations of their own."""
    given = text(default) if default else getattr(column.server_default, "arg", None)
    generated = Computed(str(column.computed.sqltext), persisted=True) if column.computed else column.identity
    return Column(
        column.name,
        column.type,
        *([generated] if generated else []),
        nullable=column.nullable if nullable is None else nullable,
        server_default=None if generated else given,
    )
