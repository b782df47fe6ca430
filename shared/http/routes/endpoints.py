"""The direct way to an endpoint: what FastAPI works out for every request is worked out once, at assembly.

Most endpoints take the request, ids from the path, a JSON body and dependencies, and return a Response. FastAPI's
general way of solving that costs more than the statement, so such an endpoint is called directly, with FastAPI's exact
meaning: tests/kernel/test_two_ways.py compares the two. All other endpoints are left to FastAPI.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.errors import DomainError
from shared.http.edge import json_body
from shared.http.routes.fastapi_seam import Needs, needs_of

Handle = Callable[[Request], Coroutine[Any, Any, Response]]
"""Answers a request."""

Errors = list[dict[str, Any]]
Cache = dict[Callable[..., Any], Any]
Solve = Callable[[Request, Cache, Errors], Awaitable[dict[str, Any]]]
"""Finds a function's arguments. It adds what is wrong with the input to the errors, as FastAPI does."""

MOST_FOUND = 2_000
"""Errors that are listed at the most. Pydantic makes a dictionary of each, at 10 µs, before we see the first."""

_ID = TypeAdapter(UUID)


def direct_way(route: APIRoute) -> Handle | None:
    """The function that calls the endpoint; None when only FastAPI can call it."""
    answer = inspect.signature(route.endpoint, eval_str=True).return_annotation
    gives_nothing = answer is None and route.status_code == 204
    gives_response = isinstance(answer, type) and issubclass(answer, Response)
    needs = needs_of(route)
    if needs is None or not (gives_nothing or gives_response):
        return None
    solve = _solving(needs)
    endpoint = route.endpoint

    async def handle(request: Request) -> Response:
        errors: Errors = []
        values = await solve(request, {}, errors)
        if errors:
            raise RequestValidationError(errors)
        response: Response | None = await endpoint(**values)
        return Response(status_code=204) if response is None and gives_nothing else response  # type: ignore[return-value]

    return handle


def json_checked(handle: Handle, *, is_required: bool) -> Handle:
    """FastAPI's way to an endpoint, with JSON parsed as strictly as on the direct way.

    An unauthenticated caller is not told what is wrong with the body. So a refused body is withheld: FastAPI calls the
    dependencies first, and then misses the body. An optional body is refused before the dependencies are called.
    """

    async def answer(request: Request) -> Response:
        if not await request.body() and "content-type" not in request.headers:
            return await handle(request)
        try:
            await json_body(request)
        except (DomainError, RequestValidationError) as error:
            refusal = error
        else:
            return await handle(request)
        if not is_required:
            raise refusal
        try:
            return await handle(_without_body(request))
        except RequestValidationError as found:
            if not isinstance(refusal, RequestValidationError):
                raise refusal from None
            others = [one for one in found.errors() if one["loc"][0] != "body"]
            raise RequestValidationError([*others, *refusal.errors()]) from None

    return answer


def _without_body(request: Request) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    return Request(request.scope, receive)


def _solving(needs: Needs) -> Solve:
    dependencies = [(one.name, one.function, _solving(one)) for one in needs.dependencies]
    adapter = TypeAdapter(needs.body[1]) if needs.body is not None else None

    async def solve(request: Request, cache: Cache, errors: Errors) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, function, solve_its in dependencies:
            found: Errors = []
            arguments = await solve_its(request, cache, found)
            if found:
                errors += found  # It is not called, but the others are.
                continue
            if function not in cache:
                cache[function] = await function(**arguments)
            if name is not None:
                values[name] = cache[function]
        for name in needs.connections:
            values[name] = request
        for name in needs.ids:
            values[name] = _valid(_ID, request.scope["path_params"].get(name), ("path", name), errors)
        if needs.body is not None and adapter is not None:
            values[needs.body[0]] = await _valid_body(adapter, request, errors)
        return values

    return solve


async def _valid_body(adapter: TypeAdapter[BaseModel], request: Request, errors: Errors) -> Any:
    try:
        content = await json_body(request)
    except RequestValidationError as error:
        errors += error.errors()
        return None
    return _valid(adapter, content, ("body",), errors)


def _valid(adapter: TypeAdapter[Any], value: Any, location: tuple[str, ...], errors: Errors) -> Any:
    try:
        return adapter.validate_python(value, from_attributes=True)
    except ValidationError as error:
        errors += _found(error, location)
        return None


def _found(error: ValidationError, location: tuple[str, ...]) -> Errors:
    if (count := error.error_count()) > MOST_FOUND:
        return [{"type": "too_many_errors", "loc": location, "msg": f"Input has {count} errors"}]
    return [{**one, "loc": (*location, *one["loc"])} for one in error.errors()]
