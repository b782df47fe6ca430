"""Clients of the application under test, in the process, over real HTTP messages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from app.container import Application
from modules.users.models import User, UserSession
from modules.users.tests.factories import UserFactory
from shared.rows import table_of

BASE = "http://test/api/v1"
ACCOUNTS = table_of(User)
"""The table of the accounts that callers have."""


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


async def signed_in(
    app: FastAPI, application: Application, user: User | None = None, ago: timedelta = timedelta(0), **columns: Any
) -> Caller:
    """A caller with these columns of an account, or with a `user` that there is, who signed in so long `ago`."""
    account = user or UserFactory.build(**columns)
    now = datetime.now(UTC)
    session = UserSession(user_id=account.id, created_at=now - ago, expires_at=now + timedelta(hours=1))
    async with application.kernel.database().unit_of_work() as unit, unit.orm() as orm:
        if user is None:
            orm.add(account)
            await orm.flush()
        orm.add(session)
    return Caller(app, account.id, session.id, application.kernel.access_tokens().issue(account.id, session.id))
