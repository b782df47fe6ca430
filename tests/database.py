"""The databases that tests run on: one server, one migrated template, and a clone of it for whoever needs one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from shared.wire.provenance import origin
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.embedded import EmbeddedPostgres
from app.migrations import upgrade
from shared.settings import Settings
from shared.wire.connection import PostgresConnection
from shared.wire.database import Database
from shared.wire.lane import ReadLane
from shared.wire.statements import Row, Statement
from shared.wire.unit_of_work import UnitOfWork
from shared.wire.wire import Wire

TEMPLATE = "TRELLIS_TEST_TEMPLATE"
"""The environment variable by which the controller tells its workers where the migrated template is."""


@contextmanager
def template() -> Iterator[str]:
    """The URL of a migrated database: on the server of DATABASE_URL, or on an embedded one in memory."""
    if given := os.environ.get("DATABASE_URL"):
        with empty_database(given) as url:
            upgrade(url)
            yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="trellis-test-", dir=_memory()))
    try:
        with EmbeddedPostgres(folder, durable=False) as server:
            upgrade(server.url)
            yield server.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def clone(name: str = "clone") -> Iterator[str]:
    """A database of its own, like the template; about 10 ms."""
    with empty_database(os.environ[TEMPLATE], name, str(conninfo_to_dict(os.environ[TEMPLATE])["dbname"])) as url:
        yield url


@contextmanager
def empty_database(server_url: str, name: str = "test", like: str | None = None) -> Iterator[str]:
    """A new database on the server, dropped in the end."""
    database = sql.Identifier(new := f"trellis_{name}_{uuid4().hex[:8]}")
    with psycopg.connect(server_url, dbname="postgres", autocommit=True) as connection:
        source = sql.Identifier(like or "template0")
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, source))
        try:
            yield url_with(server_url, dbname=new)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def url_with(url: str, **changes: str) -> str:
    """The URL with other parameters, by libpq's names for them."""
    parameters = {name: str(value) for name, value in (conninfo_to_dict(url) | changes).items()}
    named = ("user", "password", "host", "port", "dbname")
    user, password, host, port, database = (quote(parameters.pop(name, ""), safe="") for name in named)
    query = urlencode(parameters, quote_via=quote)
    return f"postgresql://{user}:{password}@{host}:{port}/{database}" + (f"?{query}" if query else "")


class RolledBackDatabase(Database):
    """Both lanes on one connection, whose transaction is rolled back after the test; a unit of work is a savepoint."""

    connection: AsyncConnection

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.read_lane = _SavepointLane(self)
        event.listen(self.write_engine.sync_engine, "savepoint", _tell_origin)

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[None]:
        """What happens inside never happened."""
        async with self.write_engine.connect() as self.connection:
            transaction = await self.connection.begin()
            try:
                yield
            finally:
                await transaction.rollback()

    def _new_unit(self) -> UnitOfWork:
        session = AsyncSession(self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        return UnitOfWork(self.write_engine, session)


def _tell_origin(connection: Connection, _name: str) -> None:
    """What beginning a transaction does for the journal, for the savepoint that stands in its place."""
    setting = text("SELECT set_config('trellis.origin', :origin, true)")
    connection.execute(setting, {"origin": str(origin.get() or "")})


class _SavepointLane(ReadLane):
    """Reads on that connection; one that fails does not end its transaction."""

    def __init__(self, database: RolledBackDatabase) -> None:
        self._database = database

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        async with self._in_savepoint() as raw:
            wire: Wire = raw.info["wire"]
            try:
                return await wire.rows(statement, values)
            finally:
                wire.unplug()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        async with self._in_savepoint() as raw:
            yield raw.driver_connection

    @asynccontextmanager
    async def _in_savepoint(self) -> AsyncIterator[Any]:
        async with self._database.connection.begin_nested():
            yield await self._database.connection.get_raw_connection()

    def close(self) -> None:
        """It is not the lane's own."""


def _memory() -> str | None:
    """A folder in memory that has room for the cluster, or None for the usual place."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30 else None
