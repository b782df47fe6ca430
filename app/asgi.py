"""The ASGI application, assembled."""

import gc
import importlib.metadata
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from threading import Timer

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.binding import bound_routes, refuse_twins
from app.container import Application
from app.observing import observed
from app.pages import install_pages
from shared.http.batch import install_batch
from shared.http.edge import (
    ClientRules,
    ReadYourWrites,
    RequestContext,
    health_router,
    install_problems,
    operation_id,
    problem_catalogue,
)
from shared.http.imports import ImportRoute
from shared.http.openapi import install_openapi
from shared.http.reads import journal_router
from shared.http.routes import Binder, Dispatch, Route
from shared.observing import line_log
from shared.turns import in_short_turns

DESCRIPTION = "A REST API with a contract to rely on. Errors are problem details (RFC 9457); `/problems` lists them."
LATER_SECONDS = 5.0
"""After the start, the OpenAPI document and the statements of the feed are made without anybody asking, so that nobody
waits for them.
"""


class Trellis(FastAPI):
    """FastAPI behind our edge and our table of routes. FastAPI's own middleware only sees what is passed to FastAPI."""

    front: ASGIApp
    rules: ClientRules
    urgent: re.Pattern[str]

    def is_urgent(self, method: str, path: str) -> bool:
        """Whether a request is served even when the server is overloaded."""
        return self.urgent.fullmatch(f"{method} {path}") is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.front if scope["type"] == "http" else self.otherwise)(scope, receive, send)

    async def otherwise(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's own way."""
        await super().__call__(scope, receive, send)


def create_app(
    application: Application,
    beside: AbstractAsyncContextManager[None] = nullcontext(),  # noqa: B008 (no state)
) -> Trellis:
    """The application as an ASGI server runs it, and what runs beside it. Raises ManifestError where a route does not
    fit.
    """
    kernel = application.kernel

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        application.build()
        _freeze_heap()
        making = Timer(LATER_SECONDS, make_the_rest)  # No daemon: ending in its midst, Python may abort.
        making.start()
        try:
            async with observed(application, serves=True), beside:
                yield
        finally:
            making.cancel()
        await kernel.database().close()
        kernel.passwords().close()

    app = Trellis(
        title="Trellis",
        version=importlib.metadata.version("trellis"),
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # See app/observing/traces.py.
        docs_url=None,
        redoc_url=None,
    )

    def make_the_rest() -> None:
        make_document()
        with in_short_turns():
            kernel.changes().prepare()

    install_problems(app)
    make_document = install_openapi(app, application.handlers(), kernel.repositories())
    routes = app.router.routes
    route_with_page = install_pages(app)
    for module in application.modules:
        # Copied, not included: FastAPI matches included routers again at every level.
        routes.extend(bound_routes(application, module, app))
    first = len(routes)
    install_batch(app, kernel.settings().max_body_bytes)
    routes.extend(journal_router(kernel.journal(), kernel.changes()).routes)
    binder = Binder(kernel, kernel, application.http, app)
    routes[first:] = [route.bound(binder) for route in routes[first:] if isinstance(route, Route)]
    health = health_router(kernel.database(), application.http.drain(), kernel.settings().pool_wait_seconds)
    routes.extend(health.routes)
    routes.extend(problem_catalogue(route_with_page).routes)
    refuse_twins(routes)
    app.urgent = _matching([*health.routes, *(one for one in routes if isinstance(one, Route) and one.traits.urgent)])
    settings = kernel.settings()
    inner: ASGIApp = Dispatch(app, app.otherwise)
    if settings.replica_urls is not None:
        inner = ReadYourWrites(inner, kernel.authenticator().caller, settings.keys("consistency"))
    app.rules = ClientRules(settings, kernel.authenticator().known, app.is_urgent, kernel.watch())
    app.front = RequestContext(
        inner,
        max_body_bytes=settings.max_body_bytes,
        larger={route.path: settings.max_import_bytes for route in routes if isinstance(route, ImportRoute)},
        watch=kernel.watch(),
        lines=line_log("trellis.access") if settings.access_log else None,
        rules=app.rules,
    )
    return app


def _matching(routes: Iterable[BaseRoute]) -> re.Pattern[str]:
    """Matches the method and the path of each request to these routes."""
    found = []
    for route in routes:
        if isinstance(route, APIRoute):
            methods = {*(route.methods or ()), *(("HEAD",) if "GET" in (route.methods or ()) else ())}
            path = re.sub(r"\(\?P<\w+>", "(?:", route.path_regex.pattern.strip("^$"))
            found.append(f"(?:{'|'.join(sorted(methods))}) {path}")
    return re.compile("|".join(found))


def _freeze_heap() -> None:
    """Exclude all present objects from garbage collection: they stay, and full collections would take 40 ms each."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
