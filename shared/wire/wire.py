"""The wire: statements on a connection, past psycopg, at a quarter of its cost.

A general driver makes a cursor for each statement, works out whether to prepare it, and has the event loop begin and
end to watch the socket. On a wire statements are prepared for good, and the socket of one at hand is watched all the
time; that is a third of the processor's time for a read.

A wire is in one of these states, and `is_idle`, `is_broken` and libpq tell which:

    at rest     takes a statement: its connection is good, and in a transaction or not
    waiting     has sent one, in part or whole, and gets its answer in part or whole
    given up    its caller was cancelled while it was waiting, and the connection was closed
    lost        the server, the network or the deadline has ended the connection

Three ways lead out of `waiting`, and one always comes: the answer is whole, the socket ends, the deadline passes.
"""

import asyncio
import select
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import Any

from psycopg import Error, OperationalError
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from shared.deadline import Deadline
from shared.wire.connection import PostgresConnection
from shared.wire.statements import Row, Statement

MOST_PREPARED = 100
"""On a connection; a plan takes some ten kilobytes of PostgreSQL's memory."""

LIFETIME_SECONDS = 3600
"""Then a connection is made anew: what PostgreSQL caches for one only ever grows."""


class DeadlineMissed(OperationalError):
    """PostgreSQL did not answer in time, nor did it say that it gives up."""


class Wire:
    """Plugged in by its first statement; then the connection's socket is the wire's own until it is unplugged."""

    def __init__(self, connection: PostgresConnection) -> None:
        self.connection = connection
        self.expires_at = monotonic() + LIFETIME_SECONDS
        self.is_fresh = True
        """Whether it has had no statement yet."""
        self._libpq = connection.pgconn
        self._socket = self._libpq.socket
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._transformer = Transformer(connection)
        self._prepared: OrderedDict[Statement, bytes] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self._loop, self._expire)
        self._is_plugged = False
        self._answer: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it is at rest, in no transaction."""
        return self._libpq.status == ConnStatus.OK and self._libpq.transaction_status == TransactionStatus.IDLE

    @property
    def is_broken(self) -> bool:
        """Whether it takes no statement any more: it is lost, given up, or could not send."""
        return self._libpq.status != ConnStatus.OK or self._libpq.transaction_status == TransactionStatus.ACTIVE

    def is_lost(self) -> bool:
        """Whether the connection has ended, as far as one knows without asking the server. Only between statements."""
        if self._libpq.status == ConnStatus.OK:
            try:
                self._consume()
            except OperationalError as error:
                self._lose(error)
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
        self._deadline.cancel()
        self._libpq.finish()

    async def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
        """All rows. Raises psycopg's errors, DeadlineMissed among them, and KeyError for a value that is missing."""
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
        self.is_fresh = False
        self._answer = self._loop.create_future()
        self._deadline.set(self.connection.deadline_seconds)
        try:
            if not self._is_plugged:
                self._loop.add_reader(self._socket, self._receive)
                self._is_plugged = True
            if self._libpq.flush():
                self._loop.add_writer(self._socket, self._send)
            result = await self._answer
        except asyncio.CancelledError:
            self.close()  # Even if the answer has come meanwhile: nobody noted what was prepared.
            raise
        finally:
            self._deadline.clear()
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
        """The socket has something to read, or has ended."""
        try:
            self._consume()
        except OperationalError as error:
            self._lose(error)

    def _consume(self) -> None:
        """Read until there is nothing more, past an answer's end too: an event loop stops watching a socket that it has
        seen fail, and tells so only once. Raises OperationalError at the end of the connection.
        """
        while True:
            self._libpq.consume_input()
            if self._answer is not None:
                self._look()
            if not self._poll.poll(0):
                return

    def _look(self) -> None:
        """Whether the answer is whole. Raises OperationalError for what is none."""
        while not self._libpq.is_busy() and (result := self._libpq.get_result()) is not None:
            self._result = result
        if self._libpq.status != ConnStatus.OK:
            raise OperationalError("What PostgreSQL sent makes no sense.")
        if self._libpq.transaction_status != TransactionStatus.ACTIVE:
            self._settle(None)

    def _expire(self) -> None:
        self._lose(DeadlineMissed("PostgreSQL did not answer in time."))

    def _lose(self, error: Error) -> None:
        """The connection has ended, or ends now. What PostgreSQL said last, if anything, tells why."""
        result = self._result
        if result is not None and result.error_field(DiagnosticField.SQLSTATE):
            error = error_from_result(result, self.connection.info.encoding)
        self.close()
        self._settle(error)

    def _settle(self, error: Error | None) -> None:
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
