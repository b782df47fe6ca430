"""What the models and a database differ in, for Alembic's autogenerate: what it compares by text or not at all.

PostgreSQL spells expressions in its own way. So the model's table is made beside the other one, as a temporary table
that is rolled back, and both are asked for in PostgreSQL's spelling.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import AddColumnOp, AlterColumnOp, CreateIndexOp, DropColumnOp, DropIndexOp
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import CheckConstraint, Column, Connection, Enum, Table, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.schema import AddConstraint, CreateTable

from app.migrations.choices import changed_choice, is_same_choice
from app.migrations.operations import DIALECT, Tables, quote
from app.migrations.triggers import compare_triggers
from shared.rows import TransactionId

ischema_names["xid8"] = TransactionId  # SQLAlchemy knows no such type, and warns when it finds one.

_COLUMNS = text("""
    SELECT attname, format_type(atttypid, atttypmod),
        coalesce(pg_get_expr(adbin, adrelid), nullif(attidentity::text, ''))
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped""")
_CHECKS = text("""
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = to_regclass(:table) AND contype = 'c'""")


class Spelling(NamedTuple):
    """A table in PostgreSQL's words."""

    types: dict[str, str]
    defaults: dict[str, str | None]
    """The expressions of defaults and of generated columns, and the kind of an identity."""
    checks: dict[str, str]


class Pair(NamedTuple):
    """A table as it is, and as the model says."""

    found: Spelling
    wanted: Spelling


def pair(context: MigrationContext, wanted: Table) -> Pair:
    """The spellings of a table that both have."""
    pairs: dict[str, Pair] = context.opts.setdefault("pairs", {})
    if wanted.name not in pairs:
        assert context.connection is not None
        pairs[wanted.name] = Pair(_spelling(context.connection, quote(wanted.name)), _made(context.connection, wanted))
    return pairs[wanted.name]


def _spelling(connection: Connection, table: str) -> Spelling:
    columns = connection.execute(_COLUMNS, {"table": table}).all()
    checks = connection.execute(_CHECKS, {"table": table}).all()
    return Spelling(
        {name: kind for name, kind, _ in columns},
        {name: expression for name, _, expression in columns},
        dict(checks),
    )


def _made(connection: Connection, table: Table) -> Spelling:
    with connection.begin_nested() as savepoint:
        path = connection.exec_driver_sql("SHOW search_path").scalar()
        connection.exec_driver_sql(f"SET LOCAL search_path = pg_temp, {path}")
        connection.execute(CreateTable(table, include_foreign_key_constraints=[]))
        spelling = _spelling(connection, f"pg_temp.{quote(table.name)}")
        savepoint.rollback()
    return spelling


def is_other_type(context: MigrationContext, _found: object, wanted: Column[Any], *_types: object) -> bool:
    """For `compare_type`."""
    types = pair(context, wanted.table)
    return types.found.types[wanted.name] != types.wanted.types[wanted.name]


def compare_defaults(
    context: AutogenContext,
    operation: AlterColumnOp,
    *names_and_columns: *tuple[str | None, str, str, Column[Any], Column[Any]],
) -> PriorityDispatchResult:
    """Server defaults. Alembic has PostgreSQL evaluate both, which not every type can be asked for."""
    *_, name, found, wanted = names_and_columns
    defaults = pair(context.migration_context, wanted.table)
    operation.existing_server_default = found.server_default
    if defaults.found.defaults[name] != defaults.wanted.defaults[name]:
        operation.modify_server_default = wanted.server_default
    return PriorityDispatchResult.CONTINUE


def compare_generated(*tables: *Tables) -> PriorityDispatchResult:
    """Generated columns. PostgreSQL before 17 cannot give one another expression, nor another type to what it reads."""
    context, operations, _, name, found, wanted = tables
    if found is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    spellings = pair(context.migration_context, wanted)
    retyped = {
        column for column, kind in spellings.wanted.types.items() if spellings.found.types.get(column, kind) != kind
    }
    for column in {column.name: column for table in (found, wanted) for column in table.columns if column.computed}:
        was, becomes = found.columns.get(column), wanted.columns.get(column)
        words = set(re.findall(r"\w+", spellings.found.defaults.get(column) or ""))
        is_same = spellings.found.defaults.get(column) == spellings.wanted.defaults.get(column)
        if was is not None and becomes is not None and is_same and not words & retyped:
            continue
        stays = was is not None and becomes is not None  # Alembic sees its indexes on both sides, and nothing to do.
        if was is not None:
            operations.ops += [DropIndexOp.from_index(index) for index in _indexes(found, column) if stays]
            operations.ops.append(DropColumnOp.from_column_and_tablename(None, name, was))
        if becomes is not None:
            operations.ops.append(AddColumnOp.from_column_and_tablename(None, name, becomes))
            operations.ops += [CreateIndexOp.from_index(index) for index in _indexes(wanted, column) if stays]
    return PriorityDispatchResult.CONTINUE


def _indexes(table: Table, column: str) -> Iterable[Any]:
    return [index for index in table.indexes if column in index.columns]


def compare_checks(*tables: *Tables) -> PriorityDispatchResult:
    """CHECK constraints, those of enumerations among them."""
    context, operations, _, name, found, wanted = tables
    if found is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    was, becomes = (side.checks for side in pair(context.migration_context, wanted))
    constraints = {
        DIALECT.identifier_preparer.format_constraint(constraint): constraint
        for constraint in wanted.constraints
        if isinstance(constraint, CheckConstraint)
    }
    # Those of new columns come with them.
    added = [column for column in wanted.columns if column.name not in found.columns]
    with_columns = {f"ck_{name}_{column.type.name}" for column in added if isinstance(column.type, Enum)}
    for check in sorted((was.keys() | becomes.keys()) - (with_columns - was.keys())):
        if was.get(check) != becomes.get(check) and not is_same_choice(was.get(check), becomes.get(check)):
            made = AddConstraint(constraints[quote(check)], isolate_from_table=False) if check in becomes else None
            sql = str(made.compile(dialect=DIALECT)) if made is not None else None
            operations.ops.append(changed_choice(name, check, was.get(check), sql))
    return PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Put the comparisons beside Alembic's: what is dropped goes before what Alembic adds."""
    for name, compare in (("generated", compare_generated), ("checks", compare_checks), ("triggers", compare_triggers)):
        plugin.add_autogenerate_comparator(compare, "table", name, priority=DispatchPriority.FIRST)
    plugin.add_autogenerate_comparator(compare_defaults, "column", "server_default")


setup(Plugin("trellis"))
