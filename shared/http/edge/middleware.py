"""The outermost middleware: the request's id, headers of every answer, the limit of the body, and unexpected errors."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import CommitInDoubt, DomainError, TooLarge, Unavailable
from shared.http.edge import access
from shared.http.edge.client_rules import ClientRules
from shared.http.edge.headers import Fields, trimmed, value_of
from shared.http.edge.limits import QuotaExceeded
from shared.http.edge.origins import PREFLIGHT, SAME_ORIGIN
from shared.http.edge.places import leave
from shared.http.edge.problems import MEDIA_TYPE, InternalError, problem, problem_of_status, status_of
from shared.http.edge.request_id import request_id_of
from shared.observing import NO_ANSWER, Activity, Lines, Watch, current_activity

log = logging.getLogger("trellis")

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""Every answer has these headers, and no endpoint sets them."""
_POLICY = b"content-security-policy"
_NOTHING_ACTIVE = (_POLICY, b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
"""Of every answer but those that say themselves what may be loaded: pages."""

_PROBLEM = MEDIA_TYPE.encode()

_NO_SPAN = nullcontext()

REFUSAL = "refusal"
"""The key in a request's state under which the server puts the DomainError that ends the request."""
GONE = "gone"
"""The key under which the server notes that the client has gone away."""
HEARD = "heard"
"""The key under which the server notes when the head of the request had come, by `perf_counter`."""


def answer_bytes(error: DomainError, scope: Scope) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a problem, with the headers of every answer but those that ClientRules gives, for a
    server that answers by itself.
    """
    response = problem(Request(scope), error)
    id = request_id_of(scope).encode()
    return [*response.raw_headers, *_ALWAYS, _NOTHING_ACTIVE, (b"x-request-id", id)], bytes(response.body)


class RequestContext:
    """Pure ASGI, for HTTP alone: Starlette's BaseHTTPMiddleware would hide a disconnected client."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        larger: Mapping[str, int] | None = None,
        watch: Watch | None = None,
        lines: Lines | None = None,
        rules: ClientRules | None = None,
    ) -> None:
        """`larger` has greater limits for some paths. Each request is told to `watch` and in `lines`, if there are, and
        keeps to the `rules`.
        """
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._larger = larger or {}
        self._watch = watch or Watch()
        self._lines = lines
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, also one that did not arrive whole or is refused before a route is found. Raises, as an
        answer, MalformedRequest, RequestTimeout, TooLarge, HeadTooLarge, QuotaExceeded and Unavailable.
        """
        now = perf_counter()
        scope = {**scope, "headers": trimmed(scope["headers"])}
        activity = Activity(request_id_of(scope))
        begun = scope["state"].get(HEARD, now)
        activity.queue_seconds = now - begun
        token = current_activity.set(activity)
        answer = _Answer(activity, scope, send, self._rules)
        self._watch.active += 1
        try:
            with self._span(scope, activity):
                await self._answer(scope, receive, answer)
        finally:
            self._watch.active -= 1
            current_activity.reset(token)
            seconds = perf_counter() - begun
            if self._watch.requests is not None:
                access.count(self._watch.requests, scope, activity, seconds)
            if self._lines is not None:
                access.write_line(self._lines, scope, activity, seconds)

    def _span(self, scope: Scope, activity: Activity) -> AbstractContextManager[None]:
        tracer = self._watch.tracer
        return (
            _NO_SPAN if tracer is None else tracer.request(activity, access.known_method(scope), Headers(scope=scope))
        )

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._respond(scope, receive, answer)
        except ClientDisconnect:
            log.info("The client went away.")
        except asyncio.CancelledError:
            refusal: DomainError | None = scope["state"].get(REFUSAL)
            if not answer.started:
                told = refusal or Unavailable("The server is stopping.")
                if current_activity.get().is_in_doubt:
                    told = CommitInDoubt()
                await problem(Request(scope), told)(scope, receive, answer.send)
                if GONE in scope["state"]:
                    current_activity.get().status = NO_ANSWER
            if refusal is None:  # The server stops, and its grace period is over.
                raise
            log.warning("The request was given up: %s", refusal)
        except Exception as error:
            cause = error if isinstance(error, DomainError) else error.__cause__  # Starlette wraps it by then.
            if answer.started and isinstance(cause, DomainError):
                # The server closes the connection without an end of the answer, so the client notices.
                log.warning("The answer broke off: %s", cause)
                return
            log.exception("Request %s failed.", request_id_of(scope))
            if answer.started:
                raise
            await problem(Request(scope), InternalError())(scope, receive, answer.send)

    async def _respond(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        limit = self._larger.get(scope["path"], self._max_body_bytes)
        length = value_of(scope["headers"], b"content-length")
        refusal: DomainError | None = scope["state"].get(REFUSAL)
        if refusal is None and self._rules is not None:
            if scope["method"] == "OPTIONS" and self._rules.origins.is_preflight(scope):
                await Response(status_code=204, headers=PREFLIGHT)(scope, receive, answer.send)
                return
            if (charge := self._rules.exceeded(scope)) is not None:
                self._rules.count_refused(charge)
                refusal = QuotaExceeded(charge.policy, charge.retry_after)
        if refusal is None and length.isdigit() and int(length[:20]) > limit:
            refusal = TooLarge()
        if refusal is not None:
            await problem(Request(scope), refusal)(scope, receive, answer.send)
            return
        # HEAD is GET without the content (RFC 9110 §9.3.2), for whatever answers GET.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        await self._app(inner, _within(limit, scope, receive), answer.send)
        if answer.refusal is not None:
            response = problem_of_status(Request(scope), *answer.refusal)
            await response(scope, receive, answer.send)


def _within(limit: int, scope: Scope, receive: Receive) -> Receive:
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        if (refusal := scope["state"].get(REFUSAL)) is not None:
            raise HTTPException(status_of(type(refusal)))
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413)  # FastAPI turns any other exception out of a body into a 400.
        return message

    return receive_within_limit


class _Answer:
    """Sends the answer, with the headers that every answer has. It holds back an error that is not a problem, such as a
    mounted application's, so that a problem can replace it.
    """

    def __init__(self, activity: Activity, scope: Scope, send: Send, rules: ClientRules | None) -> None:
        self._activity = activity
        self._request_id = (b"x-request-id", activity.id.encode())
        self._scope = scope
        self._send = send
        self._rules = rules
        self.started = False
        self.refusal: tuple[int, Headers] | None = None
        """Status and headers of an error that was held back."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            leave(self._scope["state"])
            headers = list(message["headers"])
            kind = value_of(headers, b"content-type")
            is_refusal = message["status"] >= 400 and kind != _PROBLEM
            self.refusal = (message["status"], Headers(raw=headers)) if is_refusal else None
            policy = () if value_of(headers, _POLICY) else (_NOTHING_ACTIVE,)
            own: Fields = (SAME_ORIGIN,) if self._rules is None else self._rules.fields(self._scope)
            message = {**message, "headers": [*headers, *_ALWAYS, *policy, *own, self._request_id]}
        elif self._scope["method"] == "HEAD" and "body" in message:
            message = {**message, "body": b""}
        if self.refusal is None:
            if self.started:
                self._activity.bytes += len(message.get("body", b""))
            else:
                self._activity.status = message["status"]
            self.started = True
            await self._send(message)
