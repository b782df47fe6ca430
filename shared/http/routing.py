"""The route of every module: what changes state runs in one unit of work, committed before the reply is sent."""

import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from dependency_injector.wiring import DIWiringWarning, inject
from fastapi import Request, Response
from fastapi.routing import APIRoute

from shared.persistence.database import Database

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110 §9.2.1): their reads take the read lane."""


class Route(APIRoute):
    """Has its endpoint's dependencies injected, without a decorator that one could forget.

    And opens the unit of work at the edge: what returns is committed, what raises (COMMIT, too) is rolled back whole.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DIWiringWarning)  # Some have nothing to inject.
            super().__init__(path, inject(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.methods is not None and self.methods <= SAFE_METHODS:
            return handle

        async def handle_in_unit_of_work(request: Request) -> Response:
            database: Database = request.app.state.database
            async with database.unit_of_work():
                return await handle(request)

        return handle_in_unit_of_work
