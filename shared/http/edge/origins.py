"""Web pages of other origins: which of them may call, and what browsers let them read of the answers (CORS).

What the Fetch standard calls credentials, cookies above all, has no part in it: a page sends its token itself. That is
a credential all the same, so there is no wildcard: each origin is named in the settings.
"""

from collections.abc import Mapping
from typing import Any

from shared.http.edge.headers import Fields, RawHeaders, value_of
from shared.settings import Settings

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, QUERY"
ALLOWED = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, "
    "X-Consistency, X-Request-ID, traceparent, tracestate"
)
"""Headers of requests. `Authorization` has to be named, whatever else is allowed."""
EXPOSED = (
    "Accept, Accept-Patch, Accept-Query, Allow, Content-Disposition, Deprecation, ETag, Idempotency-Replayed, Link, "
    "Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Sunset, WWW-Authenticate, X-Consistency, "
    "X-Request-ID"
)
"""Headers of answers that a page may read beside those that are always open to it."""
MAX_AGE = 7200
"""Seconds for which a browser keeps the answer to a preflight; Chromium takes no more."""

_ORIGIN = b"origin"
_VARY = (b"vary", b"Origin")
SAME_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")
"""Of an answer that no page of another origin may have."""
_CROSS = (b"cross-origin-resource-policy", b"cross-origin")


class Origins:
    """The origins whose pages may call."""

    def __init__(self, settings: Settings) -> None:
        origins = [origin.encode() for origin in (settings.cors_origins or "").split()]
        self._others: Fields = (SAME_ORIGIN, _VARY) if origins else (SAME_ORIGIN,)
        self._fields: dict[bytes, Fields] = {origin: self._for(origin) for origin in origins}

    def fields(self, headers: RawHeaders) -> Fields:
        """What the answer to a request with these headers has: every answer, errors included."""
        if not self._fields:
            return self._others
        return self._fields.get(value_of(headers, _ORIGIN), self._others)

    def is_preflight(self, scope: Mapping[str, Any]) -> bool:
        """Whether a browser asks if a page of an origin that may call may send a request."""
        return (
            scope["method"] == "OPTIONS"
            and value_of(scope["headers"], _ORIGIN) in self._fields
            and value_of(scope["headers"], b"access-control-request-method") != b""
        )

    @staticmethod
    def _for(origin: bytes) -> Fields:
        return (
            _CROSS,
            _VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED.encode()),
        )


PREFLIGHT = {
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": ALLOWED,
    "Access-Control-Max-Age": str(MAX_AGE),
}
"""The answer to a preflight, beside the fields of every answer. It is the same for all paths: whether there is such an
operation, the request itself finds out.
"""
