"""The link: libpq on its socket. It sends, and waits for the answer until its deadline.

A link is in one of these states, which `is_idle`, `is_broken` and libpq tell:

    at rest     the connection takes a statement, in a transaction or outside of one
    waiting     one or several statements are being sent, or their answer is being received
    given up    the caller was cancelled while waiting, so the connection was closed
    left        nobody waits any more for the answer to a COMMIT; once it has come, the connection is at rest
    lost        the server, the network or the deadline has ended the connection

`waiting` always ends: the answer is complete, the socket ends, or the deadline passes.

A seam, with wire.py and connection.py: the files that touch what psycopg does not promise. docs/SEAMS.md lists it, and
tests/seams/test_psycopg.py tells when a release changes it.
"""

import asyncio
import select
from collections.abc import Callable, Sequence

from psycopg import Error, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from shared.deadline import Deadline
from shared.wire.connection import PostgresConnection


class DeadlineMissed(OperationalError):
    """PostgreSQL neither answered nor gave up in time."""


LEFT_SECONDS = 600.0
"""How long a COMMIT has the place of its connection, while nobody waits any more for its answer."""


class Leavable:
    """A connection that is left to itself while PostgreSQL is at a COMMIT. That cannot be taken back, and goes on while
    a standby is away that has to have it, or the disk stands still, even when the connection is closed.
    """

    def __init__(self, connection: PostgresConnection) -> None:
        self.connection = connection
        self._libpq = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self._loop, self._expire)
        self._is_committing = False
        """Whether what was sent last ends with COMMIT."""
        self._when_over: Callable[[], None] | None = None

    @property
    def is_left(self) -> bool:
        """Whether PostgreSQL is still at a COMMIT. Only for use when nobody waits for the answer."""
        return self._is_committing and self._libpq.transaction_status == TransactionStatus.ACTIVE

    def leave(self, when_over: Callable[[], None]) -> None:
        """Have this called when the COMMIT is over, or the connection lost, or after LEFT_SECONDS."""
        self._when_over = when_over
        self._deadline.set(LEFT_SECONDS)

    def _tell_if_over(self) -> None:
        if self._when_over is not None and not self.is_left:
            over, self._when_over = self._when_over, None
            self._deadline.clear()
            over()

    def _expire(self) -> None:
        raise NotImplementedError


class Link(Leavable):
    """Watches the connection's socket from the first statement on, until it is unplugged."""

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)
        self._socket = self._libpq.socket
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._is_plugged = False
        self._answer: asyncio.Future[list[PGresult]] | None = None
        self._results: list[PGresult] = []
        self._is_pipeline = False

    @property
    def is_idle(self) -> bool:
        """Whether it is at rest and in no transaction."""
        return self._libpq.status == ConnStatus.OK and self._libpq.transaction_status == TransactionStatus.IDLE

    @property
    def is_waiting(self) -> bool:
        """Whether a caller waits for an answer."""
        return self._answer is not None and not self._answer.done()

    @property
    def has_failed(self) -> bool:
        """Whether its transaction takes no more statements because one was refused."""
        return self._libpq.transaction_status == TransactionStatus.INERROR

    @property
    def is_broken(self) -> bool:
        """Whether it takes no more statements: it is lost, given up, or could not send."""
        return self._libpq.status != ConnStatus.OK or self._libpq.transaction_status == TransactionStatus.ACTIVE

    def is_lost(self) -> bool:
        """Whether the connection has ended, as far as this end knows. Only for use between statements."""
        if self._libpq.status == ConnStatus.OK:
            try:
                self._consume()
            except OperationalError as error:
                self._lose(error)
        return self._libpq.status != ConnStatus.OK

    def unplug(self) -> None:
        """Leave the socket to psycopg, which watches it by itself."""
        if self._is_plugged:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._is_plugged = False

    def close(self) -> None:
        """Close the connection. A waiting caller gets an OperationalError."""
        self.unplug()
        self._deadline.cancel()
        self._libpq.finish()
        self._settle(OperationalError("The connection was closed."))

    async def _sent(self) -> list[PGresult]:
        """The results of what libpq was told to send, in its order; see `_demand_success`."""
        self._answer = self._loop.create_future()
        self._deadline.set(self.connection.deadline_seconds)
        try:
            if not self._is_plugged:
                self._loop.add_reader(self._socket, self._receive)
                self._is_plugged = True
            if self._libpq.flush():
                self._loop.add_writer(self._socket, self._send)
            return await self._answer
        except asyncio.CancelledError:
            if not self.is_left:
                self.close()  # Even if the answer has come: nobody has noted what was prepared.
            raise
        finally:
            self._deadline.clear()

    def _demand_success(self, results: Sequence[PGresult]) -> None:
        """Raises psycopg's error for what PostgreSQL refused. It executed nothing after that."""
        if results[-1].status in {ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED}:
            refused = next(result for result in results if result.status == ExecStatus.FATAL_ERROR)
            raise error_from_result(refused, self.connection.info.encoding)

    def _send(self) -> None:
        """The socket takes more of a long message."""
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
        """Read all that has come, also beyond the end of an answer: an event loop reports a failed socket only once.
        Raises OperationalError at the end of the connection.
        """
        while True:
            self._libpq.consume_input()
            if self._answer is not None or self.is_left:
                self._look()
            if not self._poll.poll(0):
                return

    def _look(self) -> None:
        """Settle the answer if it is complete: NULL follows each result of a pipeline, and a sync mark ends them.
        Raises OperationalError for a malformed answer.
        """
        while self._libpq.status == ConnStatus.OK and not self._libpq.is_busy():
            result = self._libpq.get_result()
            if result is None and not self._is_pipeline:
                break
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                self._libpq.exit_pipeline_mode()
                self._is_pipeline = False
                break
            if result is not None:
                self._results.append(result)
        if self._libpq.status != ConnStatus.OK:
            raise OperationalError("What PostgreSQL sent makes no sense.")
        if not self._is_pipeline and self._libpq.transaction_status != TransactionStatus.ACTIVE:
            self._settle(None)

    def _expire(self) -> None:
        missed = DeadlineMissed("PostgreSQL did not answer in time.")
        (self._settle if self.is_left and not self._when_over else self._lose)(missed)

    def _lose(self, error: Error) -> None:
        """End the connection. PostgreSQL's last message, if there is one, tells why."""
        for result in self._results:
            if result.error_field(DiagnosticField.SQLSTATE):
                error = error_from_result(result, self.connection.info.encoding)
        self._settle(error)
        self.close()

    def _settle(self, error: Error | None) -> None:
        """Give the caller the results, or the error. With neither, they wait until the deadline."""
        self._tell_if_over()
        answer, results = self._answer, self._results
        if error is None and not results:
            return
        self._answer, self._results = None, []
        if answer is None or answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(results)
