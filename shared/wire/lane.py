"""A lane: a pool of connections to PostgreSQL, made when needed and kept for reuse."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

from psycopg import Error

from shared.errors import Unavailable
from shared.observing import current_activity
from shared.turns import take_place
from shared.wire.connection import Connect, PostgresConnection
from shared.wire.link import DeadlineMissed
from shared.wire.statements import Record, Statement
from shared.wire.wire import Step, Wire

_ALL_IN_USE = partial(Unavailable, "Every connection to the database is in use.")


class Lane:
    """Its connections are in AUTOCOMMIT. Each is used by one task at a time, which takes it and puts it back."""

    def __init__(self, connect: Connect, size: int, wait_seconds: float) -> None:
        self._connect = connect
        self.size = size
        self._places = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds
        self._at_hand: list[Wire] = []
        self.in_use = 0
        """The number of connections that are taken."""
        self.waiting = 0
        """How many wait for a connection now."""
        self.waits = self.refused = 0
        """How often one had to wait, and did so in vain."""
        self.waited_seconds = 0.0

    async def rows(self, statement: Statement, values: Mapping[str, Any], before: Sequence[Step] = ()) -> list[Record]:
        """All rows of a statement that only reads, after the steps before it. Raises Unavailable when no connection
        came free in time, the refusal of a demand, and psycopg's errors.
        """
        wire = await self._take()
        was_fresh = wire.is_fresh
        try:
            return await wire.rows(statement, values, [*wire.preamble, *before])
        except Error as error:
            if not (wire.is_broken or wire.is_stale):
                raise
            self.close()  # The other idle ones may be lost or stale, too.
            if was_fresh or isinstance(error, DeadlineMissed):
                raise
        finally:
            self.put_back(wire)
        # It was lost while it lay idle, or the server restarted. To read again is harmless.
        return await self.rows(statement, values, before)

    async def take(self) -> Wire:
        """A connection for more than one statement, not lost as far as this end knows. Raises Unavailable when none
        came free in time, and psycopg's errors.
        """
        wire = await self._take()
        while not wire.is_fresh and wire.is_lost():
            self.put_back(wire)
            self.close()  # The other idle ones are probably lost, too. So the next one is fresh.
            wire = await self._take()
        return wire

    def put_back(self, wire: Wire) -> None:
        """Keep the connection for others if it is at rest and in no transaction; else close it. While PostgreSQL is at
        a COMMIT, it keeps its place: else one after the other would be made, until PostgreSQL has none left.
        """
        if wire.is_left:
            wire.leave(partial(self.put_back, wire))
            return
        self.in_use -= 1
        self._places.release()
        if wire.is_stale:
            self.close()  # The other idle ones may be, too.
        if wire.is_fit:
            self._at_hand.append(wire)
        else:
            wire.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PostgresConnection]:
        """A connection to use through psycopg. Raises as `take` does."""
        wire = await self.take()
        wire.unplug()
        try:
            yield wire.connection
        finally:
            self.put_back(wire)

    def close(self) -> None:
        """Close the idle connections. A lost one that is in use is closed when it is put back."""
        while self._at_hand:
            self._at_hand.pop().close()

    async def _take(self) -> Wire:
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        self.in_use += 1
        while self._at_hand:
            wire = self._at_hand.pop()
            if wire.is_fit:
                return wire
            wire.close()
        try:
            return Wire(await self._connect())
        except BaseException:
            self.in_use -= 1
            self._places.release()
            raise

    async def _wait(self) -> None:
        """Take a place that comes free. Raises Unavailable."""
        begun = perf_counter()
        self.waiting += 1
        try:
            await take_place(self._places, self._wait_seconds, _ALL_IN_USE)
        except Unavailable:
            self.refused += 1
            raise
        finally:
            seconds = perf_counter() - begun
            self.waiting -= 1
            self.waits += 1
            self.waited_seconds += seconds
            current_activity.get().wait_seconds += seconds
