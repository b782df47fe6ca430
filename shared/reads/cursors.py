"""Cursors: where a page ended, signed, so that no client can make one or use it for another list."""

import base64
import hashlib
import hmac
import json
from typing import Any

from shared.errors import InvalidCursor

_SIGNATURE_BYTES = 16


class Cursors:
    """Signs and reads cursors. They are bound to a context: the list, its filter and sort, and the caller."""

    def __init__(self, key: bytes) -> None:
        # A key of their own: a cursor never passes for a token, or a token for a cursor.
        self._key = hmac.digest(key, b"cursors", hashlib.sha256)

    def sign(self, position: bytes, context: str) -> str:
        """The cursor for a position, a JSON array of the last row's sort values as PostgreSQL wrote it."""
        signature = hmac.digest(self._key, context.encode() + b"\0" + position, hashlib.sha256)[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(signature + position).rstrip(b"=").decode()

    def read(self, cursor: str, context: str, parameter: str = "cursor") -> list[Any]:
        """The sort values of the position. Raises InvalidCursor, which names the parameter, for one that was not signed
        for this context.
        """
        try:
            signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise InvalidCursor(parameter=parameter) from error
        position = signed[_SIGNATURE_BYTES:]
        # Compared as text: base64 leaves bits of the last character unused, and those must match, too.
        if not hmac.compare_digest(self.sign(position, context), cursor):
            raise InvalidCursor(parameter=parameter)
        values: list[Any] = json.loads(position)
        return values
