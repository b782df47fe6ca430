"""A proxy before PostgreSQL that ends, stalls or halves what goes through it, as a network does: once, at a BEGIN or a
COMMIT, or for a while, at one step of each exchange.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

from psycopg.conninfo import conninfo_to_dict

from tests.database import url_with

LAST_WORDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"


class Cut(Enum):
    """When a connection ends."""

    BEFORE = "before"
    """The server never hears of the COMMIT."""
    AFTER = "after"
    """The server has committed, and its answer is lost."""
    SHUTDOWN = "shutdown"
    """The server has committed; what comes in the place of its answer is that it shuts down."""


class Fault(Enum):
    """What happens to a message, such as what BEGIN travels with. It is told for one on its way to the server."""

    LOSS = "loss"
    """The connection ends, and the server never hears of it."""
    HALF = "half"
    """The server hears the half of it, and the connection ends."""
    RESET = "reset"
    """The client is told that there is no such connection."""
    STALL = "stall"
    """Nothing is passed on any more, and nobody is told."""
    HALF_STALL = "half, then stall"
    """The server hears the half of it. Then nothing is passed on any more, and nobody is told."""
    SILENCE = "silence"
    """The server hears it, and the connection ends in the place of its answer."""


class Step(Enum):
    """Where a message stands in the exchange of a connection."""

    START = "a connection's start"
    """Both ways, until the server takes statements."""
    BEGIN = "BEGIN and its statement"
    STATEMENT = "another statement"
    ANSWER = "a statement's answer"
    COMMIT = "COMMIT"
    COMMITTED = "COMMIT's answer"


READY = b"Z\0\0\0\5"
"""What the server says when it takes statements."""


class Proxy:
    """Passes everything on, but cuts as many of the next COMMITs as there are cuts, and likewise BEGINs by faults."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: set[asyncio.Task[None]] = set()
        self.cuts: list[Cut] = []
        self.faults: list[Fault] = []
        self.trouble: tuple[Step, Fault] | None = None
        """The fault that every message at this step meets just now."""
        self.is_over = asyncio.Event()
        """Set when the trouble ends."""
        self.met = 0
        """How many messages have met such a fault."""

    @asynccontextmanager
    async def troubled(self, step: Step, fault: Fault) -> AsyncIterator[None]:
        """All messages at this step meet the fault, until the block ends: then what stands still goes on."""
        self.trouble, self.is_over = (step, fault), asyncio.Event()
        if step is Step.START:
            self.end()
        try:
            yield
        finally:
            self.trouble = None
            self.is_over.set()

    def end(self) -> None:
        """End all connections that there are."""
        for connection in self._connections:
            connection.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The URL of the database behind it."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield url_with(self._url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        finally:
            server.close()
            self.end()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        to_server: asyncio.StreamWriter | None = None
        try:
            server = conninfo_to_dict(self._url)
            from_server, to_server = await asyncio.open_connection(str(server["host"]), server["port"])
            connection = _Connection(writer, self)
            ways = (connection.upstream(reader, to_server), connection.downstream(from_server, writer))
            await _until_one_ends(*map(asyncio.create_task, ways))
        except asyncio.CancelledError:
            pass
        finally:
            self._connections.discard(task)
            for end in filter(None, (writer, to_server)):
                end.close()


class _Connection:
    """Both ways of a connection."""

    def __init__(self, client: asyncio.StreamWriter, proxy: Proxy) -> None:
        self._client = client
        self._proxy = proxy
        self._cut: Cut | None = None
        self._is_started = False
        self._said = Step.START
        """The step of what the client has said last."""

    async def upstream(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await client.read(1 << 16):
            self._said = self._step_of(data)
            if b"BEGIN" in data and self._proxy.faults:
                left = await self._left_of(data, self._proxy.faults.pop(0), server, asyncio.Event())
            else:
                left = await self._left_in_trouble(data, self._said, server)
            if left is None:
                return
            if b"COMMIT" in data and self._proxy.cuts:
                self._cut = self._proxy.cuts.pop(0)
                if self._cut is Cut.BEFORE:
                    return
            server.write(left)
            await server.drain()

    def _step_of(self, data: bytes) -> Step:
        if not self._is_started:
            return Step.START
        return Step.COMMIT if b"COMMIT" in data else Step.BEGIN if b"BEGIN" in data else Step.STATEMENT

    async def _left_in_trouble(self, data: bytes, step: Step, to: asyncio.StreamWriter) -> bytes | None:
        if self._proxy.trouble is None or self._proxy.trouble[0] is not step:
            return data
        self._proxy.met += 1
        return await self._left_of(data, self._proxy.trouble[1], to, self._proxy.is_over)

    async def _left_of(
        self, data: bytes, fault: Fault, to: asyncio.StreamWriter, is_over: asyncio.Event
    ) -> bytes | None:
        """What of a message is still to be passed on after the fault; None when the connection ends."""
        passed = len(data) // 2 if fault in {Fault.HALF, Fault.HALF_STALL} else 0
        to.write(data[:passed])
        await to.drain()
        match fault:
            case Fault.SILENCE:
                self._cut = Cut.AFTER
            case Fault.RESET:
                at_once = struct.pack("ii", 1, 0)
                self._client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            case Fault.STALL | Fault.HALF_STALL:
                await is_over.wait()
        return data[passed:] if fault in {Fault.SILENCE, Fault.STALL, Fault.HALF_STALL} else None

    async def downstream(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await server.read(1 << 16):
            if self._cut is Cut.SHUTDOWN:
                client.write(b"E" + (len(LAST_WORDS) + 4).to_bytes(4) + LAST_WORDS)
                await client.drain()
                await asyncio.sleep(0.05)  # What is said last may be read before the end is seen.
            if self._cut is not None:  # The server has said that it has committed.
                return
            left = await self._left_in_trouble(data, _ANSWERED.get(self._said, Step.ANSWER), client)
            if left is None:
                return
            self._is_started = self._is_started or READY in data
            client.write(left)
            await client.drain()


_ANSWERED = {Step.START: Step.START, Step.COMMIT: Step.COMMITTED}
"""The step of an answer, by that of what it answers."""


async def _until_one_ends(*ways: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(*ways, return_exceptions=True)
