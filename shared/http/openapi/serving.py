"""How the document is served."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from fastapi import FastAPI, Request, Response

from shared.http.edge import JSON
from shared.http.reads import Content

MAKING = RLock()
"""To make a document takes seconds of processor where there are many modules: one at a time, and nobody sees it before
it is complete.
"""


TURN = 0.0005
"""Seconds for which a document is made before a request has its turn, of which it needs several: a tenth of Python's
own."""


@contextmanager
def _others_first() -> Iterator[None]:
    own = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(own)


class Served:
    """A document, made and encoded once: in a thread, so that no other request waits."""

    def __init__(self, document: Callable[[], dict[str, Any]]) -> None:
        self._document = document
        self._made: Content | None = None

    def make(self) -> Content:
        """The document as it is sent."""
        with MAKING:
            if self._made is None:
                with _others_first():
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
