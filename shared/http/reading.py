"""The short way to a read: what FastAPI would work out for each request anew is worked out once, from the signature.

An endpoint that only reads takes the request, ids from the path, dependencies and what the container injects, and gives
a Response. Solving that in FastAPI's general way costs more than PostgreSQL takes for the read; so such an endpoint is
called directly. The OpenAPI document, and every endpoint that takes anything else, stay with FastAPI.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args
from uuid import UUID

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

Resolver = Callable[[Request], Awaitable[Any]]

_ID = TypeAdapter(UUID)


def short_way(endpoint: Callable[..., Any]) -> ASGIApp | None:
    """The endpoint as an ASGI application; None when it takes something that only FastAPI can work out."""
    answer = inspect.signature(endpoint).return_annotation
    plan = _plan(endpoint)
    if plan is None or not (isinstance(answer, type) and issubclass(answer, Response)):
        return None

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await endpoint(**{name: await resolve(request) for name, resolve in plan.items()})
        await response(scope, receive, send)

    return read


def _plan(function: Callable[..., Any]) -> Mapping[str, Resolver] | None:
    """How each parameter that is not injected is found."""
    plan = {}
    for name, parameter in inspect.signature(function).parameters.items():
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
    plan = _plan(function)
    if plan is None or not inspect.iscoroutinefunction(inspect.unwrap(call)):
        return None
    if list(plan.values()) == [_request]:
        return function

    async def resolve(request: Request) -> Any:
        return await function(**{name: await found(request) for name, found in plan.items()})

    return resolve


def _path_id(name: str) -> Resolver:
    async def resolve(request: Request) -> UUID:
        try:
            return _ID.validate_python(request.scope["path_params"][name])
        except ValidationError as error:
            raise RequestValidationError([{**found, "loc": ("path", name)} for found in error.errors()]) from error

    return resolve


async def _request(request: Request) -> Request:
    return request
