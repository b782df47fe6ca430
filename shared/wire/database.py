"""The two lanes to PostgreSQL: units of work that write, and reads that answer from one statement."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any

import psycopg
from sqlalchemy import Connection, event, exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import await_

from shared.errors import Unavailable
from shared.settings import Settings
from shared.wire.connection import PostgresConnection, connector
from shared.wire.lane import ReadLane
from shared.wire.refusals import translated
from shared.wire.statements import Row, Statement
from shared.wire.unit_of_work import UnitOfWork, begin
from shared.wire.wire import LIFETIME_SECONDS, Wire

_open_unit: ContextVar[UnitOfWork | None] = ContextVar("open_unit", default=None)


class Database:
    """Gives each unit of work its session, and each read its connection."""

    def __init__(self, settings: Settings) -> None:
        self.write_engine = _write_engine(settings)
        self.read_lane = _read_lane(settings)
        self._streams = asyncio.Semaphore(max(1, settings.pool_size // 2))

    @asynccontextmanager
    async def unit_of_work(self, *, dry_run: bool = False) -> AsyncIterator[UnitOfWork]:
        """One transaction, committed at the end and rolled back whole on any error.

        Only the edges open one: the route of a state-changing request, a command, a job. Services and repositories use
        what is open, and never commit. A dry run does everything, checks every constraint, and is rolled back. Raises
        CommitInDoubt when the connection is lost at the very end.
        """
        if self.in_unit_of_work:
            raise RuntimeError("A unit of work is open already.")
        unit = self._new_unit()
        token = _open_unit.set(unit)
        try:
            with translated():
                yield unit
                await unit.end(dry_run=dry_run)
        finally:
            _open_unit.reset(token)
            await unit.close()

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[UnitOfWork]:
        """A unit of work of its own, kept whatever becomes of the one that is open; to be used before that has begun,
        or there would be two connections.
        """
        token = _open_unit.set(None)
        try:
            async with self.unit_of_work() as unit:
                yield unit
        finally:
            _open_unit.reset(token)

    @property
    def in_unit_of_work(self) -> bool:
        """Whether one is open."""
        return _open_unit.get() is not None

    @property
    def unit(self) -> UnitOfWork:
        """The open unit of work."""
        unit = _open_unit.get()
        if unit is None:
            raise RuntimeError("No unit of work is open: only state-changing requests, commands and jobs write.")
        return unit

    @property
    def session(self) -> AsyncSession:
        """The session of the open unit of work."""
        return self.unit.session

    async def read(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """The rows of a statement: in the unit of work once that has begun, so that it sees its own writes; else on the
        read lane, in AUTOCOMMIT, where a read costs one round trip.
        """
        unit = _open_unit.get()
        with translated():
            if unit is not None and unit.has_begun:
                return await unit.execute(statement, values)
            return await self.read_lane.rows(statement, values)

    async def execute(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Execute a statement in the unit of work, which it begins: what changes something, or holds a lock."""
        with translated():
            return await self.unit.execute(statement, values)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[PostgresConnection]:
        """A connection of the read lane to oneself, for what takes longer than one statement."""
        with translated():
            async with self.read_lane.connection() as connection:
                yield connection

    async def stream(self, statement: Statement, values: Mapping[str, Any]) -> AsyncGenerator[list[Row], None]:
        """The rows of a statement that has very many, in batches; on a connection of the read lane to itself.

        At most half of the lane's connections stream at once. Raises Unavailable when they do.
        """
        if self._streams.locked():
            raise Unavailable("Too many exports are running just now.")
        async with self._streams, self.reading() as connection, connection.transaction():
            async for rows in statement.batches(connection, values):
                yield rows

    async def close(self) -> None:
        """Close every connection."""
        await self.write_engine.dispose()
        self.read_lane.close()

    def _new_unit(self) -> UnitOfWork:
        return UnitOfWork(self.write_engine)


def _write_engine(settings: Settings) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+psycopg://",
        async_creator=connector(settings),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_wait_seconds,
        pool_use_lifo=True,
        pool_recycle=LIFETIME_SECONDS,
        pool_reset_on_return=None,  # `_returned` does, and knows when that is in vain.
    )
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "checkout", _checked_out)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "reset", _returned)
    return engine


def _connected(connection: Any, record: Any) -> None:
    record.info["wire"] = Wire(connection.driver_connection)


def _checked_out(_connection: object, record: Any, _proxy: object) -> None:
    wire: Wire = record.info["wire"]
    if not wire.is_fresh and wire.is_lost():
        # The others were probably lost with it, so the pool replaces all. A fresh connection is not checked: the pool
        # would give up at the second one that is lost.
        raise exc.InvalidatePoolError


def _returned(_connection: object, record: Any, state: Any) -> None:
    """What was not kept is rolled back. A connection that is not good any more goes: no log needs its stack trace."""
    wire: Wire = record.info["wire"]
    if state.asyncio_safe and not wire.is_broken and not wire.is_idle:
        with suppress(psycopg.Error):
            await_(wire.command("ROLLBACK"))
    wire.unplug()
    if not wire.is_idle:
        record.invalidate()


def _begin(connection: Connection) -> None:
    wire: Wire = connection.connection.info["wire"]
    await_(begin(wire))
    wire.unplug()


def _read_lane(settings: Settings) -> ReadLane:
    # Planning a page takes PostgreSQL longer than reading it, so a plan is made once and kept, whatever the values.
    connect = connector(settings, plan_cache_mode="force_generic_plan")
    return ReadLane(connect, settings.pool_size, settings.pool_wait_seconds)
