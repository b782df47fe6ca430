"""What answers are written to: a transport that the connection closes in its own way."""

import asyncio
from collections.abc import Callable
from typing import Any


class Output(asyncio.Transport):
    """Passes writes on to the transport. To close it is left to the connection."""

    def __init__(self, transport: asyncio.Transport, is_over: Callable[[], bool], finish: Callable[[], None]) -> None:
        """`is_over` tells whether the connection sends nothing more; `finish` has it send what was written, and end."""
        super().__init__()
        self._transport = transport
        self._is_over = is_over
        self._finish = finish

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._is_over() or self._transport.is_closing()

    def close(self) -> None:
        self._finish()

    def abort(self) -> None:
        self._transport.abort()
