"""The read lane: connections that are kept at hand for statements that only read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from psycopg import Error

from shared.errors import Unavailable
from shared.wire.connection import PostgresConnection
from shared.wire.statements import Row, Statement
from shared.wire.wire import DeadlineMissed, Wire


class ReadLane:
    """So many connections in AUTOCOMMIT, made when needed and kept at hand."""

    def __init__(self, connect: Callable[[], Awaitable[PostgresConnection]], size: int, wait_seconds: float) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds
        self._at_hand: list[Wire] = []

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """All rows. Raises Unavailable when no connection came free in time, and psycopg's errors."""
        wire = await self._take()
        was_fresh = wire.is_fresh
        try:
            return await wire.rows(statement, values)
        except Error as error:
            if not wire.is_broken:
                raise
            self.close()  # The others at hand may have been lost with it.
            if was_fresh or isinstance(error, DeadlineMissed):
                raise
        finally:
            self._put_back(wire)
        # It was lost while it lay here, or the server restarted. Reading again is harmless.
        return await self.rows(statement, values)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        """A connection to oneself, for what takes longer than one statement. Raises as `rows` does."""
        wire = await self._take()
        while wire.is_lost():
            self._put_back(wire)
            wire = await self._take()
        wire.unplug()
        try:
            yield wire.connection
        finally:
            self._put_back(wire)

    def close(self) -> None:
        """Close the connections at hand; those in use are closed when they come back, should they be lost too."""
        while self._at_hand:
            self._at_hand.pop().close()

    async def _take(self) -> Wire:
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        while self._at_hand:
            wire = self._at_hand.pop()
            if wire.is_idle:
                return wire
            wire.close()
        try:
            return Wire(await self._connect())
        except BaseException:
            self._places.release()
            raise

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise Unavailable("Every connection to the database is in use.") from error

    def _put_back(self, wire: Wire) -> None:
        self._places.release()
        if wire.is_idle and monotonic() < wire.expires_at:
            self._at_hand.append(wire)
        else:
            wire.close()
