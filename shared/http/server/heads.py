"""Faults in the head of a request that the parser lets pass."""

import re

from shared.errors import DomainError
from shared.http.edge import HeadTooLarge, MalformedRequest
from shared.http.server.framing import Fields

MOST_FIELDS = 256
"""Header fields of a request. Each search for one walks them all."""

_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
"""A host and a port (RFC 3986 §3.2), of which the host may be empty."""


def fault_of(headers: Fields, method: bytes, version: str) -> DomainError | None:
    """The reason to refuse the request, or None. The names of the fields are in lower case."""
    if len(headers) > MOST_FIELDS:
        return HeadTooLarge(f"A request has at most {MOST_FIELDS} header fields.")
    if version not in {"1.0", "1.1"}:
        return MalformedRequest("This server speaks HTTP/1.1.")
    if method == b"CONNECT":
        return MalformedRequest("This server is no proxy.")
    hosts = [value.strip(b" \t") for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(_HOST.fullmatch, hosts)):
        return MalformedRequest("A request has one Host header, with a host and perhaps a port.")  # RFC 9112 §3.2
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        return MalformedRequest("The only transfer coding that is taken is chunked.")  # RFC 9112 §6.1
    return None
