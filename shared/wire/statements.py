"""Statements on the wire: compiled once to the text that PostgreSQL prepares, then only given values.

A seam: SQLAlchemy does not promise all of what its compiler tells here. tests/seams/test_sqlalchemy.py tells when a
release changes it.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from psycopg import AsyncConnection, AsyncRawServerCursor
from psycopg.adapt import PyFormat
from sqlalchemy import ARRAY, JSON, BindParameter, DateTime, Select, UpdateBase
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.types import TypeEngine

Record = tuple[Any, ...]

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
        self.name = b"trellis_" + hashlib.blake2b(self.text, digest_size=16).hexdigest().encode()
        """What it is prepared as: the same for the same text, in any process, and so never another statement's."""
        self.digest = self.name[8:20].decode()
        """Names it in the log, the same in every process."""
        self._names = compiled.positiontup or []
        self._constants = {name: _as_sent(bind) for name, bind in compiled.binds.items() if not bind.required}
        self._json = [name for name in {*self._names} if isinstance(compiled.binds[name].type, JSON)]
        self.formats = [_format(compiled.binds[name].type) for name in self._names]
        """How each parameter is sent."""

    async def batches(self, connection: AsyncConnection[Any], values: Mapping[str, Any]) -> AsyncIterator[list[Record]]:
        """All rows, BATCH at a time: neither side holds more of them. Needs an open transaction."""
        async with AsyncRawServerCursor(connection, "batches") as cursor:
            await cursor.execute(self.text, self.arguments(values))
            while rows := await cursor.fetchmany(BATCH):
                yield rows

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters in the text's order. Raises KeyError for one that is missing."""
        known = {**self._constants, **values} if self._constants else values
        if self._json:
            known = {**known, **{name: _as_json(known[name]) for name in self._json}}
        return [known[name] for name in self._names]


def _as_sent(bind: BindParameter[Any]) -> Any:
    """A constant in the statement, as its type has it sent: an enumeration's member by its value."""
    if isinstance(bind.type, JSON):  # Written when it is sent, as others of its type are.
        return bind.value
    process = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return process(bind.value) if process else bind.value


def _as_json(value: Any) -> Any:
    """The JSON text of a value; a text is one already, and None is NULL."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _format(kind: TypeEngine[Any]) -> PyFormat:
    """As text, to which PostgreSQL gives whatever type the statement wants; but it takes no offset beyond 16 hours in
    the text of an instant.
    """
    one = kind.item_type if isinstance(kind, ARRAY) else kind
    is_instant = isinstance(getattr(one, "impl", one), DateTime)
    return PyFormat.BINARY if is_instant else PyFormat.TEXT


Run = Callable[[Statement, Mapping[str, Any]], Awaitable[list[Record]]]
"""How a statement is executed: in a unit of work, or on the read lane."""
