"""Fixtures of several tests of accounts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from copy import copy

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from modules.users import failures
from tests.callers import BASE
from tests.database import RolledBackDatabase


@pytest.fixture
def database(database: RolledBackDatabase, monkeypatch: pytest.MonkeyPatch) -> RolledBackDatabase:
    """In its transaction the time stands still for the counts of wrong passwords: on a slow machine the first wait, of
    a second, would be over before the next line.
    """
    for name in ("_HOLD_FAILURES", "_KEEP_FAILURES"):
        stopped = copy(getattr(failures, name))
        stopped.text = stopped.text.replace(b"clock_timestamp()", b"now()")
        stopped.name += b"_stopped"  # Prepared as another statement than the one that it was.
        monkeypatch.setattr(failures, name, stopped)
    return database


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
