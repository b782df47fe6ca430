"""The short way to an endpoint: what FastAPI would work out for every request is worked out once, from the signature.

Most endpoints take the request, ids from the path, a JSON body, dependencies and what the container injects, and give
a Response. Solving that in FastAPI's general way costs more than PostgreSQL takes; so such an endpoint is called
directly. The OpenAPI document, and every endpoint that takes anything else, stay with FastAPI.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, get_args
from uuid import UUID

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.edge import json_body

Handle = Callable[[Request], Awaitable[Response]]
"""What answers a request."""

Resolver = Callable[[Request], Awaitable[Any]]

MOST_FOUND = 2_000
"""Errors that are looked at. Pydantic makes a dictionary of each before the first can be told, 10 µs apiece."""

_ID = TypeAdapter(UUID)


def short_way(endpoint: Callable[..., Any], status_code: int | None = None) -> Handle | None:
    """The endpoint as what answers a request; None when it takes something that only FastAPI can work out."""
    signature = inspect.signature(endpoint)
    bodies = {name: p.annotation for name, p in signature.parameters.items() if _is_body(p.annotation)}
    plan = _plan(signature, but=bodies)
    answer = signature.return_annotation
    gives_nothing = answer is None and status_code == 204
    if plan is None or len(bodies) > 1 or not (gives_nothing or _is_response(answer)):
        return None
    # The body comes last: who may not call at all is not told what is wrong with it.
    resolvers = {**plan, **{name: _body(model) for name, model in bodies.items()}}

    async def handle(request: Request) -> Response:
        values = {name: await resolve(request) for name, resolve in resolvers.items()}
        response: Response | None = await endpoint(**values)
        return Response(status_code=204) if response is None else response

    return handle


def json_checked(handle: Handle) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """An endpoint that stays with FastAPI, whose JSON is taken and refused as on the short way."""

    async def answer(request: Request) -> Response:
        if await request.body() or "content-type" in request.headers:
            await json_body(request)
        return await handle(request)

    return answer


def application(handle: Handle) -> ASGIApp:
    """What answers requests, as an ASGI application."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handle(Request(scope, receive, send))
        await response(scope, receive, send)

    return answer


def _is_response(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Response)


def _is_body(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _plan(signature: inspect.Signature, but: Mapping[str, Any]) -> Mapping[str, Resolver] | None:
    """How each other parameter that is not injected is found."""
    plan = {}
    for name, parameter in signature.parameters.items():
        if name in but:
            continue
        resolver = _resolver(name, parameter.annotation)
        if resolver is None:
            return None
        plan[name] = resolver
    return plan


def _resolver(name: str, annotation: Any) -> Resolver | None:
    if annotation in {Request, HTTPConnection}:
        return _request
    if annotation is UUID:
        return _path_id(name)
    for mark in get_args(annotation)[1:]:
        if isinstance(mark, Depends) and mark.dependency is not None:
            return _dependency(mark.dependency)
    return None


def _dependency(function: Callable[..., Any]) -> Resolver | None:
    call = function if inspect.isfunction(function) else type(function).__call__
    plan = _plan(inspect.signature(function), but={})
    if plan is None or not inspect.iscoroutinefunction(inspect.unwrap(call)):
        return None
    if list(plan.values()) == [_request]:
        return function

    async def resolve(request: Request) -> Any:
        return await function(**{name: await found(request) for name, found in plan.items()})

    return resolve


def _path_id(name: str) -> Resolver:
    async def resolve(request: Request) -> UUID:
        id: UUID = _valid(_ID, request.scope["path_params"][name], ("path", name))
        return id

    return resolve


def _body(model: type[BaseModel]) -> Resolver:
    adapter: TypeAdapter[BaseModel] = TypeAdapter(model)

    async def resolve(request: Request) -> BaseModel:
        body: BaseModel = _valid(adapter, await json_body(request), ("body",))
        return body

    return resolve


def _valid(adapter: TypeAdapter[Any], value: Any, location: tuple[str, ...]) -> Any:
    try:
        return adapter.validate_python(value, from_attributes=True)
    except ValidationError as error:
        raise RequestValidationError(_found(error, location)) from error


def _found(error: ValidationError, location: tuple[str, ...]) -> list[dict[str, Any]]:
    if (count := error.error_count()) > MOST_FOUND:
        return [{"type": "too_many_errors", "loc": location, "msg": f"Input has {count} errors"}]
    return [{**one, "loc": (*location, *one["loc"])} for one in error.errors()]


async def _request(request: Request) -> Request:
    return request
