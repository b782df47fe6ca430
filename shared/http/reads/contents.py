"""Contents that stay as they are for the life of the process: with an entity tag, and compressed where that helps."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fastapi import Request, Response

from shared.http.edge import elements
from shared.http.reads.responses import unless_known

_LEAST_COMPRESSED = 1000
"""Bytes; a shorter content fits into one packet as it is."""

_REFUSED = re.compile(r"[ \t]*q=0(\.0*)?[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Content:
    """Bytes of one media type, and the headers that every answer with them has."""

    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Without `ETag`, which is made here. `Vary` names what decides between this and other contents of its path."""

    def answer(self, request: Request) -> Response:
        """200 with the content, or 304 when the client has it (RFC 9110 §13.1.2)."""
        packed = self._compressed if _takes_gzip(request) else None
        vary = [self.headers["Vary"]] if "Vary" in self.headers else []
        # A strong tag is of the bytes that are sent, so each coding has its own (RFC 9110 §8.8.3.3).
        tag = f'"{self._digest}"' if packed is None else f'"{self._digest}-gzip"'
        headers = {**self.headers, "ETag": tag, "Vary": ", ".join([*vary, "Accept-Encoding"])}
        response = unless_known(request, self.content if packed is None else packed, headers, self.media_type)
        if packed is not None and response.status_code == 200:
            response.headers["Content-Encoding"] = "gzip"
        return response

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:24]

    @cached_property
    def _compressed(self) -> bytes | None:
        return gzip.compress(self.content, mtime=0) if len(self.content) >= _LEAST_COMPRESSED else None


def _takes_gzip(request: Request) -> bool:
    """Whether `Accept-Encoding` names gzip with a weight above zero (RFC 9110 §12.5.3)."""
    named = (element.partition(";") for element in elements(request.headers.getlist("accept-encoding")))
    accepted = {name.strip().lower() for name, _, weight in named if not _REFUSED.fullmatch(weight)}
    return bool(accepted & {"gzip", "x-gzip"})
