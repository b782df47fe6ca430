"""Preconditions of a change (RFC 9110 §13): the version that a client has seen, against the one that there is."""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, Self

from shared.errors import DomainError

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*(?:{_TAG}[ \t]*(?:,[ \t,]*|$))*")
_VERSION = re.compile(r'(?:W/)?"([1-9][0-9]{0,17})-')

_WEAK = (
    "A weak tag never matches in If-Match, which compares strongly (RFC 9110 §13.1.1). The ETag header has the present "
    "one."
)
_UNKNOWN = "No tag in If-Match is of a version that this has had. The ETag header has the present one."
_NO_TAGS = (
    "If-Match is neither * nor a list of entity tags, each in its quotes (RFC 9110 §8.8.3). The ETag header has the "
    "present one."
)
_UNWANTED = "This is at a version that If-None-Match names. The ETag header has it."


class PreconditionFailed(DomainError):
    """There is nothing here whose version `If-Match` could be compared with."""


class VersionMismatch(PreconditionFailed):
    """This was changed meanwhile. Read it again; the ETag header has its present version."""

    def __init__(self, etag: str, detail: str | None = None, *, parameter: str | None = None) -> None:
        super().__init__(detail, parameter=parameter)
        self.etag = etag


class AlreadyThere(VersionMismatch):
    """There is one already, and `If-None-Match` wants none. The ETag header has its present version."""


class PreconditionRequired(DomainError):
    """A change has to say by `If-Match` which version it is a change of."""


def tags_in(text: str) -> list[str] | None:
    """The entity tags of a list (RFC 9110 §8.8.3); None when it is no such list."""
    return re.findall(_TAG, text) if _LIST.fullmatch(text) else None


class Tags(NamedTuple):
    """What a precondition names. Of a tag's parts, the version alone counts."""

    is_any: bool = False
    """Whether it is `*`."""
    strong: frozenset[int] = frozenset()
    weak: frozenset[int] = frozenset()
    has_weak: bool = False
    """Whether there is a weak one, be it of a version or not."""
    is_malformed: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """From the value of a header."""
        if text.strip(" \t") == "*":
            return cls(is_any=True)
        tags = tags_in(text)
        if tags is None:
            return cls(is_malformed=True)
        weak = [tag for tag in tags if tag.startswith("W/")]
        strong = [tag for tag in tags if not tag.startswith("W/")]
        return cls(False, _versions(strong), _versions(weak), bool(weak))


def _versions(tags: list[str]) -> frozenset[int]:
    return frozenset(int(found[1]) for found in map(_VERSION.match, tags) if found)


@dataclass
class Precondition:
    """What a request demands of the first row that it locks for its change."""

    if_match: Tags | None = None
    if_none_match: Tags | None = None
    is_required: bool = False
    """Whether a change has to have an `If-Match`."""
    is_settled: bool = False

    @property
    def wants_one(self) -> bool:
        """Whether there has to be a row."""
        return self.if_match is not None

    def allows(self, version: int) -> bool:
        """Whether the change may go on. Raises PreconditionRequired."""
        self.is_settled = True
        unwanted = self.if_none_match or Tags()
        if unwanted.is_any:
            return False
        if self.if_match is None and self.is_required:
            raise PreconditionRequired
        if version in unwanted.strong | unwanted.weak:
            return False
        return self.if_match is None or self.if_match.is_any or version in self.if_match.strong

    def refusal(self, version: int, etag: str) -> VersionMismatch:
        """What a row that it does not allow is refused with: "changed meanwhile" where that is true."""
        seen, unwanted = self.if_match or Tags(is_any=True), self.if_none_match or Tags()
        if unwanted.is_any:
            return AlreadyThere(etag)
        if version in unwanted.strong | unwanted.weak:
            return VersionMismatch(etag, _UNWANTED)
        if seen.is_malformed:
            return VersionMismatch(etag, _NO_TAGS, parameter="If-Match")
        if version in seen.weak or (seen.has_weak and not seen.strong):
            return VersionMismatch(etag, _WEAK)
        was_there = any(known < version for known in seen.strong)
        return VersionMismatch(etag, None if was_there else _UNKNOWN)


precondition: ContextVar[Precondition | None] = ContextVar("precondition", default=None)
"""Of the request that is being answered; None where there is no request, or nothing is demanded."""
