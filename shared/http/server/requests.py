"""From the socket to the request: uvicorn's HTTP/1.1, one request after the other, with problems for malformed ones.

A seam, with tasks.py, admission.py and protocol.py: these files use undocumented interfaces of uvicorn and httptools.
tests/server/test_protocol_seam.py tells when a release changes it.
"""

import asyncio
import re
from enum import Enum, auto
from typing import ClassVar
from urllib.parse import unquote

import httptools

from shared.errors import DomainError
from shared.http.edge import REFUSAL, Drain, HeadTooLarge, MalformedRequest
from shared.http.server.framing import Framing
from shared.http.server.heads import fault_of
from shared.http.server.tasks import TaskProtocol
from shared.settings import Settings

_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""The part before the path in an absolute target (RFC 9112 §3.2.2), which may have credentials."""


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    END = auto()


class RequestProtocol(TaskProtocol):
    """A connection that parses one request, and answers it before the next. So what a client sends ahead costs at most
    one read of the socket. It bounds sizes, not time.
    """

    settings: ClassVar[Settings]
    drain: ClassVar[Drain]

    _phase = Phase.HEAD
    _received = b""
    _parsed = 0
    """How many of the received bytes the parser has had."""
    _fault: DomainError | None = None
    _has_begun = False
    """Whether the parser is within a request."""
    _keeps_alive = _stops = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        self._framing = Framing(self.settings.max_head_bytes)

    def shutdown(self) -> None:
        self._stops = True
        super().shutdown()

    def announce_end(self) -> None:
        """The server drains: the next answer tells the client to send no more."""
        if self._phase is Phase.ANSWER and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.END:
            self.ignore()
            return
        self._received = self._received[self._parsed :] + data
        self._parsed = 0
        self._advance()

    def _advance(self) -> None:
        """Parse the received bytes, to the end of a request at most."""
        while (self._phase is Phase.HEAD or self._phase is Phase.BODY) and self._parsed < len(self._received):
            start, self._parsed = self._parsed, self._framing.end(self._received, self._parsed)
            self._parse(self._received[start : self._parsed])
            if self._is_held and (self._phase is not Phase.BODY or self._parsed == len(self._received)):
                self.admit()
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
        """Parse the head again without the offer to upgrade: after an offer, the parser gives no body. A server may
        ignore offers (RFC 9110 §7.8), and this one speaks HTTP/1.1 only.
        """
        fields = (b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade")
        version = self.parser.get_http_version().encode()
        start = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        self.parser = httptools.HttpRequestParser(self)
        self._parse(start + b"".join(fields) + b"\r\n")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._has_begun = True

    def on_headers_complete(self) -> None:
        self._fault = fault_of(self.headers, self.parser.get_method(), self.parser.get_http_version())
        if self._fault is not None:
            raise self._fault
        if self.parser.should_upgrade():
            return
        self.expect_100_continue &= self.parser.get_http_version() != "1.0"  # RFC 9110 §10.1.1
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._framing.begin_body(self.headers)
        self.headers = []  # Now for trailer fields, which are no headers (RFC 9110 §6.5.1).
        # An answer before the end of the body ends the connection: the rest might be taken for another request.
        self._keeps_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._framing.in_body()

    def on_message_complete(self) -> None:
        if self._phase is Phase.HEAD:
            return  # It offers to upgrade, and is parsed again.
        self._framing.end_body(self.headers)
        if self._framing.is_too_large:
            return
        self._has_begun = False
        self._phase = Phase.ANSWER
        self.cycle.keep_alive = self._keeps_alive and not (self._stops or self.drain.has_begun)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._phase = Phase.HEAD
        self._framing.begin_head()
        self.await_request()
        self.flow.resume_reading()
        self._advance()

    def await_request(self) -> None:
        """A request is answered, and the next one may come."""

    def ignore(self) -> None:
        """More has come after the last answer."""

    def _refuse(self, error: DomainError) -> None:
        """Answer with a problem, which the application writes like all others, and close."""
        is_mid_body = self._phase is Phase.BODY
        self._phase, self._received, self._parsed = Phase.ANSWER, b"", 0
        if not is_mid_body:
            self._answer_instead(error)
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            self.cycle.scope["state"][REFUSAL] = error
            self.cycle.message_event.set()  # Wakes a reader of the body.
            if self._is_held:
                self.begin()

    def _answer_instead(self, error: DomainError) -> None:
        """Pass the request, as far as it is known, to the application, which answers with the problem."""
        if not self._has_begun:
            self.on_message_begin()
        target, self.url, self.expect_100_continue = self.url, b"/", False
        super().on_headers_complete()  # With a target that can be parsed.
        self.cycle.keep_alive = False
        self.scope["raw_path"] = path = _AUTHORITY.sub(b"", target.partition(b"?")[0], 1)
        self.scope["path"] = unquote(path)
        if not target:
            self.scope["method"] = "-"
        self.scope["state"][REFUSAL] = error
        self.begin()
