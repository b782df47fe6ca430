"""Domain errors: what can go wrong, in the domain's words and without HTTP.

A module subclasses one of the kinds below. The class name becomes the error's `code`, the docstring the sentence that
the client reads, and `constraint=` names the database constraint that decides it, unless `live_unique` names the error.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field


class DomainError(Exception):
    """The request could not be carried out."""

    code: ClassVar[str]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False
    constraint: ClassVar[str | None] = None
    """The database constraint whose violation means this error."""
    held_back: ClassVar[float] = 0
    """Seconds before it is answered: a flood of those who ask again at once, whatever `Retry-After` says, is so much
    less."""
    members: Mapping[str, Any] = {}
    """Extra members of the problem document (RFC 9457 §3.2), set for the class or for one error."""
    document: ClassVar[type[BaseModel] | None] = None
    """The schema of `members`, where an error sets them."""

    catalogue: ClassVar[dict[str, type["DomainError"]]] = {}
    """Every error there is, by code."""
    by_constraint: ClassVar[dict[str, type["DomainError"]]] = {}
    """The error that a violated database constraint means, by the constraint's name."""

    def __init_subclass__(cls, *, constraint: str | None = None, members: Mapping[str, Any] | None = None) -> None:
        super().__init_subclass__()
        words = re.findall(r"[A-Z][a-z0-9]*", cls.__name__)
        cls.code = "_".join(words).lower()
        cls.title = " ".join(words).capitalize()
        known = DomainError.catalogue.setdefault(cls.code, cls)
        if known.__module__ != cls.__module__:
            raise TypeError(f"The error code {cls.code!r} of {cls.__module__} is taken by {known.__module__}.")
        if constraint is not None:
            cls.tells_of(constraint)
        if members is not None:
            cls.members = members

    def __init__(self, detail: str | None = None, *, pointer: str | None = None, parameter: str | None = None) -> None:
        """`pointer` (RFC 6901, into the body) or `parameter` (of path or query) names the input at fault."""
        self.detail = detail or self.describe()
        self.pointer = pointer
        self.parameter = parameter
        super().__init__(self.detail)

    @classmethod
    def tells_of(cls, constraint: str) -> None:
        """The violation of this database constraint means this error."""
        cls.constraint = constraint
        DomainError.by_constraint[constraint] = cls

    @classmethod
    def describe(cls) -> str:
        """The docstring as one line."""
        return " ".join((inspect.getdoc(cls) or "").split())


class Malformed(DomainError):
    """The request could not be understood."""


class Unauthenticated(DomainError):
    """Send a bearer token that has not expired, of a session that has not ended."""


class Forbidden(DomainError):
    """You may see this but not do that to it."""


class NotFound(DomainError):
    """Nothing that you may see is here."""


class Gone(DomainError):
    """What this refers to is no longer kept."""


class Obstacle(BaseModel):
    """A row that stands in the way."""

    resource: str = Field(description="The kind of the row, as the change feed names it.", examples=["projects"])
    id: UUID = Field(description="Its id.")


class Hindrance(BaseModel):
    """What a conflict tells beside all that a problem has."""

    obstacle: Obstacle | None = Field(
        None,
        description="The row in the way, if that is known and you may see it.",
        examples=[{"resource": "tags", "id": "019c2f4e-0000-7000-8000-000000000000"}],
    )


class Conflict(DomainError):
    """The request conflicts with the present state of the resource."""

    document: ClassVar[type[BaseModel] | None] = Hindrance
    obstacle: Obstacle | None = None
    """The row in the way, where that is known. The caller is told of it if they may see it."""


class Invalid(DomainError):
    """The input breaks a rule."""


class InputError(BaseModel):
    """One thing that is wrong with the input."""

    pointer: str | None = Field(None, description="JSON Pointer (RFC 6901) into the body.")
    parameter: str | None = Field(None, description="The name of a parameter of the path or the query, or of a header.")
    code: str = Field(description="What is wrong, for programs.")
    message: str = Field(description="What is wrong, in words. The rejected value is never quoted.")


class InputErrors(BaseModel):
    """What a problem with the input tells beside all that a problem has."""

    errors: list[InputError] = Field(
        description="What is wrong, and where.",
        examples=[[{"pointer": "/name", "code": "missing", "message": "Field required"}]],
    )


class InvalidInput(Invalid):
    """The request does not fit its schema. See `errors`."""

    document = InputErrors


class TooLarge(DomainError):
    """The request is larger than this server takes."""


class TooManyRequests(DomainError):
    """You ask for more at once than one caller may have. Try again later."""

    retryable = True

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        """`retry_after` is in seconds."""
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """The service cannot answer just now. Try again shortly."""

    retryable = True


class Contended(Unavailable):
    """Other changes kept getting in the way of this one. Try again shortly."""


class CommitInDoubt(Unavailable):
    """The connection to the database was lost during the commit: the change may have been kept, or not. With an
    idempotency key it is safe to send the request again.
    """


class InvalidCursor(Malformed):
    """This cursor was not made by this server for this list. Start again without it."""
