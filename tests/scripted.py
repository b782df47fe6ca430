"""A PostgreSQL of a few lines, that ends at any message of its side of the protocol, in any way that a server can end.

It knows of statements only what the wire and the pool need: it answers each with one row.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message of the protocol, version 3."""
    return kind + (len(body) + 4).to_bytes(4) + body


FATAL = message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0")
GARBAGE = b"\xff\x00HTTP/1.1 400 Bad Request\r\n\r\n"

_SETTINGS = {
    b"server_version": b"16.0",
    b"application_name": b"trellis",
    b"server_encoding": b"UTF8",
    b"client_encoding": b"UTF8",
    b"DateStyle": b"ISO, MDY",
    b"TimeZone": b"UTC",
    b"integer_datetimes": b"on",
    b"standard_conforming_strings": b"on",
}
_TEXT = (0).to_bytes(4) + (0).to_bytes(2) + (25).to_bytes(4) + (65535).to_bytes(2) + b"\xff\xff\xff\xff" + b"\0\0"
_COLUMN = message(b"T", b"\0\1value\0" + _TEXT)
PARSED, BOUND, CLOSED, NO_ROWS = message(b"1"), message(b"2"), message(b"3"), message(b"n")


def _row(value: bytes) -> bytes:
    return message(b"D", b"\0\1" + len(value).to_bytes(4) + value)


class End(Enum):
    """How a connection ends."""

    FIN = (b"", "close")
    RST = (b"", "reset")
    SILENCE = (b"", None)
    LAST_WORDS_FIN = (FATAL, "close")
    LAST_WORDS_RST = (FATAL, "reset")
    LAST_WORDS_SILENCE = (FATAL, None)
    GARBAGE = (GARBAGE, None)
    HALF_A_MESSAGE_FIN = (..., "close")
    HALF_A_MESSAGE_RST = (..., "reset")
    HALF_A_MESSAGE_SILENCE = (..., None)


@dataclass
class Fault:
    """A connection ends in the place of its message of this number, counted from its start."""

    step: int
    end: End


class ScriptedPostgres:
    """The next connections have these faults, one each; those that come after are good."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.steps = 0
        """How many messages the last good connection has sent."""
        self.received: list[str] = []
        """The kinds of the messages that the last good connection got, as many as came at once."""
        self._open: set[socket.socket] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its URL."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            serving = asyncio.create_task(self._serve(listener))
            port = listener.getsockname()[1]
            try:
                yield f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=disable&gssencmode=disable"
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
                for client in self._open:
                    client.close()

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while True:
                client, _ = await loop.sock_accept(listener)
                client.setblocking(False)
                self._open.add(client)
                fault = self.faults.pop(0) if self.faults else None
                connections.create_task(self._connected(client, fault))

    async def _connected(self, client: socket.socket, fault: Fault | None) -> None:
        conversation = _Conversation()
        steps = 0
        receipts: list[str] = []
        loop = asyncio.get_running_loop()
        with suppress(ConnectionError):
            while received := await loop.sock_recv(client, 1 << 16):
                for answer in conversation.answers(received):
                    if fault is not None and steps == fault.step:
                        _end(client, fault.end, answer)
                        return
                    client.send(answer)
                    steps += 1
                receipts.append(conversation.kinds)
                conversation.kinds = ""
                if fault is None:
                    self.steps, self.received = steps, receipts


def _end(client: socket.socket, end: End, answer: bytes) -> None:
    """In one go: the client's event loop learns of all of it at once."""
    words, closing = end.value
    client.send(answer[: (len(answer) + 1) // 2] if words is ... else words)
    if closing == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if closing is not None:
        client.close()


class _Conversation:
    """What a good server answers to what it has received."""

    def __init__(self) -> None:
        self.kinds = ""
        """Of the messages that it has got so far."""
        self._received = b""
        self._started = False
        self._transaction = b"I"
        self._prepared: dict[bytes, bytes] = {}
        self._bound = b""

    def answers(self, received: bytes) -> Iterator[bytes]:
        self._received += received
        while (taken := self._next()) is not None:
            self.kinds += taken[0].decode()
            yield from self._answer(*taken)

    def _next(self) -> tuple[bytes, bytes] | None:
        at = 1 if self._started else 0
        if len(self._received) < at + 4:
            return None
        end = at + int.from_bytes(self._received[at : at + 4])
        if len(self._received) < end:
            return None
        kind, body = self._received[:at], self._received[at + 4 : end]
        self._received = self._received[end:]
        return kind, body

    def _answer(self, kind: bytes, body: bytes) -> Iterator[bytes]:
        match kind:
            case b"":
                self._started = True
                yield message(b"R", (0).to_bytes(4))
                yield from (message(b"S", b"\0".join((name, value, b""))) for name, value in _SETTINGS.items())
                yield message(b"K", bytes(8))
                yield self._ready()
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text
                yield PARSED
            case b"B":
                _, name, _ = body.split(b"\0", 2)
                self._bound = self._prepared[name]
                yield BOUND
            case b"D":
                yield _columns(self._bound) or NO_ROWS
            case b"E":
                yield from self._commanded(self._bound)
            case b"C":
                yield CLOSED
            case b"S":
                yield self._ready()
            case b"Q":
                yield from (answer for command in body.rstrip(b"\0").split(b";") for answer in self._told(command))
                yield self._ready()

    def _told(self, command: bytes) -> Iterator[bytes]:
        yield from filter(None, [_columns(command)])
        yield from self._commanded(command)

    def _commanded(self, command: bytes) -> Iterator[bytes]:
        word = _word(command)
        self._transaction = {b"BEGIN": b"T", b"COMMIT": b"I", b"ROLLBACK": b"I"}.get(word, self._transaction)
        if command.startswith(b"ROLLBACK TO"):
            self._transaction = b"T"
        if word in _WITH_ROWS and b"pg_type" not in command:  # SQLAlchemy looks for types that it would load.
            value = b"on" if word == b"SHOW" else b"1"
            yield _row(b"PostgreSQL 16.0" if b"version" in command else value)
        yield message(b"C", word + b"\0")

    def _ready(self) -> bytes:
        return message(b"Z", self._transaction)


_WITH_ROWS = {b"SELECT", b"SHOW"}


def _columns(command: bytes) -> bytes:
    return _COLUMN if _word(command) in _WITH_ROWS else b""


def _word(command: bytes) -> bytes:
    return command.split()[0].upper()
