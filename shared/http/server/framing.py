"""Framing: where a request may end in the received bytes, and how large its head and chunk framing have grown."""

from collections.abc import Sequence

_END = b"\r\n\r\n"
"""Of a head, and of a chunked body (RFC 9112 §2.1 and §7.1); the parser takes no bare line feeds."""
_CHUNKED_PIECE = 1 << 14
"""Bytes of a chunked body that the parser gets at once: the size of its framing is known per piece."""

Fields = Sequence[tuple[bytes, bytes]]


class Framing:
    """The framing of the requests on a connection. It limits the size of a head, and of what stands between and after
    the pieces of a chunked body: chunk extensions and trailer fields.
    """

    def __init__(self, most: int) -> None:
        """`most` is the limit in bytes."""
        self.is_too_large = False
        self._most = most
        self.begin_head()

    def begin_head(self) -> None:
        """Expect a head."""
        self._head_bytes = 0  # Empty lines before it do not count (RFC 9112 §2.2).
        self._between = 0
        self._left: int | None = None
        self._is_chunked = False
        self._tail = b""

    def begin_body(self, headers: Fields) -> None:
        """Expect the body that these fields, with names in lower case, announce."""
        self._left = next((int(value) for name, value in headers if name == b"content-length"), None)
        self._is_chunked = self._left is None

    def in_body(self) -> None:
        """A piece of the body has come."""
        self._between = 0

    def end_body(self, trailer: Fields) -> None:
        """The body is complete, with these trailer fields."""
        size = sum(len(name) + len(value) + len(": \r\n") for name, value in trailer)
        self.is_too_large |= size > self._most

    def end(self, received: bytes, start: int) -> int:
        """How far the parser may read in the received bytes: not beyond the end of a request or the limit of a head."""
        if self._left is not None:
            end = min(start + self._left, len(received))
            self._left -= end - start
            return end
        end = self._terminator(received, start)
        if self._is_chunked:
            self._between += end - start
            self.is_too_large |= self._between > self._most + _CHUNKED_PIECE
        else:
            self._head_bytes += end - start if self._head_bytes else len(received[start:end].lstrip(b"\r\n"))
            if self._head_bytes > self._most:
                self.is_too_large = True
                end -= self._head_bytes - self._most
        self._tail = (self._tail + received[max(start, end - 3) : end])[-3:]
        return end

    def _terminator(self, received: bytes, start: int) -> int:
        seam = (self._tail + received[start : start + 3]).find(_END)
        if seam >= 0:
            return start + seam + len(_END) - len(self._tail)
        within = min(start + _CHUNKED_PIECE, len(received)) if self._is_chunked else len(received)
        found = received.find(_END, start, within)
        return within if found < 0 else found + len(_END)
