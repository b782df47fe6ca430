"""The ASGI application, assembled."""

import gc
import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.container import Application
from shared.http.batch import install_batch
from shared.http.edge import (
    ANY_PROBLEM,
    RequestContext,
    health_router,
    install_openapi,
    install_problems,
    operation_id,
    problem_catalogue,
)
from shared.http.imports import ImportRoute, Imports
from shared.http.reads import export_places, journal_router
from shared.http.routes import Mutations, change_turns

DESCRIPTION = "A REST API with a contract to rely on. Errors are problem details (RFC 9457); `/problems` lists them."


def create_app(application: Application) -> FastAPI:
    """The application as an ASGI server runs it."""
    kernel = application.kernel

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        application.build()
        _freeze_heap()
        yield
        await kernel.database().close()
        kernel.passwords().close()

    app: FastAPI = FastAPIOffline(
        title="Trellis",
        version=importlib.metadata.version("trellis"),
        description=DESCRIPTION,
        lifespan=lifespan,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
    )
    app.state.mutations = Mutations(
        kernel.database(),
        kernel.authenticator(),
        kernel.idempotency(),
        kernel.resources(),
        change_turns(kernel.settings()),
        require_if_match=kernel.settings().require_if_match,
    )
    app.state.imports = Imports(kernel.authenticator(), max(1, kernel.settings().pool_size // 2))
    app.state.exports = export_places()
    routes = [route for module in application.modules for route in module.router.routes]
    app.add_middleware(
        RequestContext,
        max_body_bytes=kernel.settings().max_body_bytes,
        larger={route.path: kernel.settings().max_import_bytes for route in routes if isinstance(route, ImportRoute)},
    )
    install_problems(app)
    install_openapi(app)
    application.wire()
    for module in application.modules:
        # Not included but taken over: FastAPI matches the routes of an included router anew at every level.
        app.router.routes.extend(module.router.routes)
    install_batch(app, kernel.database(), kernel.settings().max_body_bytes)
    app.router.routes.extend(journal_router(kernel.journal(), kernel.changes()).routes)
    app.include_router(problem_catalogue(), responses=ANY_PROBLEM)
    app.include_router(health_router(kernel.database()))
    return app


def _freeze_heap() -> None:
    """What stands now stands for good: full collections over it would only add 40 ms to the slowest requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
