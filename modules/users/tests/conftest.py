"""Fixtures of several tests of accounts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from tests.callers import BASE
from tests.database import RolledBackDatabase


@pytest.fixture
async def at(app: FastAPI, database: RolledBackDatabase) -> AsyncIterator[Callable[[str], AsyncClient]]:
    """How a test gets a client at an address."""
    async with AsyncExitStack() as stack:

        def client_at(address: str) -> AsyncClient:
            transport = ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1234))
            client = AsyncClient(transport=transport, base_url=BASE)
            stack.push_async_callback(client.aclose)
            return client

        yield client_at
