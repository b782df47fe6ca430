"""The header fields of a request (RFC 9110 §5): trimmed, split into the elements of a list, the bearer token."""

import re
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers

RawHeaders = Iterable[tuple[bytes, bytes]]
Fields = tuple[tuple[bytes, bytes], ...]

_ELEMENT = re.compile(r'(?:[^,"]+|"[^"\\]*(?:\\.[^"\\]*)*"?)+')
_BEARER = re.compile(r"bearer(?: +(.*))?", re.IGNORECASE)


def trimmed(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """ASGI headers without the blanks and tabs around their values, which are no part of them (RFC 9110 §5.5)."""
    return [(name, value.strip(b" \t")) for name, value in headers]


def value_of(headers: RawHeaders, name: bytes) -> bytes:
    """The first value of a field of ASGI headers; empty when the field is absent."""
    for own, value in headers:
        if own == name:
            return value
    return b""


def sole(headers: Headers, name: str) -> str:
    """The value of a field that may occur once; empty when it is absent or repeated."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def elements(values: Sequence[str]) -> list[str]:
    """The elements of a list on one or several lines, without empty ones (RFC 9110 §5.6.1). A comma within quotes
    separates nothing.
    """
    found = (element.strip(" \t") for element in _ELEMENT.findall(",".join(values)))
    return [element for element in found if element]


def bearer_token(headers: Headers) -> str | None:
    """The caller's token (RFC 6750 §2.1); None without credentials or with another scheme. Any case of the scheme and
    several blanks after it are accepted.
    """
    return bearer_in(sole(headers, "authorization"))


def bearer_in(value: str) -> str | None:
    """The token in a value of `Authorization`, as `bearer_token` finds it."""
    match = _BEARER.fullmatch(value.strip(" \t"))
    return (match[1] or "") if match else None
