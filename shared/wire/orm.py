"""SQLAlchemy's session on a connection of ours, in the transaction that is open there."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from sqlalchemy import URL, Connection, NullPool
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared.wire.connection import PostgresConnection

_connection: ContextVar[PostgresConnection] = ContextVar("connection")
"""The one that SQLAlchemy is about to be given."""


class Dialect(PGDialectAsync_psycopg):
    """Its connections and transactions are ours: the lane ends the former, and the unit of work begins and ends the
    latter. Savepoints are statements like others.
    """

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type["Dialect"]:  # noqa: ARG003
        return cls

    def on_connect(self) -> None: ...  # SQLAlchemy's would add a handler of notices with every session.
    def do_begin(self, dbapi_connection: Any) -> None: ...
    def do_commit(self, dbapi_connection: Any) -> None: ...
    def do_rollback(self, dbapi_connection: Any) -> None: ...
    def do_close(self, dbapi_connection: Any) -> None: ...

    def do_rollback_to_savepoint(self, connection: Connection, name: str) -> None:
        """With a connection that is lost all is undone, and what a block failed with is not to be hidden by that."""
        try:
            super().do_rollback_to_savepoint(connection, name)  # type: ignore[no-untyped-call]
        except DBAPIError:
            if not connection.invalidated:
                raise


async def _connected() -> PostgresConnection:
    return _connection.get()


registry.register("postgresql.trellis", __name__, Dialect.__name__)


@cache
def _engine() -> AsyncEngine:
    """Of all sessions. SQLAlchemy imports the dialect by its name, so not before this module is there."""
    return create_async_engine(
        "postgresql+trellis://", async_creator=_connected, poolclass=NullPool, pool_reset_on_return=None
    )


@asynccontextmanager
async def session_on(connection: PostgresConnection) -> AsyncIterator[AsyncSession]:
    """A session that has no rows, in a savepoint of its own: its `commit` and `rollback` end that."""
    given = _connection.set(connection)
    try:
        bound = await _engine().connect()
    finally:
        _connection.reset(given)
    async with aclosing(bound):
        await bound.begin()  # Only of a transaction that it finds does the session take a savepoint.
        async with AsyncSession(bound, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
            yield session
