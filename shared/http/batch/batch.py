"""Batch: many operations in one unit of work. Later ones may refer to the results of earlier ones.

An operation passes the same route as a request of its own, with the same checks of caller, precondition and body. So
every module's changes can be part of a batch, with no line in the module.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict
from starlette.exceptions import HTTPException

from shared.errors import Conflict, DomainError
from shared.http.batch.operations import answer_of, is_batchable, request_within, route_of
from shared.http.batch.references import Place, Results, filled, filled_path, invalid, parsed
from shared.http.edge import MEDIA_TYPE, Problem, charge_more, status_of
from shared.http.routes import CurrentChange, Route, answer_to, resource_router
from shared.schemas import Input, Text
from shared.wire import UnitOfWork

MOST_OPERATIONS = 100

_EXAMPLE: JsonDict = {
    "operations": [
        {"method": "POST", "path": "/tags", "body": {"name": "Urgent"}},
        {"method": "POST", "path": "/projects", "body": {"name": "Move"}},
        {"method": "PUT", "path": "/projects/{/1/id}/tags/{/0/id}"},
        {"method": "PATCH", "path": "/projects/{/1/id}", "body": {"status": "paused"}, "if_match": '"2-"'},
    ]
}
"""Without a `$ref`, which some programs follow wherever it stands in an OpenAPI document."""

_ANSWERED: JsonDict = {
    "results": [
        {
            "status": 201,
            "headers": {"ETag": '"1-5x"', "Location": "/api/v1/tags/019c"},
            "body": {"id": "019c", "name": "Urgent"},
        },
        {
            "status": 201,
            "headers": {"ETag": '"1-7k"', "Location": "/api/v1/projects/019d"},
            "body": {"id": "019d", "name": "Move"},
        },
    ]
}


class OperationRefusal(BaseModel):
    """What a failed batch tells beside all that a problem has."""

    index: int = Field(description="Which operation failed, from 0.", examples=[1])
    problem: Problem = Field(description="The operation's own problem: what it would have answered by itself.")


class BatchFailed(Conflict):
    """An operation failed, so none was carried out. `index` tells which, `problem` tells why, and the status is that
    problem's.
    """

    document = OperationRefusal

    def __init__(self, index: int, refusal: Response) -> None:
        super().__init__()
        told = json.loads(bytes(refusal.body))
        self.members = {"status": told["status"], "retryable": told["retryable"], "index": index, "problem": told}
        self.headers = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}


class Operation(Input):
    """A request within a batch."""

    method: Annotated[Literal["POST", "PATCH", "PUT", "DELETE"], Field(description="As for a request of its own.")]
    path: Annotated[
        Text,
        StringConstraints(pattern=r"^/[^#]*$", max_length=2000),
        Field(
            json_schema_extra={"pattern": r"^/[^#]*$", "maxLength": 2000},
            description="With or without the base path. `{/0/id}` is the id in the first operation's answer.",
        ),
    ]
    body: Annotated[
        dict[str, Any] | None,
        Field(
            description="The body that the operation takes as a request of its own. Anywhere in it, "
            '`{"$ref": "/0/id"}` stands for the id in the first operation\'s answer.'
        ),
    ] = None
    if_match: Annotated[
        str | None,
        StringConstraints(pattern=r"^[\x20-\x7e]+$", max_length=1000),
        Field(description="The ETag of what this operation changes."),
    ] = None


class Batch(Input):
    """Operations, carried out in this order: all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    operations: Annotated[
        list[Operation],
        Field(min_length=1, max_length=MOST_OPERATIONS, description="The operations, which run one after the other."),
    ]


class OperationResult(BaseModel):
    """What the operation would have answered as a request of its own."""

    status: int = Field(description="Its status.", examples=[201])
    headers: dict[str, str] = Field({}, description="ETag and Location, if the answer has them.")
    body: dict[str, Any] | None = Field(description="The operation's document; null when it answers with none.")


