"""From the socket to the request: uvicorn's HTTP/1.1 with bounds of size, time and number, and with problems for what
is no request.

A seam: the one place that touches what uvicorn and httptools do not promise. tests/server/test_protocol.py tells when a
release changes it.
"""

import asyncio
import re
from collections import OrderedDict
from enum import Enum, auto
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from shared.deadline import Deadline
from shared.errors import DomainError, Unavailable
from shared.http.edge import REFUSAL, HeadTooLarge, MalformedRequest, RequestTimeout
from shared.http.server.framing import Framing
from shared.http.server.heads import fault_of
from shared.http.server.output import Output
from shared.settings import Settings

LAST_CALL = 2.0
"""Seconds in which a body still has to arrive once the server is told to stop."""
LINGERING = 2.0
"""Seconds for a client that still sends to read why it should not: closed at once, TCP would reset the connection and
take the answer away with it (RFC 9112 §9.6).
"""

_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""What comes before the path in the absolute form of a target (RFC 9112 §3.2.2), credentials perhaps."""


def bounded(settings: Settings) -> type["BoundedProtocol"]:
    """The protocol of one server, for `uvicorn.Config(http=…)`."""
    return type("Protocol", (BoundedProtocol,), {"settings": settings, "waiting": OrderedDict()})


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    END = auto()


class BoundedProtocol(HttpToolsProtocol):
    """A connection. It parses no further than the end of a request until that is answered, so what a client sends ahead
    costs no more than one read of the socket.
    """

    settings: ClassVar[Settings]
    waiting: ClassVar["OrderedDict[BoundedProtocol, None]"]
    """The connections with nothing to lose, those that have waited longest first: when there are too many, these go."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._phase = Phase.HEAD
        self._deadline = Deadline(self.loop, self._overdue)
        self._reader_deadline = Deadline(self.loop, self._demand_reader)
        self._framing = Framing(self.settings.max_head_bytes)
        self._received = b""
        self._parsed = 0
        """How much of what was received the parser has had."""
        self._fault: DomainError | None = None
        self._has_begun = False
        """Whether the parser has seen the beginning of a request that it has not seen the end of."""
        self._keeps_alive = False
        self._stops = False
        self._unsent = 0

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self.transport = self._output = Output(transport, self)
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
        self.waiting.pop(self, None)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._stops = True
        if self._phase is Phase.BODY:
            self._deadline.set(LAST_CALL)
        super().shutdown()

    def finish(self) -> None:
        """Close it once all is sent; a client that is not done with sending is listened to for a moment more."""
        if self._phase is Phase.END:
            return
        is_mid_request = self._has_begun or self._parsed < len(self._received)
        self._phase, self._received, self._parsed = Phase.END, b"", 0
        self._expect_reader()
        if not self._unsent:
            self.waiting[self] = None
        self._deadline.set(LINGERING)
        if is_mid_request and self._output.end():
            self.flow.resume_reading()
        else:
            self._output.close_now()

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to be sent."""
        return self._phase is Phase.END

    # What is received

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.END:
            return
        self._received = self._received[self._parsed :] + data
        self._parsed = 0
        self._advance()

    def _advance(self) -> None:
        """Have what was received parsed, to the end of a request at most."""
        while self._phase in {Phase.HEAD, Phase.BODY} and self._parsed < len(self._received):
            start, self._parsed = self._parsed, self._framing.end(self._received, self._parsed)
            self._parse(self._received[start : self._parsed])
        if self._phase is Phase.ANSWER and self._parsed < len(self._received):
            self.flow.pause_reading()

    def _parse(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._decline_upgrade()
        except httptools.HttpParserError:
            self._refuse(self._fault or MalformedRequest())
        else:
            if self._framing.is_too_large:
                self._refuse(HeadTooLarge())

    def _decline_upgrade(self) -> None:
        """A parser that has seen an offer to upgrade gives no body. So another one has the head without the offer: a
        server may ignore it (RFC 9110 §7.8), and this one speaks HTTP/1.1 alone.
        """
        fields = (b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        version = self.parser.get_http_version().encode()
        start = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # As uvicorn has it.
        self._parse(start + b"".join(fields) + b"\r\n")

    # What the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_begun = True
        if self.cycle is not None:  # The first one's time runs since the connection was made.
            self._deadline.set(self.settings.head_seconds)

    def on_headers_complete(self) -> None:
        self._fault = fault_of(self.headers, self.parser.get_method(), self.parser.get_http_version())
        if self._fault is not None:
            raise self._fault
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._framing.begin_body(self.headers)
        self._deadline.set(self.settings.body_seconds)
        self.waiting.pop(self, None)
        self.headers = []  # For the trailer fields, which are none of the header's (RFC 9110 §6.5.1).
        # An answer before the end of the body ends the connection: the rest might be taken for another request.
        self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing.in_body()
        if not self._stops:
            self._deadline.extend(len(body) / self.settings.min_bytes_per_second, self.settings.body_seconds)

    def on_message_complete(self) -> None:
        if self._phase is Phase.HEAD:
            return  # It offers to upgrade, and is parsed once more.
        self._framing.end_body(self.headers)
        if self._framing.is_too_large:
            return
        self._has_begun = False
        self._phase = Phase.ANSWER
        self._deadline.clear()
        self.cycle.keep_alive = self._keeps_alive and not self._stops
        super().on_message_complete()

    # What is sent

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._phase = Phase.HEAD
        self._framing.begin_head()
        self._deadline.set(self.timeout_keep_alive)
        if not self.flow.write_paused:
            self.waiting[self] = None
        self.flow.resume_reading()
        self._advance()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader_deadline.clear()
        if self._phase is Phase.HEAD:
            self.waiting[self] = None

    def _refuse(self, error: DomainError) -> None:
        """Answer with the problem, and close. The application writes it, as it does all others."""
        is_mid_body = self._phase is Phase.BODY
        self._phase, self._received, self._parsed = Phase.ANSWER, b"", 0
        self._deadline.clear()
        self.waiting.pop(self, None)
        if not is_mid_body:
            self._answer_instead(error)
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            self.cycle.scope["state"][REFUSAL] = error
            self.cycle.message_event.set()  # Wakes who waits for more of the body.

    def _answer_instead(self, error: DomainError) -> None:
        """A request, as much of it as is known, that is answered with the problem."""
        if not self._has_begun:
            self.on_message_begin()
        method = self.parser.get_method().decode() if self.url else "-"
        path = _AUTHORITY.sub(b"", self.url.partition(b"?")[0], 1)
        target = {"method": method, "path": unquote(path), "raw_path": path, "query_string": b""}
        self.scope.update(target)  # type: ignore[typeddict-item]
        self.scope["state"][REFUSAL] = error
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self._start_asgi_task(self.cycle, self.app)

    def _overdue(self) -> None:
        if self._phase is Phase.HEAD and self._has_begun:
            self._refuse(RequestTimeout())
        elif self._phase is Phase.BODY and self.flow.read_paused:
            self._deadline.set(self.settings.body_seconds)  # It is the application that takes its time.
        elif self._phase is Phase.BODY:
            self._refuse(Unavailable("The server is about to stop.") if self._stops else RequestTimeout())
        elif self._phase is Phase.HEAD:
            self.finish()
        elif self.transport.get_write_buffer_size():
            self._deadline.set(LINGERING)  # The reader has a deadline of its own.
        else:
            self.transport.abort()

    def _expect_reader(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._reader_deadline.set(self.settings.body_seconds)

    def _demand_reader(self) -> None:
        """Go on only with who has read as much as the time was good for."""
        before = self._unsent
        if not self.transport.get_write_buffer_size():
            return
        self._expect_reader()
        if before - self._unsent < self.settings.min_bytes_per_second * self.settings.body_seconds:
            self.transport.abort()
