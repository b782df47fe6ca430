"""The front of an application: it serves what it can directly, and passes all other requests to FastAPI."""

from functools import cached_property

from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.edge import charge_more
from shared.http.routes.fastapi_seam import answer_to, is_traced
from shared.http.routes.query import QUERY, as_get
from shared.http.routes.table import RouteTable
from shared.observing import current_activity


class Dispatch:
    """Finds the route of each request in the table. A path that is not in it is 404, at the same cost."""

    def __init__(self, app: FastAPI, fastapi: ASGIApp) -> None:
        """`fastapi` serves all other requests; it also finds its routes by the table."""
        self._app = app
        self._fastapi = fastapi
        self._table = RouteTable(app.router.routes)
        app.router.routes.insert(0, self._table)

    @cached_property
    def _is_all_fastapis(self) -> bool:
        """FastAPI must see each request that it traces. Known only at the first request."""
        return is_traced(self._app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if app.root_path:
            scope["root_path"] = app.root_path
        scope["app"] = app
        found = self._table.find(scope)
        if found.entry is not None:
            current_activity.get().name = found.entry.template
            if found.entry.units > 1:
                charge_more(scope["state"], found.entry.units - 1)
        if scope["method"] == QUERY and found.entry is not None:
            try:
                scope = await as_get(Request(scope, receive))
            except Exception as error:  # noqa: BLE001 (without an answer it is raised again)
                await (await answer_to(app, Request(scope), error))(scope, receive, send)
                return
        if found.entry is None and (found.allowed or not app.router.redirect_slashes):
            response = await answer_to(app, Request(scope, receive), found.refusal())
        elif (
            found.entry is None
            or (handle := found.entry.direct) is None
            or app.dependency_overrides
            or self._is_all_fastapis
        ):
            await self._fastapi(scope, receive, send)
            return
        else:
            scope.update(found.scope)
            request = Request(scope, receive, send)
            try:
                response = await handle(request)
            except Exception as error:  # noqa: BLE001 (without an answer it is raised again)
                response = await answer_to(app, request, error)
        await response(scope, receive, send)
