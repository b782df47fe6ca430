"""The two lanes to PostgreSQL: units of work that write, and reads that answer from one statement. Reads may go to
replicas.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from shared.errors import Unavailable
from shared.settings import Settings
from shared.turns import turn
from shared.wire.connection import PostgresConnection, connector
from shared.wire.lane import Lane
from shared.wire.refusals import translated
from shared.wire.replicas import WRITTEN, Replicas, sight
from shared.wire.statements import Record, Statement
from shared.wire.unit_of_work import UnitOfWork
from shared.wire.wire import Demand


class Database:
    """Gives units of work and reads their connections."""

    def __init__(self, settings: Settings) -> None:
        size, wait_seconds = settings.pool_size, settings.pool_wait_seconds
        self.write_lane = Lane(connector(settings), size, wait_seconds)
        # To plan a page takes PostgreSQL longer than to read it, so each plan is made once, whatever the values.
        kept = {"plan_cache_mode": "force_generic_plan"}
        self.read_lane = Lane(connector(settings, **kept), size, wait_seconds)
        urls = (settings.replica_urls or "").split()
        lanes = [Lane(connector(settings, url, **kept), size, wait_seconds) for url in urls]
        self._replicas = Replicas(self.read_lane, lanes) if lanes else None
        self._streams = asyncio.Semaphore(max(1, size // 2))

    @asynccontextmanager
    async def unit_of_work(
        self, *, dry_run: bool = False, variables: Mapping[str, str] | None = None, demand: Demand | None = None
    ) -> AsyncIterator[UnitOfWork]:
        """One transaction, committed at the end and rolled back whole on any error.

        Only the edges open one: the route of a state-changing request, or a command. Services and repositories use the
        one that they are given, and never commit. A dry run does everything, checks every constraint, and rolls back.
        `variables` are settings of PostgreSQL's for the transaction. The first statement raises the refusal of a demand
        that is not met. Raises CommitInDoubt when the connection is lost during COMMIT.
        """
        unit = UnitOfWork(self.write_lane, variables or {}, demand)
        try:
            yield unit
            seen = sight.get()
            rows = await unit.end(dry_run=dry_run, then=WRITTEN if seen is not None else None)
            if seen is not None and rows:
                ((seen.written,),) = rows
        finally:
            await unit.close()

    async def read(self, statement: Statement, values: Mapping[str, Any], *, at_primary: bool = False) -> list[Record]:
        """The rows of a statement on the read lane, in AUTOCOMMIT: one round trip. If there are replicas, one of them
        may give the rows, unless the statement asks what only the primary knows.
        """
        with translated():
            if self._replicas is not None and not at_primary:
                return await self._replicas.rows(statement, values)
            return await self.read_lane.rows(statement, values)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[PostgresConnection]:
        """A connection of the read lane for more than one statement."""
        with translated():
            async with self.read_lane.connection() as connection:
                yield connection

    async def stream(self, statement: Statement, values: Mapping[str, Any]) -> AsyncGenerator[list[Record], None]:
        """The rows of a statement with very many rows, in batches, on a connection of the read lane.

        At most half of the lane's connections stream at once; beyond that, it raises Unavailable.
        """
        refusal = partial(Unavailable, "Too many exports are running just now.")
        async with turn(self._streams, 0, refusal), self.reading() as connection, connection.transaction():
            if connection.preamble:
                await connection.execute(connection.preamble)
            async for rows in statement.batches(connection, values):
                yield rows

    async def close(self) -> None:
        """Close every connection."""
        self.write_lane.close()
        self.read_lane.close()
        if self._replicas is not None:
            self._replicas.close()