class BatchResults(BaseModel):
    """The results, in the order of the operations."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWERED]})

    results: list[OperationResult] = Field(description="A result for each operation.")


_ABOUT = "Many changes in one transaction: all of them are made, or none."


def install_batch(app: FastAPI, most_bytes: int) -> None:
    """Add `POST /batch`. `most_bytes` limits a body, and what references bring in."""
    router = resource_router("/batch", about=_ABOUT, keys=None)

    @router.post("", response_model=BatchResults, responses={200: {"headers": {"Cache-Control": {}}}})
    async def run(request: Request, data: Batch, change: CurrentChange) -> Response:
        """Carry out up to 100 operations in one transaction: all of them, or none.

        Later operations may refer to the results of earlier ones. An idempotency key or a dry run is for the whole.
        """
        charge_more(request.scope["state"], len(data.operations) - 1)  # Those that cost more say so when they run.
        await change.unit.begin()  # A session that has ended is no operation's failure.
        await _check(request, data.operations)
        return await _carry_out(request, data.operations, change.unit, Results(most_bytes))

    app.router.routes.extend(router.routes)


async def _check(outer: Request, operations: Sequence[Operation]) -> None:
    """Raise the errors that can be found before any operation runs."""
    for index, operation in enumerate(operations):
        place = ("operations", index)
        find = partial(_unknown_yet, position=index)
        filled(operation.body, find, (*place, "body"))
        if filled_path(operation.path, find, (*place, "path")) == operation.path:
            await _routed(outer, index, operation, operation.path)  # With references, it is known only later.


def _unknown_yet(reference: object, place: Place, position: int) -> str:
    parsed(reference, place, position)
    return ""


async def _carry_out(outer: Request, operations: Sequence[Operation], unit: UnitOfWork, results: Results) -> Response:
    answers = []
    is_secret = False
    for index, operation in enumerate(operations):
        place = ("operations", index)
        path = filled_path(operation.path, results.find, (*place, "path"))
        body = filled(operation.body, results.find, (*place, "body"))
        route, request = await _routed(outer, index, operation, path)
        charge_more(outer.scope["state"], route.traits.units - 1)
        async with _failing(index, request):
            response = await answer_of(route, request, b"" if body is None else json.dumps(body).encode())
            if response.headers.get("content-type") == MEDIA_TYPE:
                raise BatchFailed(index, response)
            if response.status_code >= 400:
                raise HTTPException(response.status_code, headers=response.headers)
            await unit.flush()  # What the database refuses now is this operation's, and not the next one's.
        is_secret |= "no-store" in response.headers.get("cache-control", "")
        content = bytes(response.body) if response.headers.get("content-type") == "application/json" else b"null"
        results.add(content)
        answers.append(_result(response, content))
    headers = {"Cache-Control": "no-store" if is_secret else "private, no-cache"}
    return Response(b'{"results":[' + b",".join(answers) + b"]}", 200, headers, "application/json")


async def _routed(outer: Request, index: int, operation: Operation, path: str) -> tuple[Route, Request]:
    request = request_within(outer, operation.method, path, operation.if_match, has_body=operation.body is not None)
    async with _failing(index, request):
        route = route_of(request)
    if route is outer.scope["route"] or not is_batchable(route):
        raise invalid(("operations", index, "path"), "This operation cannot be part of a batch", "not_in_batch")
    if "dry_run" in request.query_params:
        raise invalid(("operations", index, "path"), "A dry run is one of the whole batch", "not_in_batch")
    return route, request


@asynccontextmanager
async def _failing(index: int, request: Request) -> AsyncIterator[None]:
    """Raises BatchFailed when the operation inside is refused."""
    try:
        yield
    except BatchFailed:
        raise
    except (DomainError, RequestValidationError, HTTPException) as error:
        if isinstance(error, DomainError) and status_of(type(error)) >= 500:
            raise  # It is a failure of ours: the whole batch may be retried.
        raise BatchFailed(index, await answer_to(request.app, request, error)) from error


def _result(response: Response, content: bytes) -> bytes:
    """A result. Its document is copied as PostgreSQL built it."""
    headers = {name: response.headers[name] for name in ("ETag", "Location") if name in response.headers}
    outline = {"status": response.status_code} | ({"headers": headers} if headers else {})
    return json.dumps(outline, separators=(",", ":")).encode()[:-1] + b',"body":' + content + b"}"
