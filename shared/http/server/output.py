"""What answers are written to: a transport whose end is the connection's own affair."""

import asyncio
from typing import Protocol


class Connection(Protocol):
    """What ends."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to be sent."""
        ...

    def finish(self) -> None:
        """Send what was written, and end."""
        ...


class Output(asyncio.Transport):
    """What answers are written to. It ends in the connection's own way."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        super().__init__()
        self._transport = transport
        self._connection = connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._connection.is_over or self._transport.is_closing()

    def close(self) -> None:
        self._connection.finish()

    def end(self) -> bool:
        """Send no more, and still receive; where that can be done."""
        if not self._transport.can_write_eof() or self._transport.is_closing():
            return False
        self._transport.write_eof()
        return True

    def close_now(self) -> None:
        """Receive no more, and send what was written."""
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
