"""The request id: it names a request in its answer, its problem and the log."""

import re

from starlette.types import Scope
from uuid_utils import uuid7

from shared.http.edge.headers import value_of

_SANE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def request_id_of(scope: Scope) -> str:
    """The client's `X-Request-ID` if it is well-formed, else a new one."""
    state = scope.setdefault("state", {})
    request_id: str | None = state.get("request_id")
    if request_id is None:
        given = value_of(scope["headers"], b"x-request-id").decode("latin-1")
        request_id = state["request_id"] = given if _SANE.fullmatch(given) else str(uuid7())
    return request_id
