"""Clients that send exactly these bytes, when a client library would not."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.answers import record
from tests.patience import PATIENCE
from tests.servers import Server


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The document."""
        return json.loads(self.body)


class Connection:
    """A TCP connection to a server."""

    def __init__(self, server: Server) -> None:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self._answers = self.socket.makefile("rb")
        self._requested: list[tuple[str, str]] = []
        """Method and path of the requests whose answers are recorded."""

    def send(self, *pieces: bytes, pause: float = 0) -> None:
        """One after the other, until the server takes no more."""
        if named := re.match(rb"([A-Z]+) (/[^ ?]*)", b"".join(pieces)[:1000]):
            self._requested.append((named[1].decode(), named[2].decode("latin-1")))
        with suppress(ConnectionError):
            for piece in pieces:
                self.socket.sendall(piece)
                time.sleep(pause)

    def answer(self) -> Answer:
        """The next one. It has its length in a header."""
        status = self._answers.readline()
        assert status, "The server closed the connection."
        headers = {}
        while (line := self._answers.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = self._answers.read(int(headers["content-length"])) if "content-length" in headers else b""
        answer = Answer(int(status.split()[1]), headers, body)
        if self._requested:
            record(*self._requested.pop(0), answer.status, headers.get("content-type", ""), body)
        return answer

    def read_all(self) -> bytes:
        """What comes until the server closes."""
        return self._answers.read()

    def read_to_reset(self) -> bytes:
        """What comes until the server closes, in whatever way."""
        received = []
        with suppress(ConnectionError):
            while data := self.socket.recv(1 << 16):
                received.append(data)
        return b"".join(received)

    def is_closed(self) -> bool:
        """Whether the server has closed it, after a fair wait, and has sent nothing more."""
        try:
            return self._answers.read(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        """Go away."""
        self._answers.close()
        self.socket.close()


@contextmanager
def connected(server: Server, *pieces: bytes) -> Iterator[Connection]:
    """A connection on which this has been sent."""
    connection = Connection(server)
    try:
        connection.send(*pieces)
        yield connection
    finally:
        connection.close()


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    """A request with a Host, and with the length of its body unless it says otherwise."""
    lines = [f"{line} HTTP/1.1", "Host: localhost", *fields]
    if body and not any(field.lower().startswith(("content-length", "transfer-encoding")) for field in fields):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def chunked(*pieces: bytes) -> bytes:
    """A body in these chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
