"""The databases that tests run on: one server, one migrated template, and a clone of it for whoever needs one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq.abc import PGresult
from sqlalchemy import CursorResult, Executable
from sqlalchemy.ext.asyncio import AsyncSession

from app.embedded import EmbeddedPostgres
from app.migrations import upgrade
from shared.rows.soft_delete import INCLUDE_DELETED
from shared.settings import Settings
from shared.wire.connection import PostgresConnection, connector
from shared.wire.database import Database
from shared.wire.lane import Lane
from shared.wire.statements import Record, Statement
from shared.wire.wire import Step, Wire
from tests.patience import PATIENCE

TEMPLATE = "TRELLIS_TEST_TEMPLATE"
"""The environment variable by which the controller tells its workers where the migrated template is."""
OTHER_CLIENTS = """
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"""
"""Their connections to the database that one is connected to; those that PostgreSQL makes, to vacuum, are none."""


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
        _once_unused(connection, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, source))
        try:
            yield url_with(server_url, dbname=new)
        finally:
            _once_unused(connection, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))


def _once_unused(connection: psycopg.Connection[Any], statement: sql.Composed) -> None:
    """Execute it as soon as nobody uses the database. PostgreSQL waits five seconds for a session to end."""
    for _ in range(PATIENCE // 5):
        with suppress(psycopg.errors.ObjectInUse):
            connection.execute(statement)
            return
    connection.execute(statement)


def url_with(url: str, **changes: str) -> str:
    """The URL with other parameters, by libpq's names for them."""
    parameters = {name: str(value) for name, value in (conninfo_to_dict(url) | changes).items()}
    named = ("user", "password", "host", "port", "dbname")
    user, password, host, port, database = (quote(parameters.pop(name, ""), safe="") for name in named)
    query = urlencode(parameters, quote_via=quote)
    return f"postgresql://{user}:{password}@{host}:{port}/{database}" + (f"?{query}" if query else "")


class RolledBackDatabase(Database):
    """Both lanes on one connection, whose transaction is rolled back after the test; a unit of work is a savepoint.

    All else is as in production: units of work begin, commit and roll back by the same commands. The next test gets the
    same connection: on a new one PostgreSQL reads its catalog and plans anew, which takes longer than most tests.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._connect = connector(settings)
        self._kept: SavepointWire | None = None
        """The connection that the last test left behind, as it was before."""

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[None]:
        """What happens inside never happened."""
        wire, self._kept = self._kept or SavepointWire(await self._connect()), None
        await wire.begin()
        self.write_lane = self.read_lane = _OneLane(wire)
        try:
            yield
        finally:
            if await wire.end():
                self._kept = wire
            else:
                wire.close()

    async def close(self) -> None:
        await super().close()
        if self._kept is not None:
            self._kept.close()

    @property
    def in_unit_of_work(self) -> bool:
        """Whether a unit of work has begun."""
        return isinstance(self.write_lane, _OneLane) and not self.write_lane.wire.is_idle

    async def sql(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """What a statement of the test's own does or finds, deleted rows included."""
        async with self.orm() as session:
            found: Any = await session.execute(statement, values, execution_options=INCLUDE_DELETED)
            return cast("CursorResult[Any]", found)

    async def script(self, statements: str) -> None:
        """Statements of the test's own, by semicolons."""
        wire = await self.write_lane.take()
        wire.is_stale = True  # Statements that were prepared may not fit what these change: no other test gets it.
        async with self.unit_of_work() as unit:
            await unit.command("SELECT 1")
            await unit.command(statements)  # Alone, it may be several.

    @asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """What happens inside is forgotten at once."""
        wire = await self.write_lane.take()
        await wire.run("SAVEPOINT forgetting")
        try:
            yield
        finally:
            await wire.run("ROLLBACK TO SAVEPOINT forgetting", "RELEASE SAVEPOINT forgetting")

    @asynccontextmanager
    async def orm(self) -> AsyncIterator[AsyncSession]:
        """SQLModel's session, in a unit of work of its own: to make rows, and to look at them."""
        async with self.unit_of_work() as unit, unit.orm() as session:
            yield session


class SavepointWire(Wire):
    """In a transaction of the test's: what begins and ends one is done to a savepoint in its place."""

    depth = 0
    """Of units of work: one may be open apart from another."""

    async def begin(self) -> None:
        await super()._result_of(["BEGIN"])

    async def end(self) -> bool:
        """Roll back. Whether the next test can have the connection."""
        if self.is_broken or self.is_waiting:
            return False
        await super()._result_of(["ROLLBACK"])
        self.depth = 0
        return not self.is_stale

    async def _result_of(self, steps: Sequence[Step]) -> PGresult:
        result = await super()._result_of([done for step in steps for done in self._in_place_of(step)])
        self.depth -= sum(step in ("COMMIT", "ROLLBACK") for step in steps)
        return result

    def _in_place_of(self, step: Step) -> Sequence[Step]:
        match step:
            case "BEGIN":
                self.depth += 1
                return ["SAVEPOINT unit", "SET LOCAL trellis.origin = ''"]
            case "COMMIT":
                return ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED", "RELEASE SAVEPOINT unit"]
            case "ROLLBACK":
                return ["ROLLBACK TO SAVEPOINT unit", "RELEASE SAVEPOINT unit"]
            case _:
                return [step]

    @property
    def is_idle(self) -> bool:
        return self.depth == 0


class _OneLane(Lane):
    """Gives the one connection to everybody. A read that fails does not end its transaction."""

    def __init__(self, wire: SavepointWire) -> None:
        self.wire = wire

    async def rows(self, statement: Statement, values: Mapping[str, Any], before: Sequence[Step] = ()) -> list[Record]:
        async with self._in_savepoint():
            return await self.wire.rows(statement, values, before)

    async def take(self) -> Wire:
        return self.wire

    def put_back(self, wire: Wire) -> None:
        """It is not the lane's own."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        async with self._in_savepoint():
            self.wire.unplug()
            yield self.wire.connection

    @asynccontextmanager
    async def _in_savepoint(self) -> AsyncIterator[None]:
        await self.wire.run("SAVEPOINT read")
        try:
            yield
        except BaseException:
            if not self.wire.is_broken:
                await self.wire.run("ROLLBACK TO SAVEPOINT read")
            raise
        await self.wire.run("RELEASE SAVEPOINT read")

    def close(self) -> None:
        """It is not the lane's own."""


def _memory() -> str | None:
    """A folder in memory that has room for the cluster, or None for the usual place."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30 else None
