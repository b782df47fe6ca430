"""Clients of the application under test, in the process, over real HTTP messages."""

from typing import Any
from uuid import UUID

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

BASE = "http://test/api/v1"


def anonymous(app: FastAPI, **options: Any) -> AsyncClient:
    """A client without credentials. Paths are relative to the API's base path."""
    # An unhandled exception is to become an answer, as it does in production.
    transport = ASGITransport(app=app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url=BASE, **options)


class Caller(AsyncClient):
    """A client with an account and a session."""

    def __init__(self, app: FastAPI, id: UUID, session_id: UUID, token: str) -> None:
        transport = ASGITransport(app=app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url=BASE, headers={"Authorization": f"Bearer {token}"})
        self.id = id
        self.session_id = session_id
        self.token = token
