"""An operation of a batch as a request of its own: its route, found and called as if it had come over the network."""

from typing import Any
from urllib.parse import quote, unquote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Message, Scope

from shared.errors import DomainError
from shared.http.edge import JSON, MEDIA_TYPE, problem_of_status, status_of
from shared.http.routes import API_PREFIX, Route

REFUSALS = (DomainError, RequestValidationError, HTTPException)
"""What a route raises to refuse a request."""

_SHARED = ("type", "http_version", "scheme", "server", "client", "root_path", "app")
_SHARED_HEADERS = {b"authorization", b"x-request-id"}
_EXIT_STACK = "fastapi_middleware_astack"
"""Where FastAPI wants to find what closes the files of the request."""
_URL_CHARACTERS = "/%:@!$&'()*+,;=-._~"


def request_within(outer: Request, method: str, path: str, if_match: str | None, *, has_body: bool) -> Request:
    """The request that an operation is. Without exception handlers in its scope: what its route raises, comes out."""
    path, _, query = path.partition("?")
    under_prefix = path if path.startswith(f"{API_PREFIX}/") else API_PREFIX + path
    raw_path = quote(under_prefix, safe=_URL_CHARACTERS)
    headers = [pair for pair in outer.scope["headers"] if pair[0] in _SHARED_HEADERS]
    if has_body:
        headers.append((b"content-type", JSON.encode()))
    if if_match is not None:
        headers.append((b"if-match", if_match.encode()))
    scope: Scope = {name: outer.scope[name] for name in (*_SHARED, _EXIT_STACK) if name in outer.scope}
    of_its_own: Scope = {
        "asgi": {"version": "3.0", "spec_version": "2.4"},  # From which on an answer does not wait for a disconnect.
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": quote(query, safe=_URL_CHARACTERS + "?").encode(),
        "headers": headers,
        "state": {**outer.scope["state"]},
    }
    return Request({**scope, **of_its_own})


def route_of(request: Request) -> Route:
    """The route that answers the request, which gets to know the ids in its path. Raises HTTPException."""
    is_known = False
    for route in request.app.routes:
        if not isinstance(route, Route):
            continue
        match, found = route.matches(request.scope)
        if match is Match.FULL:
            request.scope.update(found)
            return route
        is_known |= match is Match.PARTIAL
    raise HTTPException(405 if is_known else 404)


def takes_json(route: Route) -> bool:
    """Whether its body is JSON, if it has one: no form, and no upload that its description names another kind of."""
    described = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
    is_form = route.body_field is not None and isinstance(route.body_field.field_info, Form)
    return not is_form and (not described or "application/json" in described)


def is_dry_run(request: Request) -> bool:
    """Whether it has a wish about that, which only the whole batch can have."""
    return "dry_run" in request.query_params


async def answer_of(route: Route, request: Request, body: bytes) -> Response:
    """What the route answers. Raises what it raises."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await route.handle(request.scope, receive, send)
    start, *rest = sent
    response = Response(b"".join(message.get("body", b"") for message in rest), start["status"])
    response.raw_headers = list(start["headers"])
    if response.status_code >= 400 and response.headers.get("content-type") != MEDIA_TYPE:
        return problem_of_status(request, response.status_code, response.headers)
    return response


async def refusal(request: Request, error: Exception) -> Response:
    """The problem that the application answers for what was raised. Raises it again when that is no refusal, but a
    failure of ours, after which the whole batch may be tried again.
    """
    if isinstance(error, DomainError) and status_of(type(error)) >= 500:
        raise error
    handlers: dict[Any, Any] = request.app.exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    response: Response = await handler(request, error)
    return response
