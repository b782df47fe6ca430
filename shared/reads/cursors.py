"""Cursors: where a page ended, signed, so that no client can make one or use it for another list."""

import base64
import hashlib
import hmac
import json
from typing import Any

from shared.errors import InvalidCursor
from shared.keys import Keys

_SIGNATURE_BYTES = 16


class Cursors:
    """Signs and reads cursors. They are bound to a context: the list, its filter and sort, and the caller."""

    def __init__(self, keys: Keys) -> None:
        # A key of their own: a cursor never passes for a token, or a token for a cursor.
        self._keys = [hmac.digest(key, b"cursors", hashlib.sha256) for key in keys]

    def sign(self, position: bytes, context: str) -> str:
        """The cursor for a position, a JSON array of the last row's sort values as PostgreSQL wrote it."""
        return _signed(self._keys[0], position, context)

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
        if not any(hmac.compare_digest(_signed(key, position, context), cursor) for key in self._keys):
            raise InvalidCursor(parameter=parameter)
        values: list[Any] = json.loads(position)
        return values


def _signed(key: bytes, position: bytes, context: str) -> str:
    signature = hmac.digest(key, context.encode() + b"\0" + position, hashlib.sha256)[:_SIGNATURE_BYTES]
    return base64.urlsafe_b64encode(signature + position).rstrip(b"=").decode()
