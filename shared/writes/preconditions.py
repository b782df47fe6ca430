"""Preconditions of a change (RFC 9110 §13): compare the version that a client has seen with the present one."""

from dataclasses import dataclass
from typing import NamedTuple

from shared.errors import DomainError

_WEAK = (
    "A weak tag never matches in If-Match, which compares strongly (RFC 9110 §13.1.1). The ETag header has the present "
    "one."
)
_UNKNOWN = "No tag in If-Match names a version that this has had. The ETag header has the present one."
_NO_TAGS = (
    "If-Match is neither * nor a list of entity tags, each in its quotes (RFC 9110 §8.8.3). The ETag header has the "
    "present one."
)
_UNWANTED = "This is at a version that If-None-Match names. The ETag header has it."


class PreconditionFailed(DomainError):
    """There is no resource here to compare `If-Match` with."""


class VersionMismatch(PreconditionFailed):
    """This was changed meanwhile. Read it again; the ETag header has its present version."""

    def __init__(
        self, version: int, content: bytes | None, detail: str | None = None, *, parameter: str | None = None
    ) -> None:
        """`version` and `content` are the present ones; a deleted row has no content."""
        super().__init__(detail, parameter=parameter)
        self.version = version
        self.content = content


class AlreadyThere(VersionMismatch):
    """This exists already, and `If-None-Match` demands that it does not. The ETag header has its present version."""


class PreconditionRequired(DomainError):
    """Send `If-Match` with the ETag of the version that you change."""


class Tags(NamedTuple):
    """The entity tags that a precondition names, by their versions."""

    is_any: bool = False
    """Whether it is `*`."""
    strong: frozenset[int] = frozenset()
    weak: frozenset[int] = frozenset()
    has_weak: bool = False
    """Whether there is a weak tag, with or without a version."""
    is_malformed: bool = False


@dataclass(frozen=True)
class Precondition:
    """The conditions that a request sets for the row that it changes."""

    if_match: Tags | None = None
    if_none_match: Tags | None = None
    is_required: bool = False
    """Whether a change without `If-Match` is refused."""

    @property
    def wants_one(self) -> bool:
        """Whether the row has to exist."""
        return self.if_match is not None

    def allows(self, version: int) -> bool:
        """Whether a row of this version may be changed. Raises PreconditionRequired."""
        unwanted = self.if_none_match or Tags()
        if unwanted.is_any:
            return False
        if self.if_match is None and self.is_required:
            raise PreconditionRequired
        if version in unwanted.strong | unwanted.weak:
            return False
        return self.if_match is None or self.if_match.is_any or version in self.if_match.strong

    def refusal(self, version: int, content: bytes | None) -> VersionMismatch:
        """The error for a row that is not allowed. It says "changed meanwhile" only where that is true."""
        seen, unwanted = self.if_match or Tags(is_any=True), self.if_none_match or Tags()
        if unwanted.is_any:
            return AlreadyThere(version, content)
        if version in unwanted.strong | unwanted.weak:
            return VersionMismatch(version, content, _UNWANTED)
        if seen.is_malformed:
            return VersionMismatch(version, content, _NO_TAGS, parameter="If-Match")
        if version in seen.weak or (seen.has_weak and not seen.strong):
            return VersionMismatch(version, content, _WEAK)
        was_there = any(known < version for known in seen.strong)
        return VersionMismatch(version, content, None if was_there else _UNKNOWN)
