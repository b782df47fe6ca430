"""An operation of a batch as a request: its route is found and called as for a request over the network."""

from urllib.parse import quote, unquote

from fastapi import Request, Response
from fastapi.params import Form
from starlette.types import Message, Scope

from shared.http.edge import JSON
from shared.http.routes import API_PREFIX, Route, RouteTable, handled

_SHARED = ("type", "http_version", "scheme", "server", "client", "root_path", "app")
_SHARED_HEADERS = {b"authorization", b"x-request-id"}
_URL_CHARACTERS = "/%:@!$&'()*+,;=-._~"


def request_within(outer: Request, method: str, path: str, if_match: str | None, *, has_body: bool) -> Request:
    """The operation as a request. Its scope has no exception handlers, so what its route raises comes out."""
    path, _, query = path.partition("?")
    under_prefix = path if path.startswith(f"{API_PREFIX}/") else API_PREFIX + path
    raw_path = quote(under_prefix, safe=_URL_CHARACTERS)
    headers = [pair for pair in outer.scope["headers"] if pair[0] in _SHARED_HEADERS]
    if has_body:
        headers.append((b"content-type", JSON.encode()))
    if if_match is not None:
        headers.append((b"if-match", if_match.encode()))
    scope: Scope = {
        **{name: outer.scope[name] for name in _SHARED if name in outer.scope},
        "asgi": {"version": "3.0", "spec_version": "2.4"},  # From 2.4 on, an answer does not wait for a disconnect.
        "method": method,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode(),
        "query_string": quote(query, safe=_URL_CHARACTERS + "?").encode(),
        "headers": headers,
        "state": {**outer.scope["state"]},
    }
    return Request(scope)


def route_of(request: Request) -> Route:
    """The route that answers the request; the ids in the path are added to the request. Raises HTTPException."""
    table = next(route for route in request.app.routes if isinstance(route, RouteTable))
    found = table.find(request.scope)
    if found.entry is None or not isinstance(found.entry.route, Route):
        raise found.refusal()
    request.scope.update(found.scope)
    return found.entry.route


def is_batchable(route: Route) -> bool:
    """Whether it may be part of a batch: a change that is repeatable and not slow. Its body, if it has one, is JSON: no
    form, and no upload of another media type.
    """
    if not route.changes or route.traits.slow or not route.traits.repeatable:
        return False
    described = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
    is_form = route.body_field is not None and isinstance(route.body_field.field_info, Form)
    return not is_form and (not described or JSON in described)


async def answer_of(route: Route, request: Request, body: bytes) -> Response:
    """The route's answer. Raises what the route raises."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    if route.direct is not None:
        answer = await route.direct(Request(request.scope, receive))
        await answer(request.scope, receive, send)
    else:
        await handled(route, request.scope, receive, send)
    start, *rest = sent
    response = Response(b"".join(message.get("body", b"") for message in rest), start["status"])
    response.raw_headers = list(start["headers"])
    return response
