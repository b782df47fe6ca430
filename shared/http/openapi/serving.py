"""How the document is served."""

import asyncio
import json
from collections.abc import Callable
from threading import RLock
from typing import Any

from fastapi import FastAPI, Request, Response

from shared.http.edge import JSON
from shared.http.reads import Content
from shared.turns import in_short_turns

MAKING = RLock()
"""To make a document takes seconds of processor where there are many modules: one at a time, and nobody sees it before
it is complete.
"""


class Served:
    """A document, made and encoded once: in a thread, so that no other request waits."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document
        self._made: Content | None = None

    def make(self) -> Content:
        """The document as it is sent."""
        with MAKING:
            if self._made is None:
                with in_short_turns():
                    encoded = json.dumps(self._document(), ensure_ascii=False, separators=(",", ":")).encode()
                self._made = Content(encoded, JSON, {"Cache-Control": "no-cache"})
            return self._made

    async def answer(self, request: Request) -> Response:
        """The endpoint."""
        made = self._made if self._made is not None else await asyncio.to_thread(self.make)
        return made.answer(request)


def serve_document(app: FastAPI, path: str, served: Served) -> None:
    """Answer GET at the path with the document, in place of what answers there."""

    async def answer(request: Request) -> Response:
        return await served.answer(request)

    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != path]
    app.add_route(path, answer, include_in_schema=False)
