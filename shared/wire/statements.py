"""Statements on the wire: compiled once to the text that PostgreSQL prepares, then only given values."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.raw_cursor import AsyncRawServerCursor
from sqlalchemy import BindParameter, Select, UpdateBase
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

Row = tuple[Any, ...]

BATCH = 1000

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Statement:
    """A statement whose parameters are given by name.

    It is written as an SQLAlchemy expression and executed on the wire: SQLAlchemy's own execution would cost more than
    PostgreSQL takes for the statement.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]] | UpdateBase, prefix: str = "") -> None:
        compiled = statement.compile(dialect=_DIALECT)
        self.text = f"{prefix}{compiled}".encode()
        self._names = compiled.positiontup or []
        self._constants = {name: _as_sent(bind) for name, bind in compiled.binds.items() if not bind.required}

    async def batches(self, connection: AsyncConnection[Any], values: Mapping[str, Any]) -> AsyncIterator[list[Row]]:
        """All rows, BATCH at a time: neither side holds more of them. Needs an open transaction."""
        async with AsyncRawServerCursor(connection, "batches") as cursor:
            await cursor.execute(self.text, self.arguments(values))
            while rows := await cursor.fetchmany(BATCH):
                yield rows

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters in the text's order. Raises KeyError for one that is missing."""
        known = {**self._constants, **values}
        return [known[name] for name in self._names]


def _as_sent(bind: BindParameter[Any]) -> Any:
    """A constant in the statement, as its type has it sent: an enumeration's member by its value."""
    process = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return process(bind.value) if process else bind.value
