"""Small applications for tests of the kernel: one router, on a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient

from shared.auth.authentication import Authenticator
from shared.auth.tokens import AccessTokens
from shared.extensions import Extensions
from shared.http.edge.middleware import RequestContext
from shared.http.edge.problems import install_problems
from shared.http.routes.mutations import Mutations, TooManyChanges
from shared.turns import Turns
from shared.wire.database import Database
from shared.writes.idempotency import Idempotency
from shared.writes.resources import Resources
from tests.patience import PATIENCE


@asynccontextmanager
async def client_of(router: APIRouter, database: Database) -> AsyncIterator[AsyncClient]:
    """A client of an application that has just this router."""
    extensions, key = Extensions(()), b"k" * 32
    app = FastAPI()
    app.state.mutations = Mutations(
        database,
        Authenticator(database, AccessTokens(key, 900), extensions),
        Idempotency(database, extensions, key),
        Resources((), database, extensions),
        Turns(100, PATIENCE, TooManyChanges),
        require_if_match=False,
    )
    app.include_router(router)
    app.add_middleware(RequestContext, max_body_bytes=1000)
    install_problems(app)
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
