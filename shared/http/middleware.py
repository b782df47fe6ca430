"""What surrounds every request: its id, the headers of every answer, the limit of its body, and the last resort."""

import logging

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import TooLarge
from shared.http.problems import InternalError, problem
from shared.http.request_id import request_id_of

log = logging.getLogger("trellis")

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NOTHING_ACTIVE = "default-src 'none'; frame-ancestors 'none'"
_OWN_PAGES = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src blob:; frame-ancestors 'none'"
)
"""The documentation's pages start themselves with a script of their own."""


class RequestContext:
    """Pure ASGI: behind Starlette's BaseHTTPMiddleware, a client that went away would never be noticed."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = request_id_of(scope)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(MutableHeaders(scope=message), request_id)
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            length = Headers(scope=scope).get("content-length", "")
            if length.isdecimal() and int(length[:20]) > self._max_body_bytes:
                await problem(Request(scope), TooLarge())(scope, receive, send_with_headers)
            else:
                # HEAD is GET without the content (RFC 9110 §9.3.2), for whatever answers GET.
                inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
                await self._app(inner, self._within_limit(receive), send_with_headers)
        except Exception:
            log.exception("Request %s failed.", request_id)
            if started:
                raise
            await problem(Request(scope), InternalError())(scope, receive, send_with_headers)

    def _within_limit(self, receive: Receive) -> Receive:
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise HTTPException(413)  # FastAPI turns any other exception out of a body into a 400.
            return message

        return receive_within_limit


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _ALWAYS.items():
        headers[name] = value
    is_page = headers.get("content-type", "").startswith("text/html")
    headers["Content-Security-Policy"] = _OWN_PAGES if is_page else _NOTHING_ACTIVE
