"""What surrounds every request: its id, the headers of every answer, the limit of its body, and the last resort."""

import asyncio
import logging
from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import DomainError, TooLarge, Unavailable
from shared.http.edge.headers import trimmed
from shared.http.edge.problems import MEDIA_TYPE, InternalError, problem, problem_of_status, status_of
from shared.http.edge.request_id import current_request_id, request_id_of

log = logging.getLogger("trellis")

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""As ASGI sends them: every answer has them, and no endpoint sets them."""
_NOTHING_ACTIVE = b"default-src 'none'; frame-ancestors 'none'"
_OWN_PAGES = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"worker-src blob:; frame-ancestors 'none'"
)
"""The documentation's pages start themselves with a script of their own."""


REFUSAL = "refusal"
"""Where the server puts, in the state of a request, the DomainError that ends it: from the start, or in its body."""


class RequestContext:
    """Pure ASGI: behind Starlette's BaseHTTPMiddleware, a client that went away would never be noticed."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        """`larger` limits by path, of what takes more than the rest."""
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = {**scope, "headers": trimmed(scope["headers"])}
        request_id = current_request_id.set(request_id_of(scope))
        answer = _Answer(scope, send)
        try:
            await self._respond(scope, receive, answer)
        except ClientDisconnect:
            log.info("The client went away.")
        except asyncio.CancelledError:  # The time that a stopping server has is over.
            if not answer.started:
                await problem(Request(scope), Unavailable("The server is stopping."))(scope, receive, answer.send)
            raise
        except Exception as error:
            if answer.started and isinstance(error.__cause__, DomainError):  # As Starlette raises it by then.
                # The cause is in the log. The server closes the connection, so that the client sees no end.
                log.warning("The answer broke off: %s", error.__cause__)
                return
            log.exception("Request %s failed.", request_id_of(scope))
            if answer.started:
                raise
            await problem(Request(scope), InternalError())(scope, receive, answer.send)
        finally:
            current_request_id.reset(request_id)

    async def _respond(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if (refusal := _refusal(scope)) is not None:
            await problem(Request(scope), refusal)(scope, receive, answer.send)
            return
        limit = self._larger.get(scope["path"], self._max_body_bytes)
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            await problem(Request(scope), TooLarge())(scope, receive, answer.send)
            return
        # HEAD is GET without the content (RFC 9110 §9.3.2), for whatever answers GET.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        await self._app(inner, _within(limit, scope, receive), answer.send)
        if answer.refusal is not None:
            response = problem_of_status(Request(scope), *answer.refusal)
            await response(scope, receive, answer.send)


def _refusal(scope: Scope) -> DomainError | None:
    refusal: DomainError | None = scope.get("state", {}).get(REFUSAL)
    return refusal


def _within(limit: int, scope: Scope, receive: Receive) -> Receive:
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        if (refusal := _refusal(scope)) is not None:
            raise HTTPException(status_of(type(refusal)))
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413)  # FastAPI turns any other exception out of a body into a 400.
        return message

    return receive_within_limit


class _Answer:
    """What is sent to the client: with the headers of every answer, and with a problem in the place of any other error
    document, such as a mounted application's own.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self.started = False
        self.refusal: tuple[int, Headers] | None = None
        """The status and the headers of an error that was held back, since it is no problem."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            is_problem = headers.get("content-type") == MEDIA_TYPE
            self.refusal = None if message["status"] < 400 or is_problem else (message["status"], headers)
            _add_headers(headers, request_id_of(self._scope))
        if self.refusal is None:
            self.started = True
            empty = self._scope["method"] == "HEAD" and "body" in message
            await self._send({**message, "body": b""} if empty else message)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    is_page = headers.get("content-type", "").startswith("text/html")
    policy = _OWN_PAGES if is_page else _NOTHING_ACTIVE
    headers.raw.extend([*_ALWAYS, (b"content-security-policy", policy), (b"x-request-id", request_id.encode())])
