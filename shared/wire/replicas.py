"""Streaming replicas: a read goes to one that has all that its caller knows of, else to the primary.

A position is a place in PostgreSQL's log, in bytes. A write has one when it has committed; a replica has all writes up
to the one that it has replayed.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any

from psycopg import DataError, Error
from sqlalchemy import BigInteger, ColumnElement, bindparam, case, cast, func, literal_column, select

from shared.errors import Unavailable
from shared.wire.lane import Lane
from shared.wire.statements import Record, Statement
from shared.wire.wire import Demand

WAIT_SECONDS = 0.1
"""How long a read waits for a replica that does not have what it needs yet. Then it goes to the primary."""
LAG_SECONDS = 5.0
"""A replica that is further behind is left out: what others wrote is seen after this time at the latest."""
LOOK_SECONDS = 0.25
"""How often each server is asked where it is."""
POLL_SECONDS = 0.005
ANSWER_SECONDS = 1.0
"""A replica that does not say for so long where it is, is left out."""

GONE = {"", "08", "57", "58"}
"""Classes of errors after which a replica is left out: it cannot be reached, or ends."""
ITS_OWN = {"25", "40", "42", "53", "55"}
"""Those of a read that may succeed at the primary: what is replayed is in its way, or it has no place for it. Or the
replica has not the migration yet on which this version relies.
"""
TOO_SLOW = "57014"
"""It would take as long there."""

_START: ColumnElement[Any] = literal_column("'0/0'")
_REPLAYED = cast(func.pg_wal_lsn_diff(func.pg_last_wal_replay_lsn(), _START), BigInteger)
_IS_REPLICA = func.pg_is_in_recovery()
"""A primary, such as one that was a replica, goes on telling what it has replayed."""
_WRITTEN = cast(func.pg_wal_lsn_diff(func.pg_current_wal_insert_lsn(), _START), BigInteger)
_CLUSTER: ColumnElement[int] = literal_column("(pg_control_system()).system_identifier")
"""A replica has its primary's. What others have replayed is another log."""
REPLAYED = Statement(select(case((_IS_REPLICA, _REPLAYED)), _CLUSTER))
WRITTEN = Statement(select(_WRITTEN))
"""The position of everything that has committed by now, and of whatever others have begun to write."""
PRIMARY = Statement(select(_WRITTEN, _CLUSTER))
HAS = Statement(select(literal_column("1")).where(_IS_REPLICA, bindparam("position") <= _REPLAYED))


class Behind(Exception):
    """This replica has not yet what the read needs."""


@dataclass
class Sight:
    """What a request has to see, and what it has written."""

    needed: int | None
    """The position; None for the primary."""
    written: int = 0


sight: ContextVar[Sight | None] = ContextVar("sight", default=None)
"""The present request's. Without it, as in jobs and commands, all goes to the primary."""


class Replica:
    """One of them, and what is known of it."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.position = 0
        """It has at least this; 0 when it is left out."""
        self.is_stuck = False
        """A read has waited for it in vain, and it has not moved since."""
        self._astray_at: int | None = None
        self._own_cluster: int | None = None
        self._cluster: int | None = None
        """The primary's; None before that one was asked."""
        self._asking: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Ask where it is, together with whoever asks just now."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)

    async def rows(self, statement: Statement, values: Mapping[str, Any], needed: int) -> list[Record] | None:
        """The rows, from a state that has what is needed; None when it has not, or when the replica fails."""
        before = [Demand(HAS, {"position": needed}, Behind)] if needed else []
        try:
            return await self.lane.rows(statement, values, before)
        except Behind:
            self.position = min(self.position, needed - 1)  # It was started again, from an earlier place.
        except Unavailable:  # Each of its connections is in use.
            return None
        except Error as error:
            kind = (error.sqlstate or "")[:2]
            if error.sqlstate == TOO_SLOW or isinstance(error, DataError) or not (kind in ITS_OWN or kind in GONE):
                raise
            if kind in GONE:
                self.leave_out()
        return None

    def leave_out(self) -> None:
        """Until it answers again."""
        self.position = 0

    def compare(self, replayed: int, written: int, cluster: int) -> None:
        """Leave it out if it is of another cluster than the primary, which was asked later; or if it has more: it
        follows the one of before a failover. The primary will pass it one day, and it will still have other rows. So it
        is left out until it moves.
        """
        self._cluster = cluster
        if self._own_cluster != cluster:
            self.leave_out()
        elif replayed > written:
            self._astray_at = replayed
            self.leave_out()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                ((found, self._own_cluster),) = await self.lane.rows(REPLAYED, {})
        except (Error, Unavailable, TimeoutError):
            self.leave_out()
            return
        found = found if self._cluster in {None, self._own_cluster} else None
        self.is_stuck = self.is_stuck and found == self.position
        # NULL: it is no replica, or not any more.
        self.position = 0 if found is None or found == self._astray_at else found


class Replicas:
    """Those of a database, and its primary."""

    def __init__(self, primary: Lane, replicas: Sequence[Lane]) -> None:
        self._primary = primary
        self._replicas = [Replica(lane) for lane in replicas]
        self._watching: asyncio.Task[None] | None = None
        self._oldest: int | None = None
        """What a replica has that is not too far behind; None before the primary was asked."""

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Record]:
        """The rows of a statement that only reads, for the present request. Raises as a lane does."""
        wanted = sight.get()
        if wanted is not None and wanted.needed is not None:
            if self._watching is None or self._watching.done():
                self._watching = asyncio.create_task(self._watch())
            replica = await self._having(wanted.needed)
            if replica is not None:
                rows = await replica.rows(statement, values, wanted.needed)
                if rows:  # The primary may have what a replica has not yet, such as a session from another process.
                    return rows
        return await self._primary.rows(statement, values)

    def close(self) -> None:
        """Watch them no more, and close every connection to them."""
        if self._watching is not None:
            self._watching.cancel()
        for replica in self._replicas:
            replica.lane.close()

    async def _having(self, needed: int) -> Replica | None:
        """The least busy one that has it; the first that gets it while we wait; or None."""
        if self._oldest is None:
            return None
        least = max(needed, self._oldest, 1)
        if ready := [replica for replica in self._replicas if replica.position >= least]:
            return min(ready, key=lambda replica: replica.lane.in_use)
        within = [replica for replica in self._replicas if replica.position >= max(self._oldest, 1)]
        nearest = max(within, key=lambda replica: replica.position, default=None)
        if nearest is None or nearest.is_stuck:
            return None
        deadline = monotonic() + WAIT_SECONDS
        while monotonic() < deadline:
            await nearest.look()
            if nearest.position >= least:
                return nearest
            if not nearest.position:
                return None
            await asyncio.sleep(POLL_SECONDS)
        nearest.is_stuck = True
        return None

    async def _watch(self) -> None:
        """Know where each one is, and where it should be. Without the primary, they serve on with what they have."""
        told: deque[tuple[float, int]] = deque()
        while True:
            await asyncio.gather(*(replica.look() for replica in self._replicas))
            replayed = [replica.position for replica in self._replicas]
            with suppress(Error, Unavailable):
                ((written, cluster),) = await self._primary.rows(PRIMARY, {})
                told.append((monotonic(), written))
                self._oldest = self._oldest or written
                for replica, position in zip(self._replicas, replayed, strict=True):
                    replica.compare(position, written, cluster)
            self._oldest = self._oldest or 0
            while told and told[0][0] < monotonic() - LAG_SECONDS:
                self._oldest = told.popleft()[1]
            await asyncio.sleep(LOOK_SECONDS)
