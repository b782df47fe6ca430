"""What a request asks of its unit of work: an idempotency key, preconditions, a dry run, a minimal answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from shared.errors import InvalidInput
from shared.http.edge import elements, precondition_tags
from shared.writes import Tags

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r'^([!#-~][ -~]*|"([ !#-\[\]-~]|\\["\\])+")$',
        "examples": ["5f0c6f0e-order-42"],
    },
    "description": "Makes it safe to send the request again: its answer is kept for 24 hours, and given again.",
}
IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "examples": ["*"]},
    "description": "The ETag of the resource to change: 412 when it has changed meanwhile. `*` is any version.",
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string", "examples": ["*"]},
    "description": "`*` creates only: 412 when the resource exists. An ETag: 412 when it is at that version.",
}
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string", "examples": ["return=minimal"]},
    "description": "`return=minimal` leaves the document out of the answer. Other preferences are ignored.",
}
DRY_RUN: dict[str, Any] = {
    "name": "dry_run",
    "in": "query",
    "schema": {"type": "boolean", "default": False, "examples": [True]},
    "description": "Check everything and give the answer, but keep no change.",
}
"""Parameters of changes in the OpenAPI document."""

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')


@dataclass(frozen=True)
class Wishes:
    """What a request asks of its unit of work."""

    key: str | None
    if_match: Tags | None
    if_none_match: Tags | None
    dry_run: bool
    is_minimal: bool

    @classmethod
    def of(cls, request: Request) -> "Wishes":
        """Raises InvalidInput, which names the header or the parameter."""
        given: dict[bytes, list[str]] = {}
        for name, value in request.scope["headers"]:  # One pass, since most requests have none of them.
            if name in _HEADERS:
                given.setdefault(name, []).append(value.decode("latin-1"))
        dry_run = (request.scope["query_string"] and request.query_params.getlist("dry_run")) or ["false"]
        if not given and dry_run == ["false"]:
            return _NONE
        if len(dry_run) > 1 or dry_run[0] not in {"true", "false"}:
            raise InvalidInput("This is true or false.", parameter="dry_run")
        if_match, if_none_match = _tags(given.get(b"if-match")), _tags(given.get(b"if-none-match"))
        if if_none_match is not None and if_none_match.is_malformed:
            raise InvalidInput("This is * or a list of entity tags, in quotes.", parameter="If-None-Match")
        if if_match is not None and if_none_match is not None and if_none_match.is_any:
            raise InvalidInput("This contradicts If-Match.", parameter="If-None-Match")
        is_minimal = _prefers_minimal(given.get(b"prefer", []))
        return cls(_key(given.get(b"idempotency-key")), if_match, if_none_match, dry_run[0] == "true", is_minimal)

    @classmethod
    def none_in(cls, request: Request) -> "Wishes":
        """For an endpoint that grants no wishes. The headers are ignored, like unknown ones. But a dry run is refused:
        the client must not get the real change instead. Raises InvalidInput.
        """
        if "dry_run" in request.query_params:
            raise InvalidInput("There is no dry run of this.", parameter="dry_run")
        return _NONE


_NONE = Wishes(None, None, None, dry_run=False, is_minimal=False)
_HEADERS = {b"idempotency-key", b"if-match", b"if-none-match", b"prefer"}


def _key(given: Sequence[str] | None) -> str | None:
    """The key, bare or as a string of RFC 9651 §3.3.3, which the Idempotency-Key draft makes of it: it is the same."""
    if not given:
        return None
    key = given[0]
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if len(given) > 1 or not _KEY.fullmatch(key):
        detail = 'This is 1 to 255 printable ASCII characters, as they are or as a "string".'
        raise InvalidInput(detail, parameter="Idempotency-Key")
    return key


def _tags(given: Sequence[str] | None) -> Tags | None:
    return precondition_tags(",".join(given)) if given else None


def _prefers_minimal(given: Sequence[str]) -> bool:
    """Of a repeated preference, the first counts (RFC 7240 §2)."""
    for preference in elements(given):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            return value.strip().strip('"').lower() == "minimal"
    return False
