"""The header fields of a request (RFC 9110 §5): trimmed, split into the elements of a list, and who they say calls."""

import re
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers

RawHeaders = Iterable[tuple[bytes, bytes]]

_ELEMENT = re.compile(r'(?:[^,"]+|"[^"\\]*(?:\\.[^"\\]*)*"?)+')
_BEARER = re.compile(r"bearer(?: +(.*))?", re.IGNORECASE)


def trimmed(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """As ASGI has them, without the blanks and tabs around a value, which are no part of it (RFC 9110 §5.5)."""
    return [(name, value.strip(b" \t")) for name, value in headers]


def sole(headers: Headers, name: str) -> str:
    """The value of a field that may be there once; empty when it is not there, or contradicts itself."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def elements(values: Sequence[str]) -> list[str]:
    """The elements of a list, which may stand on several lines, without empty ones (RFC 9110 §5.6.1). A comma within
    quotes is none.
    """
    found = (element.strip(" \t") for element in _ELEMENT.findall(",".join(values)))
    return [element for element in found if element]


def bearer_token(headers: Headers) -> str | None:
    """The token of the caller (RFC 6750 §2.1), after one blank or more and the scheme in letters of either case; None
    when another scheme is used, or none.
    """
    match = _BEARER.fullmatch(sole(headers, "authorization"))
    return (match[1] or "") if match else None
