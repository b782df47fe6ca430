"""The unit of work: one transaction, for statements on the wire and for blocks of SQLAlchemy's session."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import CommitInDoubt, Unavailable
from shared.observing import current_activity
from shared.wire.lane import Lane
from shared.wire.orm import session_on
from shared.wire.refusals import translated
from shared.wire.statements import Record, Statement
from shared.wire.wire import Demand, Step, Wire


class UnitOfWork:
    """A transaction that takes a connection with its first statement. BEGIN travels with that statement.

    Whoever opens it ends it; all others only execute. The database's errors come out as domain errors.
    """

    def __init__(self, lane: Lane, variables: Mapping[str, str], demand: Demand | None = None) -> None:
        """`variables` are set in PostgreSQL for the transaction; their values hold no quotes. If the demand is not met,
        the first statement raises its refusal, and nothing is kept.
        """
        self.before_first: Callable[[], Awaitable[None]] | None = None
        """Runs in the transaction before its first statement."""
        self._lane = lane
        self._waiting: list[Step] = ["BEGIN", *(f"SET LOCAL {name} = '{value}'" for name, value in variables.items())]
        """These steps travel with the next statement."""
        self._waiting += [demand] if demand else []
        self._demand = demand
        self._wire: Wire | None = None
        self._is_in_orm = False

    @property
    def is_unmet(self) -> bool:
        """Whether it has a demand, and no statement has shown yet that this is met."""
        return self._demand is not None and not self._demand.is_met

    async def begin(self) -> None:
        """Begin now, where the demand is to be met before all else. Raises as `execute` does."""
        if self.is_unmet:
            await self.command()

    async def execute(self, statement: Statement, values: Mapping[str, Any]) -> list[Record]:
        """All rows of a statement. Raises Unavailable, the errors of constraints, and the like."""
        with translated():
            wire = await self._ready()
            with self._sending(wire):
                return await wire.rows(statement, values, self._waiting)

    async def send(self, statement: Statement, values: Mapping[str, Any]) -> None:
        """Execute a statement without waiting for its answer. It travels with the next statement or with COMMIT, which
        raises its error. The end of a savepoint waits for it.
        """
        with translated():
            await self._ready()
        self._waiting.append((statement, values))

    async def flush(self) -> None:
        """Wait for the statements that were sent. Raises their errors."""
        if self._wire is not None and self._waiting:
            await self.command()

    async def command(self, *commands: str) -> None:
        """Execute commands that have neither parameters nor rows. Raises as `execute` does."""
        with translated():
            wire = await self._ready()
            with self._sending(wire):
                await wire.run(*self._waiting, *commands)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """An error inside undoes only what was done inside, and the transaction can go on. Savepoints can be nested."""
        await self.command("SAVEPOINT within")
        try:
            yield
            await self.command("RELEASE SAVEPOINT within")
        except Exception:
            self._waiting = []
            if self._wire is not None and not self._wire.is_broken:
                with suppress(Unavailable):  # The connection is lost: raise the first error.
                    await self.command("ROLLBACK TO SAVEPOINT within", "RELEASE SAVEPOINT within")
            raise

    @asynccontextmanager
    async def orm(self) -> AsyncIterator[AsyncSession]:
        """A session of SQLAlchemy's in this transaction. It begins without rows; the block's end flushes it.

        Inside the block, all statements go through the session. Its `rollback` undoes what the block did.
        """
        with translated():
            wire = await self._ready()
            await self.flush()
            wire.unplug()
            self._is_in_orm = True
            try:
                async with session_on(wire.connection) as session:
                    yield session
                    await session.commit()  # Of the block's savepoint: the transaction goes on.
            finally:
                self._is_in_orm = False

    async def end(self, *, dry_run: bool, then: Statement | None = None) -> list[Record]:
        """Commit, or check every constraint in a dry run. The rows of `then`, which travels behind COMMIT. Raises
        CommitInDoubt, and the errors of statements and constraints that waited until now.
        """
        if self.is_unmet:
            await self.command()  # COMMIT would not wait to see whether the demand is met.
        if (wire := self._wire) is None:
            return []
        if wire.has_failed or (wire.is_idle and not self._waiting):
            raise RuntimeError("The transaction has failed or ended, and nobody said so: nothing can be kept.")
        steps = [*self._waiting, "SET CONSTRAINTS ALL IMMEDIATE" if dry_run else "COMMIT"]
        with translated(), nullcontext() if dry_run else _committing(wire):
            if then is None or dry_run:
                await wire.run(*steps)
                return []
            return await wire.rows(then, {}, steps)

    async def close(self) -> None:
        """Roll back what was not committed, and give the connection back."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        try:
            with suppress(psycopg.Error):  # The connection is lost, and the transaction with it.
                if not wire.is_broken and not wire.is_idle:
                    await wire.run("ROLLBACK")
        finally:
            self._lane.put_back(wire)

    async def _ready(self) -> Wire:
        """The connection, ready for a statement."""
        if self._is_in_orm:
            raise RuntimeError("A block of the session is open: end it before other statements.")
        if self._wire is None:
            wire = await self._lane.take()
            if self._wire is not None:
                self._lane.put_back(wire)
                raise RuntimeError("Another statement has begun meanwhile: one goes after the other.")
            self._wire = wire
            self._waiting[1:1] = wire.preamble
            if self.before_first is not None:
                first, self.before_first = self.before_first, None
                await first()
        if self._wire.is_waiting:
            raise RuntimeError("A statement waits for its answer: one goes after the other.")
        return self._wire

    @contextmanager
    def _sending(self, wire: Wire) -> Iterator[None]:
        """The waiting steps travel with what is sent inside; if nothing is, say for lack of a value, with the next."""
        sendings = wire.sendings
        try:
            yield
        finally:
            if wire.sendings != sendings:
                self._waiting = [self._demand] if self._demand and self.is_unmet else []


@contextmanager
def _committing(wire: Wire) -> Iterator[None]:
    """Without the answer to COMMIT, nobody knows whether it was kept. The activity remembers that: whoever cancels it,
    or cannot find it out, has to say so.
    """
    try:
        yield
    except (psycopg.Error, asyncio.CancelledError) as error:
        if not (wire.is_left or wire.is_lost()):
            raise
        current_activity.get().is_in_doubt = True
        if isinstance(error, psycopg.Error):
            raise CommitInDoubt from error
        raise
