"""How the document is served: with an ETag, and compressed for those who take it so."""

import gzip
import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import FastAPI, Request, Response

from shared.http.edge import elements
from shared.http.reads import unless_known


def serve_document(app: FastAPI, path: str, document: Callable[[], dict[str, Any]]) -> None:
    """Answer GET at the path with the document, in place of what answers there. It is encoded once, when it is first
    asked for.
    """

    @cache
    def encoded() -> tuple[bytes, bytes, str]:
        content = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()
        return content, gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest()[:24]

    async def answer(request: Request) -> Response:
        content, packed, digest = encoded()
        is_packed = _takes_gzip(request)
        # A strong tag is of the bytes that are sent, so each coding has its own (RFC 9110 §8.8.3.3).
        tag = f'"{digest}-gzip"' if is_packed else f'"{digest}"'
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", "ETag": tag}
        response = unless_known(request, packed if is_packed else content, headers)
        if is_packed and response.status_code == 200:
            response.headers["Content-Encoding"] = "gzip"
        return response

    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != path]
    app.add_route(path, answer, include_in_schema=False)


def _takes_gzip(request: Request) -> bool:
    """Whether `Accept-Encoding` allows gzip by its name, with a weight that is not zero (RFC 9110 §12.5.3)."""
    for element in elements(request.headers.getlist("accept-encoding")):
        coding, _, weight = element.replace(" ", "").lower().partition(";q=")
        if coding in {"gzip", "x-gzip"}:
            return weight.strip("0.") != "" or not weight
    return False
