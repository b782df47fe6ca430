"""A proxy before PostgreSQL that ends the connection at a BEGIN or cuts it at a COMMIT, as a network does."""

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
    """What happens to what BEGIN travels with."""

    LOSS = "loss"
    """The connection ends, and the server never hears of it."""
    HALF = "half"
    """The server hears the half of it, and the connection ends."""
    RESET = "reset"
    """The client is told that there is no such connection."""
    STALL = "stall"
    """Nothing is passed on any more, and nobody is told."""
    SILENCE = "silence"
    """The server hears it, and the connection ends in the place of its answer."""


class Proxy:
    """Passes everything on, but cuts as many of the next COMMITs as there are cuts, and likewise BEGINs by faults."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: set[asyncio.Task[None]] = set()
        self.cuts: list[Cut] = []
        self.faults: list[Fault] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The URL of the database behind it."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield url_with(self._url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        to_server: asyncio.StreamWriter | None = None
        try:
            server = conninfo_to_dict(self._url)
            from_server, to_server = await asyncio.open_connection(str(server["host"]), server["port"])
            connection = _Connection(writer, self.cuts, self.faults)
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

    def __init__(self, client: asyncio.StreamWriter, cuts: list[Cut], faults: list[Fault]) -> None:
        self._client = client
        self._cuts = cuts
        self._faults = faults
        self._cut: Cut | None = None

    async def upstream(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await client.read(1 << 16):
            if b"BEGIN" in data and self._faults and not await self._goes_on(self._faults.pop(0), data, server):
                return
            if b"COMMIT" in data and self._cuts:
                self._cut = self._cuts.pop(0)
                if self._cut is Cut.BEFORE:
                    return
            server.write(data)
            await server.drain()

    async def _goes_on(self, fault: Fault, data: bytes, server: asyncio.StreamWriter) -> bool:
        match fault:
            case Fault.SILENCE:
                self._cut = Cut.AFTER
            case Fault.HALF:
                server.write(data[: len(data) // 2])
                await server.drain()
            case Fault.RESET:
                at_once = struct.pack("ii", 1, 0)
                self._client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            case Fault.STALL:
                await asyncio.Event().wait()
        return fault is Fault.SILENCE

    async def downstream(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await server.read(1 << 16):
            if self._cut is Cut.SHUTDOWN:
                client.write(b"E" + (len(LAST_WORDS) + 4).to_bytes(4) + LAST_WORDS)
                await client.drain()
                await asyncio.sleep(0.05)  # What is said last may be read before the end is seen.
            if self._cut is not None:  # The server has said that it has committed.
                return
            client.write(data)
            await client.drain()


async def _until_one_ends(*ways: asyncio.Task[None]) -> None:
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(*ways, return_exceptions=True)
