"""Domain errors: what can go wrong, in the domain's own words, with nothing of HTTP in it.

A module subclasses one of the kinds below. The class name becomes the error's `code`, the docstring the sentence that
the client reads, and `constraint=` names the database constraints that decide it.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple
from uuid import UUID


class DomainError(Exception):
    """The request could not be carried out."""

    code: ClassVar[str]
    title: ClassVar[str]
    retryable: ClassVar[bool] = False
    constraint: ClassVar[str | None] = None
    """The name of the database constraint that decides it."""
    members: Mapping[str, Any] = {}
    """Extra members of the problem document (RFC 9457 §3.2): of the kind, or of the one error."""

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
            cls.constraint = constraint
            DomainError.by_constraint[constraint] = cls
        if members is not None:
            cls.members = members

    def __init__(self, detail: str | None = None, *, pointer: str | None = None, parameter: str | None = None) -> None:
        """`pointer` (RFC 6901, into the body) or `parameter` (of path or query) names the input at fault."""
        self.detail = detail or self.describe()
        self.pointer = pointer
        self.parameter = parameter
        super().__init__(self.detail)

    @classmethod
    def describe(cls) -> str:
        """The docstring as one line."""
        return " ".join((inspect.getdoc(cls) or "").split())


class Malformed(DomainError):
    """The request could not be understood."""


class Unauthenticated(DomainError):
    """Valid credentials are needed: a bearer token that has not expired, of a session that has not ended."""


class Forbidden(DomainError):
    """You may see this but not do that to it."""


class NotFound(DomainError):
    """Nothing that you may see is here."""


class Gone(DomainError):
    """What this refers to is not kept any more."""


class Obstacle(NamedTuple):
    """A row that stands in the way."""

    resource: str
    id: UUID


class Conflict(DomainError):
    """The present state of the resource stands in the way."""

    obstacle: Obstacle | None = None
    """What does, where that is known. The caller is told of it if they may see it."""


class Invalid(DomainError):
    """The input breaks a rule."""


class InvalidInput(Invalid):
    """The request does not fit its schema. See `errors`."""


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
    """Another change stood in the way, and still did when this one was tried again."""


class CommitInDoubt(Unavailable):
    """The database was lost just when the change was to be kept, and whether it was is not known. An idempotency key
    makes it safe to ask again.
    """


class InvalidCursor(Malformed):
    """This cursor was not made by this server for this list. Start again without it."""
