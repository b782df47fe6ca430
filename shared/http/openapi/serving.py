"""How the document is served."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import FastAPI, Request, Response

from shared.http.edge import JSON
from shared.http.reads import Content


def serve_document(app: FastAPI, path: str, document: Callable[[], dict[str, Any]]) -> None:
    """Answer GET at the path with the document, in place of what answers there. It is encoded once, when it is first
    asked for.
    """

    @cache
    def content() -> Content:
        encoded = json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode()
        return Content(encoded, JSON, {"Cache-Control": "no-cache"})

    async def answer(request: Request) -> Response:
        return content().answer(request)

    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != path]
    app.add_route(path, answer, include_in_schema=False)
