"""The request id: one name for a request, in the answer, in the problem and in the log."""

import re
from contextvars import ContextVar

from starlette.datastructures import Headers
from starlette.types import Scope
from uuid_utils.compat import uuid7

_SANE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


current_request_id: ContextVar[str] = ContextVar("current_request_id", default="-")
"""For the log: the id of the request that is being answered."""


def request_id_of(scope: Scope) -> str:
    """The client's `X-Request-ID` when it sent a sane one, else one made here."""
    state = scope.setdefault("state", {})
    if "request_id" not in state:
        given = Headers(scope=scope).get("x-request-id", "")
        state["request_id"] = given if _SANE.fullmatch(given) else str(uuid7())
    request_id: str = state["request_id"]
    return request_id
