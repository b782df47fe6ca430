"""The seam to FastAPI and Starlette: all that we use of their undocumented interfaces.

- `route.dependant`, a tree of `Dependant`: how FastAPI reads the signatures of an endpoint and its dependencies.
- `iter_route_contexts`: the paths and methods of an included router.
- `AsyncExitStackMiddleware`: FastAPI's handler needs its exit stack, which closes files.
- `_native_telemetry.enabled()`: whether FastAPI traces requests.
- `exception_handlers` of an application: its answers to exceptions.

tests/seams/test_fastapi.py fails with a sentence when a release changes one of them.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.params import Body, Path
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Needs:
    """The parameters of a function that the direct way can call."""

    function: Callable[..., Any]
    name: str | None
    """The parameter that gets its result; None for an endpoint and for an entry of `dependencies=[…]`."""
    dependencies: tuple["Needs", ...]
    connections: tuple[str, ...]
    """The parameters that take the request."""
    ids: tuple[str, ...]
    """The parameters that take a UUID from the path."""
    body: tuple[str, type[BaseModel]] | None
    """The parameter that takes the body, and the body's schema."""


def needs_of(route: APIRoute) -> Needs | None:
    """What the endpoint takes; None when only FastAPI can call it."""
    return _needs(route.dependant, is_endpoint=True)


def functions_of(route: APIRoute) -> Iterator[tuple[Callable[..., Any], set[Any]]]:
    """The functions that an endpoint depends on, itself included, and the types that each takes from path, query and
    headers.
    """
    dependants = [route.dependant]
    while dependants:
        one = dependants.pop()
        dependants += one.dependencies
        if one.call is not None:
            fields = (*one.path_params, *one.query_params, *one.header_params)
            yield one.call, {field.field_info.annotation for field in fields}


def last_id(route: APIRoute) -> str | None:
    """The last parameter of the path that is a UUID."""
    ids = {field.name for field in route.dependant.path_params if field.field_info.annotation is UUID}
    return next((name for name in reversed(route.param_convertors) if name in ids), None)


def _needs(dependant: Dependant, *, is_endpoint: bool) -> Needs | None:
    dependencies = [_needs(one, is_endpoint=False) for one in dependant.dependencies]
    ids = [_id(field) for field in dependant.path_params]
    bodies = [_body(field) for field in dependant.body_params]
    takes_more = len(bodies) > is_endpoint or (dependant.scope and not is_endpoint)
    if takes_more or not _is_plain(dependant) or not all((*dependencies, *ids, *bodies)):
        return None
    return Needs(
        function=dependant.call,  # type: ignore[arg-type]  # It is None of nothing that is called.
        name=dependant.name,
        dependencies=tuple(filter(None, dependencies)),
        connections=tuple(filter(None, (dependant.request_param_name, dependant.http_connection_param_name))),
        ids=tuple(filter(None, ids)),
        body=bodies[0] if bodies else None,
    )


def _is_plain(dependant: Dependant) -> bool:
    """Whether it is a coroutine, called once in a request, whose parameters are all of the kinds handled here."""
    more = (
        *(dependant.query_params, dependant.header_params, dependant.cookie_params),
        *(dependant.websocket_param_name, dependant.response_param_name, dependant.background_tasks_param_name),
        *(dependant.security_scopes_param_name, dependant.own_oauth_scopes, dependant.parent_oauth_scopes),
        dependant.concurrency,
    )
    function = inspect.unwrap(dependant.call) if dependant.call is not None else None
    call = function if inspect.isroutine(function) else type(function).__call__
    return not any(more) and dependant.use_cache and inspect.iscoroutinefunction(call)


def _id(field: Any) -> str | None:
    info = field.field_info
    is_plain = type(info) is Path and info.annotation is UUID and not info.metadata and info.alias == field.name
    return field.name if is_plain else None


def _body(field: Any) -> tuple[str, type[BaseModel]] | None:
    info = field.field_info
    is_plain = type(info) is Body and info.is_required() and not (info.metadata or info.embed or info.discriminator)
    is_model = isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
    return (field.name, info.annotation) if is_plain and is_model and info.media_type == "application/json" else None


def paths_of(route: BaseRoute) -> list[str]:
    """Every path of a route that may be an included router; the whole of it where that is not known."""
    return [context.path or "" for context in iter_route_contexts([route])]


def operations_in(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Every method, path and endpoint of routes and included routers."""
    for context in iter_route_contexts(list(routes)):
        for method in context.methods or ():
            if context.path is not None and context.endpoint is not None:
                yield method, context.path, context.endpoint


def methods_of(route: BaseRoute, scope: Scope) -> set[str]:
    """The methods that a route has for the path, whatever the request's own one is."""
    contexts = [context for context in iter_route_contexts([route]) if context.methods]
    matching = [context for context in contexts if context.matches(scope)[0] is not Match.NONE]
    return {method for context in matching for method in context.methods or ()}


async def handled(route: BaseRoute, scope: Scope, receive: Receive, send: Send) -> None:
    """Call a route whose path matches, as behind FastAPI's own middleware."""
    await AsyncExitStackMiddleware(route.handle)(scope, receive, send)


def is_traced(app: FastAPI) -> bool:
    """Whether FastAPI makes a span of each request."""
    return app._native_telemetry.enabled()  # noqa: SLF001


async def answer_to(app: FastAPI, request: Request, error: Exception) -> Response:
    """The application's answer to an exception. Raises it again when there is no handler.

    As in Starlette, a handler of the status comes first, then that of the most specific class.
    """
    handlers: Any = app.exception_handlers
    keys = [getattr(error, "status_code", None), *type(error).__mro__]
    handler = next((handlers[key] for key in keys if key in handlers and key is not Exception), None)
    if handler is None:
        raise error
    response: Response = await handler(request, error)
    return response
