"""Problem details (RFC 9457): every error, also the framework's, becomes one kind of answer."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from shared import errors
from shared.auth import InsufficientScope, InvalidToken
from shared.errors import DomainError, InputError, InvalidInput
from shared.http.edge.entity_tags import document_tag
from shared.http.edge.places import leave
from shared.http.edge.request_id import request_id_of
from shared.http.edge.tags import Tag, operation_id
from shared.writes import PreconditionFailed, PreconditionRequired, VersionMismatch

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 100
MOST_CHARACTERS = 200
"""The most that a problem document lists and quotes, whatever the size of the input."""


class MalformedBody(errors.Malformed):
    """The body could not be parsed."""


class MalformedRequest(errors.Malformed):
    """This is not a valid HTTP/1.1 request (RFC 9112)."""


class RequestTimeout(DomainError):
    """The request took too long to arrive. Send it again."""

    retryable = True


class HeadTooLarge(DomainError):
    """The head of the request, or the framing of its chunked body, is larger than this server takes."""


class NoSuchPath(errors.NotFound):
    """There is nothing at this path."""


class MethodNotAllowed(DomainError):
    """The path is known, but not with this method. See the Allow header."""


class UnsupportedMediaType(DomainError):
    """This endpoint does not take a body of this media type."""

    def __init__(self, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        """`headers` name what is taken."""
        super().__init__(detail)
        self.headers = headers or {}


class NotAcceptable(DomainError):
    """This endpoint has no representation that the Accept header allows."""


class RequestRefused(DomainError):
    """The server refuses this request."""


class InternalError(DomainError):
    """Something went wrong on our side. Quote the request_id when you report it."""


STATUS: Mapping[type[DomainError], HTTPStatus] = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Gone: HTTPStatus.GONE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    RequestRefused: HTTPStatus.BAD_REQUEST,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The one place where a domain error becomes an HTTP status. A kind that is not here is our own failure: 500."""

HEADERS: Mapping[type[DomainError], Mapping[str, str]] = {
    errors.Unauthenticated: {"WWW-Authenticate": 'Bearer realm="trellis"'},  # RFC 6750 §3
    InvalidToken: {"WWW-Authenticate": 'Bearer realm="trellis", error="invalid_token"'},
    InsufficientScope: {"WWW-Authenticate": 'Bearer realm="trellis", error="insufficient_scope"'},  # RFC 6750 §3.1
    NotAcceptable: {"Vary": "Accept"},
    errors.Unavailable: {"Retry-After": "1"},
}


class ProblemKind(BaseModel):
    """An entry of the catalogue of errors."""

    code: str = Field(description="Stable: let programs decide by it.", examples=["project_not_found"])
    title: str = Field(description="The code in words.")
    status: int = Field(description="The status of the answer.", examples=[404])
    detail: str = Field(description="What is wrong and what to do, for people.")
    retryable: bool = Field(description="Whether the same request may succeed later.")


class Problem(ProblemKind):
    """An error (RFC 9457)."""

    type: str = Field(description="Leads to the entry of the catalogue.", examples=["/problems/project_not_found"])
    instance: str = Field(description="The path of the request.")
    request_id: str = Field(description="Quote it when you report the problem.")
    errors: list[InputError] = Field([], description="For invalid input: what is wrong, and where.")


