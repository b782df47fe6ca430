"""The connection: uvicorn's HTTP/1.1 with deadlines and a limit of connections.

A seam, with tasks.py, requests.py and admission.py: these files use undocumented interfaces of uvicorn and httptools.
tests/server/test_protocol_seam.py tells when a release changes it.
"""

import asyncio
from collections import OrderedDict
from typing import ClassVar

from shared.deadline import Deadline
from shared.errors import DomainError, Unavailable
from shared.http.edge import POLICIES, ClientRules, Drain, QuotaExceeded, RequestTimeout
from shared.http.server.admission import GatedProtocol
from shared.http.server.gate import Gate
from shared.http.server.output import Output
from shared.http.server.prepared import PreparedProblem
from shared.http.server.requests import Phase
from shared.settings import Settings

LAST_CALL = 2.0
"""Seconds in which a body has to arrive when the server stops."""
LINGERING = 2.0
"""Seconds for a client that still sends to read the answer: closed at once, TCP would reset the connection and discard
the answer (RFC 9112 §9.6).
"""
BREATH = 0.004
"""Seconds between two reads of what such a client still sends, 256 KB at the most: unread it has no end, and read as
fast as it comes it takes the processor from others.
"""


def bounded(settings: Settings, drain: Drain, gate: Gate, rules: ClientRules) -> type["BoundedProtocol"]:
    """The protocol of one server, for `uvicorn.Config(http=…)`."""
    known = {"settings": settings, "drain": drain, "gate": gate, "rules": rules}
    overloaded = PreparedProblem(Unavailable("The server is overloaded just now. Try again shortly."))
    exceeded = {policy: PreparedProblem(QuotaExceeded(policy, 1)) for policy in POLICIES}
    prepared = {"overloaded": overloaded, "exceeded": exceeded}
    return type("Protocol", (BoundedProtocol,), {**known, **prepared, "waiting": OrderedDict()})


class BoundedProtocol(GatedProtocol):
    """A connection with deadlines for heads, bodies and readers."""

    waiting: ClassVar["OrderedDict[BoundedProtocol, None]"]
    """Idle connections, the longest idle first. They are closed when there are too many connections."""

    _unsent = 0
    """Bytes of the answer that the client had yet to read when the deadline of the reader was set."""

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._socket = transport
        self.transport = Output(transport, lambda: self._phase is Phase.END, self.finish)
        self._deadline = Deadline(self.loop, self._overdue)
        self._reader_deadline = Deadline(self.loop, self._demand_reader)
        self._breath = Deadline(self.loop, self._breathe)
        self._deadline.set(self.settings.head_seconds)
        if len(self.connections) > self.settings.max_connections:
            if not self.waiting:
                self._refuse(Unavailable("There are too many connections just now."))
                return
            longest, _ = self.waiting.popitem(last=False)
            longest.transport.abort()
        self.waiting[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = Phase.END
        self._deadline.cancel()
        self._reader_deadline.cancel()
        self._breath.cancel()
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._phase is Phase.BODY:
            self._deadline.set(LAST_CALL)
        super().shutdown()

    def finish(self) -> None:
        """Close it once all is sent. From a client that still sends, receive for a moment more."""
        if self._phase is Phase.END:
            return
        is_mid_request = self._has_begun or self._parsed < len(self._received)
        self._phase, self._received, self._parsed = Phase.END, b"", 0
        self._expect_reader()
        if not self._unsent:
            self.waiting[self] = None
        self._deadline.set(LINGERING)
        if is_mid_request and self._socket.can_write_eof() and not self._socket.is_closing():
            self._socket.write_eof()
            self.flow.resume_reading()
        else:
            self._socket.close()

    def ignore(self) -> None:
        self.flow.pause_reading()
        self._breath.set(BREATH)

    def _breathe(self) -> None:
        if not self._socket.is_closing():
            self.flow.resume_reading()

    # The request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.cycle is not None:  # The time of the first one began with the connection.
            self._deadline.set(self.settings.head_seconds)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._phase is Phase.BODY:
            self._deadline.set(self.settings.body_seconds)
            self.waiting.pop(self, None)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self._stops:
            self._deadline.extend(len(body) / self.settings.min_bytes_per_second, self.settings.body_seconds)

    def on_message_complete(self) -> None:
        if self._phase is Phase.BODY:
            self._deadline.clear()
        super().on_message_complete()

    def await_request(self) -> None:
        self._deadline.set(self.timeout_keep_alive)
        if not self.flow.write_paused:
            self.waiting[self] = None

    # The answer

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader_deadline.clear()
        if self._phase is Phase.HEAD:
            self.waiting[self] = None

    def _refuse(self, error: DomainError) -> None:
        self._deadline.clear()
        self.waiting.pop(self, None)
        super()._refuse(error)

    def _overdue(self) -> None:
        if self._phase is Phase.HEAD and self._has_begun:
            self._refuse(RequestTimeout())
        elif self._phase is Phase.BODY and self.flow.read_paused:
            self._deadline.set(self.settings.body_seconds)  # The application is slow, not the client.
        elif self._phase is Phase.BODY:
            self._refuse(Unavailable("The server is about to stop.") if self._stops else RequestTimeout())
        elif self._phase is Phase.HEAD:
            self.finish()
        elif self._socket.get_write_buffer_size():
            self._deadline.set(LINGERING)  # The reader has its own deadline.
        else:
            self.transport.abort()

    def _expect_reader(self) -> None:
        self._unsent = self._socket.get_write_buffer_size()
        self._reader_deadline.set(self.settings.body_seconds)

    def _demand_reader(self) -> None:
        """Abort if the client has read less than the least rate."""
        before = self._unsent
        if not self._socket.get_write_buffer_size():
            return
        self._expect_reader()
        if before - self._unsent < self.settings.min_bytes_per_second * self.settings.body_seconds:
            self.transport.abort()
