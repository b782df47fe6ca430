"""The unit of work: one transaction, for statements on the wire and for SQLAlchemy's session alike."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from shared.errors import CommitInDoubt
from shared.wire.provenance import origin
from shared.wire.statements import Row, Statement
from shared.wire.wire import Wire


class UnitOfWork:
    """It begins, and takes a connection, with its first statement."""

    def __init__(self, engine: AsyncEngine, session: AsyncSession | None = None) -> None:
        self.permissions: list[tuple[str, str, UUID]] = []
        """What it was allowed to do so far: the resource, the action, and the row."""
        self.before_first: Callable[[], Awaitable[None]] | None = None
        """What is to be done in the transaction before all else. The first statement goes by the wire then."""
        self._engine = engine
        self._session = session
        self._connection: AsyncConnection | None = None
        self._wire: Wire | None = None

    @property
    def has_begun(self) -> bool:
        """Whether there is a transaction yet."""
        return self._wire is not None or (self._session is not None and self._session.in_transaction())

    @property
    def session(self) -> AsyncSession:
        """For what the ORM does. A unit of work that needs none is spared it."""
        if self.before_first is not None:
            raise RuntimeError("Something is to be done first: begin with a statement on the wire.")
        if self._session is None:
            self._unplug()
            self._session = AsyncSession(self._connection or self._engine, expire_on_commit=False)
        return self._session

    async def execute(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """Execute a statement, after what the session has not told the database yet. Raises psycopg's errors."""
        if self._session is not None:
            await self._session.flush()
        wire = self._wire or await self._take_wire()
        try:
            return await wire.rows(statement, values)
        finally:
            if self._session is not None:  # Its own statements go by psycopg.
                wire.unplug()

    async def settle(self) -> None:
        """Do now what the session has put off, and have it forget its rows: what comes next starts afresh."""
        if self._session is not None:
            await self._session.flush()
            self._session.expunge_all()

    async def command(self, text: str) -> None:
        """Execute what has neither parameters nor rows. Raises psycopg's errors."""
        wire = self._wire or await self._take_wire()
        try:
            await wire.command(text)
        finally:
            wire.unplug()

    async def end(self, *, dry_run: bool) -> None:
        """Keep what was done. Raises CommitInDoubt, and the error of a constraint that is checked only now."""
        if self._session is not None:
            await self._session.flush()
        if dry_run:
            if self.has_begun:
                await self.command("SET CONSTRAINTS ALL IMMEDIATE")
        elif self._session is not None:
            await self._commit_session(self._session)
        elif self._wire is not None:
            await self._commit_wire(self._wire)

    async def close(self) -> None:
        """Roll back what was not kept, and give the connection back."""
        self._unplug()
        is_broken = self._wire is not None and self._wire.is_broken
        if self._session is not None:
            with suppress(exc.DBAPIError):  # The connection is lost, and what was not kept with it.
                await (self._session.invalidate() if is_broken else self._session.close())
        if self._connection is not None:
            if is_broken:
                await self._connection.invalidate()
            await self._connection.close()

    def _unplug(self) -> None:
        if self._wire is not None:
            self._wire.unplug()

    async def _take_wire(self) -> Wire:
        if self._session is not None:
            connection = await self._session.connection()
            self._wire = wire = await _wire_of(connection)
        else:
            self._connection = await self._engine.connect()
            wire = await _wire_of(self._connection)
            await begin(wire)
            self._wire = wire
        if self.before_first is not None:
            first, self.before_first = self.before_first, None
            await first()
        return wire

    async def _commit_session(self, session: AsyncSession) -> None:
        try:
            await session.commit()
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise CommitInDoubt from error
            raise

    async def _commit_wire(self, wire: Wire) -> None:
        try:
            await wire.command("COMMIT")
        except psycopg.Error as error:
            if wire.is_lost():
                raise CommitInDoubt from error
            raise


async def begin(wire: Wire) -> None:
    """Begin a transaction, unless there is one, and tell the journal where its changes come from."""
    if not wire.is_idle:
        return
    command = "BEGIN"
    if (known := origin.get()) is not None:
        command += f"; SET LOCAL trellis.origin = '{known}'"
    await wire.command(command)


async def _wire_of(connection: AsyncConnection) -> Wire:
    wire: Wire = (await connection.get_raw_connection()).info["wire"]
    return wire
