"""Small applications for tests of the kernel: one router, on a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dependency_injector import providers
from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient

from shared.auth.authentication import Authenticator
from shared.auth.tokens import AccessTokens
from shared.container import KernelContainer
from shared.extensions import Extensions
from shared.http.container import HttpContainer
from shared.http.edge.middleware import RequestContext
from shared.http.edge.problems import install_problems
from shared.http.routes.dispatch import Dispatch
from shared.http.routes.injection import Binder
from shared.http.routes.mutations import Mutations, TooManyChanges
from shared.http.routes.routing import Route
from shared.turns import Turns
from shared.wire.database import Database
from shared.writes.idempotency import Idempotency
from shared.writes.resources import Resources
from tests.answers import SMALL
from tests.patience import PATIENCE


@asynccontextmanager
async def client_of(router: APIRouter, database: Database) -> AsyncIterator[AsyncClient]:
    """A client of an application that has just this router."""
    extensions, key = Extensions(()), b"k" * 32
    mutations = Mutations(
        database,
        Authenticator(database, AccessTokens([key], 900), extensions),
        Idempotency(database, extensions, [key], 1 << 20),
        Resources((), extensions),
        Turns(100, PATIENCE, TooManyChanges),
        require_if_match=False,
    )
    http = HttpContainer()
    http.mutations.override(providers.Object(mutations))
    async with bound_client(router, KernelContainer(), http) as client:
        yield client


@asynccontextmanager
async def bound_client(
    router: APIRouter, kernel: KernelContainer, http: HttpContainer, **options: Any
) -> AsyncIterator[AsyncClient]:
    """A client of an application that has just this router, bound to these containers."""
    app = FastAPI(redirect_slashes=False)
    binder = Binder(kernel, kernel, http, app)
    app.router.routes.extend(route.bound(binder) for route in router.routes if isinstance(route, Route))
    install_problems(app)
    edge = RequestContext(Dispatch(app, app), max_body_bytes=1000)
    transport = ASGITransport(app=edge, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url=SMALL, **options) as client:
        yield client
