"""Every answer that the suite sees is held against the OpenAPI document, and the document against the answers.

An answer that the document does not know fails its test. A run of the whole suite fails, too, when the document has one
that no test has seen. The answers are those that clients of httpx2 receive, from the application in the process and
from real servers; whoever speaks HTTP by other means records by `record`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

from app.asgi import create_app
from app.container import compose
from shared.auth.passwords import TooManySignIns
from shared.errors import CommitInDoubt, Contended, Unavailable
from shared.http.edge.limits import QuotaExceeded
from shared.http.edge.problems import HeadTooLarge, InternalError, MalformedRequest, RequestTimeout
from shared.http.routes.mutations import TooManyChanges
from shared.manifest import discover
from shared.settings import Settings
from shared.writes.preconditions import AlreadyThere, PreconditionRequired
from shared.writes.room import TooMuchKept

PROBLEM = "application/problem+json"

SMALL = "http://small-application"
"""The address of applications that tests make: only the kernel's answers are ours."""

OF_ALL = {
    error.code
    for error in (
        *(MalformedRequest, HeadTooLarge, RequestTimeout, Unavailable, Contended, CommitInDoubt),
        *(TooManyChanges, TooManySignIns, QuotaExceeded, TooMuchKept, AlreadyThere, PreconditionRequired),
    )
}
"""What the kernel answers for any operation of a kind, in one place: to see it once is enough."""


class Answer(NamedTuple):
    """What an operation answered. `code` is the problem's; of all others, the media type, which may be empty."""

    operation: str
    status: int
    code: str


class Undescribed(AssertionError):
    """An operation gave an answer that the OpenAPI document does not know."""


@dataclass(frozen=True)
class Operation:
    """An operation that the document describes."""

    id: str
    method: str
    path: str
    media_type: str
    """Of the body that it takes, if it takes one."""
    answers: frozenset[Answer]
    query: str = ""
    """What an example has to have in its query string."""

    def path_with(self, value: str) -> str:
        """A path of it, with this value for each parameter."""
        return re.sub(r"{\w+}", value, self.path)


class Described:
    """The operations and answers that the document of an application describes."""

    def __init__(self, app: FastAPI) -> None:
        document = app.openapi()
        routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
        self._paths = {route.path for route in routes}
        self._routes: defaultdict[str, list[APIRoute]] = defaultdict(list)
        """By method."""
        for route in routes:
            for method in route.methods or ():
                self._routes[method].append(route)
        self.operations = [
            Operation(
                operation["operationId"],
                method.upper(),
                path,
                next(iter(operation.get("requestBody", {}).get("content", {})), ""),
                frozenset(_answers(operation, document)),
                urlencode(operation.get("x-example-query", {})),
            )
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        ]
        self.answers = {answer for operation in self.operations for answer in operation.answers}

    def operation(self, method: str, path: str) -> str | None:
        """The operation that a request is of, if any."""
        # A path without parameters is one of its own, whatever it would fit into.
        is_own = path in self._paths
        routes = self._routes[method]
        fitting = (one for one in routes if (one.path == path if is_own else one.path_regex.fullmatch(path)))
        return next((route.unique_id for route in fitting), None)


def _answers(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[Answer]:
    prefers = any(parameter["name"] == "Prefer" for parameter in operation.get("parameters", ()))
    for status, response in operation["responses"].items():
        if prefers and status == "201":  # OpenAPI has no way to say that the content may be left out.
            yield Answer(operation["operationId"], 201, "")
        content = response.get("content", {})
        for media_type in content or [""]:
            if media_type != PROBLEM:
                yield Answer(operation["operationId"], int(status), media_type)
                continue
            schema = content[media_type]["schema"]
            for one in schema.get("oneOf", [schema]):
                component = document["components"]["schemas"][one["$ref"].rpartition("/")[2]]
                yield Answer(operation["operationId"], int(status), component["properties"]["code"]["enum"][0])


@cache
def described() -> Described:
    """Of the application that this repository is."""
    secret = SecretStr("a secret for tests, 32 bytes or more")
    settings = Settings(DATABASE_URL="postgresql://nowhere/none", environment="development", secret=secret)
    return Described(create_app(compose(settings, discover())))


seen: set[Answer] = set()


def record(method: str, path: str, status: int, media_type: str, content: bytes | None) -> None:
    """Note an answer. Raises Undescribed."""
    operation = described().operation(method, path) if status >= 200 else None
    if operation is None:
        return
    code = media_type.partition(";")[0]
    if code == PROBLEM:
        code = json.loads(content or b"{}").get("code", "")
    if code == InternalError.code:
        return
    answer = Answer(operation, status, code)
    if answer not in described().answers:
        raise Undescribed(f"{method} {path} answered {answer}, which the OpenAPI document does not describe.")
    seen.add(answer)


@contextmanager
def unrecorded() -> Iterator[None]:
    """The answers inside are of an application that the test has changed."""
    global _records  # noqa: PLW0603 (of the process)
    _records = False
    try:
        yield
    finally:
        _records = True


_records = True


def unseen() -> list[Answer]:
    """What the document describes and no test has seen."""
    codes = {(answer.status, answer.code) for answer in seen}
    return sorted(
        answer
        for answer in described().answers - seen
        if answer.code not in OF_ALL or (answer.status, answer.code) not in codes
    )


def _record(response: httpx2.Response) -> httpx2.Response:
    request = response.request
    if str(request.url).startswith(SMALL):
        if response.is_error and response.headers.get("content-type") == PROBLEM:
            seen.add(Answer("", response.status_code, response.json()["code"]))
    elif _records and (response.is_closed or not response.is_error):
        content = response.content if response.is_error else None
        record(
            request.method, request.url.path, response.status_code, response.headers.get("content-type", ""), content
        )
    return response


def pytest_configure() -> None:
    """Record what clients receive."""
    send, send_async = httpx2.Client.send, httpx2.AsyncClient.send

    def sent(client: httpx2.Client, *arguments: Any, **options: Any) -> httpx2.Response:
        return _record(send(client, *arguments, **options))

    async def sent_async(client: httpx2.AsyncClient, *arguments: Any, **options: Any) -> httpx2.Response:
        return _record(await send_async(client, *arguments, **options))

    httpx2.Client.send = sent  # type: ignore[assignment, method-assign]
    httpx2.AsyncClient.send = sent_async  # type: ignore[assignment, method-assign]


def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker has seen."""
    seen.update(Answer(*answer) for answer in getattr(node, "workeroutput", {}).get("answers", ()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was seen over to the controller, which fails a whole run for what was not."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["answers"] = [list(answer) for answer in seen]
        return
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    if is_whole and session.exitstatus == pytest.ExitCode.OK and unseen():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell what the document describes and no test has seen."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and (missing := unseen()):
        terminalreporter.section("Described in the OpenAPI document, and seen by no test")
        for answer in missing:
            terminalreporter.line(" ".join(map(str, answer)))