def status_of(error: type[DomainError]) -> HTTPStatus:
    """The HTTP status of an error."""
    return next((STATUS[kind] for kind in error.__mro__ if kind in STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


def headers_of(error: type[DomainError]) -> set[str]:
    """The names of the headers that an answer with the error has."""
    names = {name for kind in error.__mro__ for name in HEADERS.get(kind, {})}
    names |= {"ETag"} if issubclass(error, VersionMismatch) else set()
    return names | ({"Retry-After"} if issubclass(error, errors.TooManyRequests) else set())


def problem(request: Request, error: DomainError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error. The error's `members` are added to its document, or replace members of it; its
    `headers`, if it has any, are sent.
    """
    kind = type(error)
    places = {"pointer": error.pointer, "parameter": error.parameter}
    wrong = {"code": kind.code, "message": error.detail}
    inputs = [{place: _quoted(name), **wrong} for place, name in places.items() if name is not None]
    document: dict[str, Any] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": status_of(kind).value,
        "detail": error.detail,
        "instance": request.scope.get("raw_path", b"").decode("ascii", "replace")[:MOST_CHARACTERS],
        "code": kind.code,
        "request_id": request_id_of(request.scope),
        "retryable": kind.retryable,
        **({"errors": inputs} if inputs else {}),
        **error.members,
    }
    kept = {name: value for base in reversed(kind.__mro__) for name, value in HEADERS.get(base, {}).items()}
    if isinstance(error, VersionMismatch):
        kept["ETag"] = document_tag(error.version, error.content)
    if isinstance(error, InsufficientScope) and error.scope:
        kept["WWW-Authenticate"] += f', scope="{error.scope}"'
    kept |= getattr(error, "headers", {})
    if isinstance(error, errors.TooManyRequests):
        kept["Retry-After"] = str(error.retry_after)
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, document["status"], {**kept, **(headers or {})}, MEDIA_TYPE)


_OF_STATUS: Mapping[int, type[DomainError]] = {
    status.value: kind for kind, status in reversed(list(STATUS.items()))
} | {404: NoSuchPath}
_TELLING = ("Allow", "Retry-After", "WWW-Authenticate")
"""Headers that belong to a status and say how to go on."""


def problem_of_status(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an error of which only the status is known. An unknown 4xx becomes 400, as RFC 9110 §15 has
    clients treat it.
    """
    kind = _OF_STATUS.get(status, RequestRefused if status < 500 else InternalError)
    given = Headers(headers)
    return problem(request, kind(), headers={name: given[name] for name in _TELLING if name in given})


def install_problems(app: FastAPI) -> None:
    """Answer every error of the application and of the framework with a problem."""

    @app.exception_handler(DomainError)
    async def domain_error(request: Request, error: DomainError) -> Response:
        if error.held_back:
            leave(request.scope["state"])
            await asyncio.sleep(error.held_back)
        return problem(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid_input(request: Request, error: RequestValidationError) -> Response:
        invalid = InvalidInput()
        invalid.members = {"errors": [input_error(found) for found in error.errors()[:MOST_ERRORS]]}
        return problem(request, invalid)

    @app.exception_handler(HTTPException)
    async def framework_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            return problem(request, MalformedBody())
        return problem_of_status(request, error.status_code, error.headers)


# Pydantic's messages for these quote the input. A rejected value may be a secret and is never echoed.
_MESSAGES = {"uuid_parsing": "Input should be a valid UUID", "value_error": "Input is not valid"}


def input_error(found: Mapping[str, Any]) -> dict[str, str]:
    """An error of pydantic's as an entry of `errors`. Its `loc` begins with `body`, `path`, `query` or `header`."""
    source, *path = found["loc"]
    if source == "body":
        place = {"pointer": "".join(f"/{_escaped(_quoted(step))}" for step in path)}
    else:
        place = {"parameter": _quoted(path[0] if path else source)}
    return {**place, "code": found["type"], "message": _MESSAGES.get(found["type"], found["msg"])}


def _quoted(name: object) -> str:
    """A name that the client chose: it may be long, or hold half of a surrogate pair."""
    return str(name)[:MOST_CHARACTERS].encode(errors="replace").decode()


def _escaped(step: str) -> str:
    """A step of a JSON pointer (RFC 6901 §3)."""
    return step.replace("~", "~0").replace("/", "~1")


_Code = Annotated[str, Path(description="The `code` of a problem.", examples=["no_such_path"])]


_TAGS: list[str | Enum] = [
    Tag(
        "problems",
        "The catalogue of errors: what each code means, and what to do. The `type` of a problem leads here.",
    )
]


def problem_catalogue(route_class: type[APIRoute]) -> APIRouter:
    """`GET /problems` and `/problems/{code}`, to which a problem's `type` leads. `route_class` may answer with more."""
    router = APIRouter(
        prefix="/problems",
        tags=_TAGS,
        route_class=route_class,
        generate_unique_id_function=operation_id,
    )

    @router.get("")
    async def list() -> Iterable[ProblemKind]:
        """List every error that there is."""
        return [_kind(error) for _, error in sorted(DomainError.catalogue.items())]

    @router.get("/{code}")
    async def get(code: _Code) -> ProblemKind:
        """Get what an error means."""
        if code not in DomainError.catalogue:
            raise NoSuchPath
        return _kind(DomainError.catalogue[code])

    return router


def _kind(error: type[DomainError]) -> ProblemKind:
    return ProblemKind(
        code=error.code,
        title=error.title,
        status=status_of(error).value,
        detail=error.describe(),
        retryable=error.retryable,
    )
