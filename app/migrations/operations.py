"""What a migration is written of beside Alembic's operations: SQL with its way down, and remarks on both."""

import re
from collections.abc import Iterable, Iterator, Sequence

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import renderers
from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import ModifyTableOps
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
Tables = tuple[AutogenContext, ModifyTableOps, str | None, str, Table | None, Table | None]
"""What Alembic gives to compare, the table as it is and as the model says in the end: None where there is no such."""
_WIDTH = 90
"""How long a piece of a string is in a written file, so that the file passes the linter."""


class Sql(MigrateOperation):
    """Statements on a table, and those that undo them."""

    on_the_way_down: Sequence[str] = ()
    """The remarks on those."""

    def __init__(self, table: str, up: Sequence[str], down: Sequence[str], *remarks: str) -> None:
        self.table = table
        self.up = up
        self.down = down
        remark(self, *remarks)

    def reverse(self) -> "Sql":
        """The way down."""
        return Sql(self.table, self.down, self.up, *self.on_the_way_down)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """For `alembic check`."""
        return "execute", self.table, *self.up


class Both(MigrateOperation):
    """An operation of Alembic's with a way down of our own."""

    def __init__(self, up: Sequence[MigrateOperation], down: Sequence[MigrateOperation]) -> None:
        self.up = up
        self.down = down

    def reverse(self) -> "Both":
        """The way down."""
        return Both(self.down, self.up)


def quote(name: str) -> str:
    """A name as PostgreSQL reads it."""
    return DIALECT.identifier_preparer.quote(name)


def remark(operation: MigrateOperation, *remarks: str) -> None:
    """Have a comment stand above the operation."""
    vars(operation).setdefault("remarks", []).extend(remarks)


def remarks_on(operation: MigrateOperation) -> list[str]:
    """The comments that stand above an operation."""
    found: list[str] = vars(operation).get("remarks", [])
    return found


def flat(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    """The operations, one by one."""
    for operation in operations:
        match operation:
            case ModifyTableOps(ops=inner):
                yield from flat(inner)
            case Both(up=inner):
                yield from flat(inner)
            case _:
                yield operation


def undone(operations: Sequence[MigrateOperation]) -> list[MigrateOperation]:
    """The way down of several."""
    return [operation.reverse() for operation in reversed(operations)]


def literal(text: str) -> str:
    """A string in Python, in pieces that are short enough for a line."""
    pieces = [""]
    for word in re.split(r"(?<= )", text):
        if len(pieces[-1]) + len(word) > _WIDTH:
            pieces.append("")
        pieces[-1] += word
    return " ".join(map(repr, pieces))


def escaped(statement: str) -> str:
    """For SQLAlchemy, which takes `:name` for a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", statement)


@renderers.dispatch_for(Sql)
def _written(_context: AutogenContext, operation: Sql) -> list[str]:
    return [f"op.execute({literal(escaped(statement))})" for statement in operation.up]


@Operations.implementation_for(Sql)
def _executed(operations: Operations, operation: Sql) -> None:
    for statement in operation.up:
        operations.execute(escaped(statement))
