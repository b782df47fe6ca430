"""Preconditions of a change (RFC 9110 §13): the version that a client has seen, against the one that there is."""

import re
from contextvars import ContextVar
from dataclasses import dataclass

from shared.errors import DomainError

_TAG = re.compile(r'(W/)?"(?:([1-9][0-9]{0,17})-)?[^"]*"(?=\s*(?:,|$))')


class PreconditionFailed(DomainError):
    """There is nothing here whose version `If-Match` could be compared with."""


class VersionMismatch(PreconditionFailed):
    """This was changed meanwhile. Read it again; the ETag header has its present version."""

    def __init__(self, etag: str) -> None:
        super().__init__()
        self.etag = etag


class AlreadyThere(VersionMismatch):
    """There is one already, and `If-None-Match` wants none. The ETag header has its present version."""


class PreconditionRequired(DomainError):
    """A change has to say by `If-Match` which version it is a change of."""


@dataclass
class Precondition:
    """What a request demands of the first row that it locks for its change."""

    versions: frozenset[int] | None
    """None: any will do."""
    is_missing: bool = False
    """Whether there should be one, but the client gave none."""
    wants_none: bool = False
    """Whether there should be no such row: `If-None-Match: *`."""
    is_settled: bool = False

    @property
    def wants_one(self) -> bool:
        """Whether there has to be a row."""
        return not (self.is_missing or self.wants_none)

    @property
    def refusal(self) -> type[VersionMismatch]:
        """What a row that it does not allow is refused with."""
        return AlreadyThere if self.wants_none else VersionMismatch

    @classmethod
    def of(cls, if_match: str) -> "Precondition":
        """From an `If-Match`. It compares strongly; of a tag's parts, the version alone counts."""
        if if_match.strip() == "*":
            return cls(None)
        if _TAG.sub("", if_match).strip(", \t"):
            return cls(frozenset())  # No list of tags.
        tags = _TAG.findall(if_match)
        return cls(frozenset(int(version) for weak, version in tags if version and not weak))

    def allows(self, version: int) -> bool:
        """Whether the change may go on. Raises PreconditionRequired."""
        self.is_settled = True
        if self.is_missing:
            raise PreconditionRequired
        return not self.wants_none and (self.versions is None or version in self.versions)


precondition: ContextVar[Precondition | None] = ContextVar("precondition", default=None)
"""Of the request that is being answered; None where there is no request, or nothing is demanded."""
