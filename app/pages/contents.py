"""Contents that stay as they are for the life of the process: with an entity tag, and compressed where that helps."""

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from fastapi import Request, Response

from shared.http.edge import JSON, elements, page_tag, preferred, tags_in

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

    @cached_property
    def _tag(self) -> str:
        """It is weak, since it is the same for the compressed content."""
        return page_tag(self.content)

    @cached_property
    def _compressed(self) -> bytes | None:
        return gzip.compress(self.content, mtime=0) if len(self.content) >= _LEAST_COMPRESSED else None

    def answer(self, request: Request) -> Response:
        """200 with the content, or 304 when the client has it (RFC 9110 §13.1.2)."""
        vary = [self.headers["Vary"]] if "Vary" in self.headers else []
        headers = {**self.headers, "ETag": self._tag, "Vary": ", ".join([*vary, "Accept-Encoding"])}
        known = ",".join(request.headers.getlist("if-none-match"))
        if known.strip() == "*" or self._tag in (tags_in(known) or ()):
            return Response(status_code=304, headers=headers)
        if self._compressed is not None and _takes_gzip(request):
            return Response(self._compressed, 200, {**headers, "Content-Encoding": "gzip"}, self.media_type)
        return Response(self.content, 200, headers, self.media_type)


def _takes_gzip(request: Request) -> bool:
    """Whether `Accept-Encoding` names gzip with a weight above zero (RFC 9110 §12.5.3)."""
    named = (element.partition(";") for element in elements(request.headers.getlist("accept-encoding")))
    return any(name.strip().lower() == "gzip" and not _REFUSED.fullmatch(weight) for name, _, weight in named)


def prefers_html(request: Request) -> bool:
    """Whether a person asks, with a browser: it names HTML, while a program that says nothing gets JSON."""
    return preferred(request.headers.getlist("accept"), [JSON, "text/html"]) == "text/html"
