"""The route of every module: what changes state runs in one unit of work, committed before the reply is sent."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from shared.errors import Contended
from shared.http.injection import injected
from shared.http.openapi import ANY_PROBLEM, operation_id
from shared.http.reading import short_way
from shared.persistence.database import Database

MOST_ATTEMPTS = 3
"""How often a unit of work is run when it meets another in a deadlock or a serialization failure."""

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110 §9.2.1): their reads take the read lane."""

API_PREFIX = "/api/v1"


class Route(APIRoute):
    """Has its endpoint's dependencies injected, without a decorator that one could forget.

    And opens the unit of work at the edge: what returns is committed, what raises (COMMIT, too) is rolled back whole.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, injected(endpoint), **options)
        self._start = self.path.partition("{")[0]
        if self._only_reads():
            self.app = short_way(self.endpoint) or self.app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Most of a hundred routes begin otherwise, and telling that is cheaper than a regular expression.
        return super().matches(scope) if scope["path"].startswith(self._start) else (Match.NONE, {})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self._only_reads():
            return handle

        async def handle_in_unit_of_work(request: Request) -> Response:
            database: Database = request.app.state.database
            attempts = 0
            while True:
                attempts += 1
                try:
                    async with database.unit_of_work():
                        return await handle(request)
                except Contended:
                    if attempts == MOST_ATTEMPTS:
                        raise
                    await asyncio.sleep(random.uniform(0, 0.05 * attempts))  # noqa: S311 (only not to meet again)

        return handle_in_unit_of_work

    def _only_reads(self) -> bool:
        return (self.methods or set()) <= SAFE_METHODS


def resource_router(path: str, route_class: type[Route] = Route) -> APIRouter:
    """The router of a resource: `resource_router("/projects")` serves `/api/v1/projects`, tagged `projects`."""
    return APIRouter(
        prefix=API_PREFIX + path,
        tags=[path.strip("/")],
        route_class=route_class,
        responses=ANY_PROBLEM,
        generate_unique_id_function=operation_id,
    )
