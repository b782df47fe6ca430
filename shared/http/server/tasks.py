"""From the request to the task that answers it, which begins later than uvicorn's does.

A seam, with requests.py, admission.py and protocol.py: see there.
"""

import asyncio
from contextlib import suppress
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, ClassVar

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.http.edge import ClientRules, leave

_AT_ONCE = pack("ii", 1, 0)
"""A socket that lingers for 0 s is reset when it is closed, and what is yet to be sent is dropped (socket(7))."""


class TaskProtocol(HttpToolsProtocol):
    """A connection whose requests are held when their heads have come, until they are admitted. Whose each one is, a
    proxy of ours tells.
    """

    rules: ClassVar[ClientRules]

    _proxy = ""
    """The address of the proxy of ours that connects, if it is one."""
    _is_held = False
    _task: asyncio.Task[None] | None = None
    """Answers the last request that has begun."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn has it.
        super().connection_made(transport)
        if self.client is not None:
            host, port = self.client  # On a socket of both, IPv4 is within IPv6.
            self.client = host.removeprefix("::ffff:") if "." in host else host, port
            if self.rules.proxies.believes(self.client[0]):
                self._proxy = self.client[0]

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._proxy:
            address, is_tls = self.rules.proxies.client(self._proxy, self.headers)
            self.scope["client"], self.scope["scheme"] = (address, 0), "https" if is_tls else "http"

    def _start_asgi_task(self, *_: object) -> None:
        self._is_held = True

    def admit(self) -> None:
        """The request has come, or as much of it as there is."""
        self._is_held = False

    def begin(self) -> None:
        """Have the application answer the request."""
        self._is_held = False
        app: Any = self._unchunked if self.scope["http_version"] == "1.0" else self.app
        self._task = self.loop.create_task(self.cycle.run_asgi(app))
        self.tasks.add(self._task)
        self._task.add_done_callback(partial(self._end, self.cycle.scope["state"]))

    async def _unchunked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HTTP/1.0 has no chunks (RFC 9112 §6.1): an answer of unknown length ends with the connection. A reset tells
        that it broke off.
        """
        cycle = self.cycle
        cycle.chunked_encoding = False

        async def send_counted(message: Message) -> None:
            cycle.expected_content_length += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            if cycle.response_started and not cycle.response_complete:
                with suppress(OSError):  # It is gone already.
                    self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _AT_ONCE)
                self.transport.abort()

    def _end(self, state: dict[str, Any], task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        leave(state)
