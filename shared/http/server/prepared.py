"""A problem that is written once, and sent often: to refuse a request has to cost a fraction of serving it."""

import json
from collections.abc import Sequence
from typing import Any

from shared.errors import DomainError
from shared.http.edge import answer_bytes, request_id_of, status_of

_PATH, _ID = "/the/path", "the-id"
_MOST_CHARACTERS = 200
_EACH_TIME = (b"content-length", b"retry-after")


class PreparedProblem:
    """The answer to any request with this error, byte for byte what the application would answer, without the fields
    that ClientRules gives.
    """

    def __init__(self, error: DomainError) -> None:
        scope = {"type": "http", "headers": [], "raw_path": _PATH.encode(), "state": {"request_id": _ID}}
        headers, self._body = answer_bytes(error, scope)
        lines = (b"%b: %b\r\n" % field for field in headers if field[0] not in _EACH_TIME)
        status = status_of(type(error))
        self._status = b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
        self._fields = b"".join(lines)

    def answer(self, scope: Any, first: Sequence[tuple[bytes, bytes]], retry_after: int, *, is_kept: bool) -> bytes:
        """The answer to a request, with these headers first. It may be sent again after so many seconds."""
        id = request_id_of(scope).encode()
        path = json.dumps(scope["raw_path"][:_MOST_CHARACTERS].decode("ascii", "replace"), ensure_ascii=False)
        body = self._body.replace(b'"%b"' % _PATH.encode(), path.encode()).replace(_ID.encode(), id)
        return b"".join(
            (
                self._status,
                *(b"%b: %b\r\n" % field for field in first),
                self._fields.replace(_ID.encode(), id),
                b"retry-after: %d\r\ncontent-length: %d\r\n" % (retry_after, len(body)),
                b"\r\n" if is_kept else b"connection: close\r\n\r\n",
                b"" if scope["method"] == "HEAD" else body,
            )
        )
