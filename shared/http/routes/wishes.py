"""What a request asks of its unit of work, by headers and in the query: an idempotency key, preconditions, a dry run, a
minimal answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from shared.errors import InvalidInput
from shared.http.edge import elements
from shared.writes import Tags

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "Makes it safe to send the request again: for 24 hours its answer is kept, and given again.",
    },
    {
        "name": "If-Match",
        "in": "header",
        "schema": {"type": "string"},
        "description": "The ETag of what is changed; 412 when it has changed meanwhile.",
    },
    {
        "name": "Prefer",
        "in": "header",
        "schema": {"type": "string", "enum": ["return=minimal", "return=representation"]},
        "description": "`return=minimal`: no document in the answer.",
    },
    {
        "name": "dry_run",
        "in": "query",
        "schema": {"type": "boolean", "default": False},
        "description": "Do everything but keep it, and answer what would be.",
    },
]
"""What the OpenAPI document says of it."""

IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string", "enum": ["*"]},
    "description": "Create only; 412 when there is one.",
}
"""What an operation that creates or replaces says besides."""

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
        dry_run = request.query_params.getlist("dry_run") or ["false"]
        if len(dry_run) > 1 or dry_run[0] not in {"true", "false"}:
            raise InvalidInput("This is true or false.", parameter="dry_run")
        if_match, if_none_match = (_tags(request, name) for name in ("If-Match", "If-None-Match"))
        if if_none_match is not None and if_none_match.is_malformed:
            raise InvalidInput("This is * or a list of entity tags, in quotes.", parameter="If-None-Match")
        if if_match is not None and if_none_match is not None and if_none_match.is_any:
            raise InvalidInput("This contradicts If-Match.", parameter="If-None-Match")
        is_minimal = _prefers_minimal(request.headers.getlist("prefer"))
        return cls(_key(request), if_match, if_none_match, dry_run[0] == "true", is_minimal)

    @classmethod
    def none_in(cls, request: Request) -> "Wishes":
        """Those of a request that can have none. Headers that mean nothing here are ignored, like any unknown one; but
        who believes in a dry run must not be answered with the real thing. Raises InvalidInput.
        """
        if "dry_run" in request.query_params:
            raise InvalidInput("There is no dry run of this.", parameter="dry_run")
        return cls(None, None, None, dry_run=False, is_minimal=False)


def _key(request: Request) -> str | None:
    """The key, bare or as a string of RFC 9651 §3.3.3, which the Idempotency-Key draft makes of it: it is the same."""
    given = request.headers.getlist("idempotency-key")
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


def _tags(request: Request, name: str) -> Tags | None:
    given = request.headers.getlist(name)
    return Tags.of(",".join(given)) if given else None


def _prefers_minimal(given: Sequence[str]) -> bool:
    """RFC 7240 §2: of a preference that is there twice, the first counts."""
    for preference in elements(given):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            return value.strip().strip('"').lower() == "minimal"
    return False
