"""The read lane, and the wire to PostgreSQL that both lanes execute statements on.

A general driver makes a cursor for each statement, works out whether to prepare it, and has the event loop begin and
end to watch the socket. On a wire statements are prepared for good, and one at hand is watched all the time; that is a
third of the processor's time for a read.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from shared.errors import Unavailable
from shared.persistence.statements import Row, Statement

ReadConnection = AsyncConnection[Row]

MOST_PREPARED = 100
"""On a connection; a plan takes some ten kilobytes of PostgreSQL's memory."""

LIFETIME_SECONDS = 3600
"""Then a connection is made anew: what PostgreSQL caches for one only ever grows."""


class ReadLane:
    """So many connections in AUTOCOMMIT, made when needed and kept at hand."""

    def __init__(self, connect: Callable[[], Awaitable[ReadConnection]], size: int, wait_seconds: float) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._wait_seconds = wait_seconds
        self._at_hand: list[Wire] = []

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """All rows. Raises Unavailable when no connection came free in time, and psycopg's errors."""
        try:
            return await self._rows(statement, values)
        except OperationalError as error:
            if error.sqlstate is not None and not error.sqlstate.startswith("57P"):
                raise
            # The connections were lost while they lay here: the server restarted. Reading again is harmless.
            self.close()
            return await self._rows(statement, values)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[ReadConnection]:
        """A connection to oneself, for what takes longer than one statement. Raises as `rows` does."""
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

    async def _rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        wire = await self._take()
        try:
            return await wire.rows(statement, values)
        finally:
            self._put_back(wire)

    async def _take(self) -> "Wire":
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

    def _put_back(self, wire: "Wire") -> None:
        self._places.release()
        if wire.is_idle and monotonic() < wire.expires_at:
            self._at_hand.append(wire)
        else:
            wire.close()


class Wire:
    """Statements on a connection, past psycopg. It is plugged in by the first, and then the connection's socket is the
    wire's own until it is unplugged.
    """

    def __init__(self, connection: ReadConnection) -> None:
        self.connection = connection
        self.expires_at = monotonic() + LIFETIME_SECONDS
        self._libpq = connection.pgconn
        self._socket = self._libpq.socket
        self._transformer = Transformer(connection)
        self._prepared: OrderedDict[Statement, bytes] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._is_plugged = False
        self._answer: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it can take a statement: not lost, nor in the midst of one that was given up."""
        return self._libpq.status == ConnStatus.OK and self._libpq.transaction_status == TransactionStatus.IDLE

    @property
    def is_broken(self) -> bool:
        """Whether nothing can be made of it any more: lost, or in the midst of a statement that was given up."""
        return self._libpq.status != ConnStatus.OK or self._libpq.transaction_status == TransactionStatus.ACTIVE

    def is_lost(self) -> bool:
        """Whether the server has closed the connection, as far as can be known without asking it."""
        try:
            self._libpq.consume_input()  # Its last words, should there be any;
            self._libpq.consume_input()  # only then is the end to be seen.
        except OperationalError:
            return True
        return self._libpq.status != ConnStatus.OK

    def unplug(self) -> None:
        """Leave the connection to psycopg, which watches the socket itself."""
        if self._is_plugged:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._is_plugged = False

    def close(self) -> None:
        """Close the connection."""
        self.unplug()
        self._libpq.finish()

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """All rows. Raises psycopg's errors, and KeyError for a value that is missing."""
        arguments = statement.arguments(values)
        name = self._prepared.get(statement) or await self._prepare(statement)
        self._prepared.move_to_end(statement)
        sent = self._transformer.dump_sequence(arguments, [_format(argument) for argument in arguments])
        self._libpq.send_query_prepared(name, sent, self._transformer.formats)
        result = await self._sent()
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    async def command(self, text: str) -> None:
        """Execute what has neither parameters nor rows, such as BEGIN. Raises psycopg's errors."""
        self._libpq.send_query(text.encode())
        await self._sent()

    async def _prepare(self, statement: Statement) -> bytes:
        while len(self._prepared) >= MOST_PREPARED:
            _, name = self._prepared.popitem(last=False)
            self._libpq.send_close_prepared(name)
            await self._sent()
        name = b"trellis_%d" % id(statement)
        self._libpq.send_prepare(name, statement.text)
        await self._sent()
        self._prepared[statement] = name
        return name

    async def _sent(self) -> PGresult:
        """The result of what libpq was told to send. Raises psycopg's error for one that PostgreSQL reports."""
        self._answer = self._loop.create_future()
        if not self._is_plugged:
            self._loop.add_reader(self._socket, self._receive)
            self._is_plugged = True
        if self._libpq.flush():
            self._loop.add_writer(self._socket, self._send)
        result = await self._answer
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, self.connection.info.encoding)
        return result

    def _send(self) -> None:
        """The socket takes more of what was too long for it."""
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(self._socket)
        except OperationalError as error:
            self._lose(error)

    def _receive(self) -> None:
        """The socket has something to read, or was closed."""
        try:
            self._libpq.consume_input()
        except OperationalError as error:
            self._lose(error)
            return
        while not self._libpq.is_busy():
            result = self._libpq.get_result()
            if result is None:
                self._settle(None)
                return
            self._result = result

    def _lose(self, error: OperationalError) -> None:
        self.unplug()
        self._settle(error)

    def _settle(self, error: OperationalError | None) -> None:
        """A statement has come to its end."""
        answer, result = self._answer, self._result
        self._answer = self._result = None
        if answer is None or answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        elif result is not None:
            answer.set_result(result)


def _format(argument: object) -> PyFormat:
    """As text, to which PostgreSQL gives whatever type the statement wants; but it takes no offset beyond 16 hours in
    the text of an instant.
    """
    first = argument[0] if isinstance(argument, list) and argument else argument
    return PyFormat.BINARY if isinstance(first, datetime) else PyFormat.TEXT
