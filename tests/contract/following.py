"""What the tests of the change feed share: the application on a database that really commits, and who follows it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from fastapi import FastAPI

from app.asgi import create_app
from app.container import Application, compose
from modules.users.models import UserSession
from modules.users.tests.factories import UserFactory
from shared.container import KernelContainer
from shared.feed.changes import LATEST, Changes
from shared.manifest import discover
from tests.callers import Caller
from tests.database import clone

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture(scope="module")
def url():
    with clone("changes") as url:
        yield url


@pytest.fixture(scope="module")
async def real(settings, url) -> AsyncIterator[Application]:
    application = compose(settings.model_copy(update={"database_url": url}), discover())
    yield application
    await application.kernel.database().close()


@pytest.fixture(scope="module")
def served(real) -> FastAPI:
    return create_app(real)


@pytest.fixture
def signed_in(real, served) -> SignIn:
    async def sign_in(**columns: object) -> Caller:
        user = UserFactory.build(**{"email": f"{uuid4()}@example.com"} | columns)
        now = datetime.now(UTC)
        session = UserSession(user_id=user.id, created_at=now, expires_at=now + timedelta(hours=1))
        for row in (user, session):
            async with real.kernel.database().unit_of_work() as unit, unit.orm() as orm:
                orm.add(row)
        return Caller(served, user.id, session.id, real.kernel.access_tokens().issue(user.id, session.id))

    return sign_in


def changes_of(kernel: KernelContainer, most_examined: int) -> Changes:
    """A feed that looks at so many entries a poll."""
    database, projector, cursors = kernel.database(), kernel.projector(), kernel.cursors()
    retention = kernel.settings().journal_retention
    return Changes(kernel.repositories(), database, projector, cursors, retention, most_examined=most_examined)


async def latest(caller):
    """A cursor of now."""
    answer = (await caller.get("/changes", params={"after": LATEST})).json()
    assert answer["items"] == []
    assert answer["has_more"] is False
    return answer["next_cursor"]


async def follow(caller, cursor=None, limit=100):
    """What there is after the cursor, and the cursor after that."""
    found, more = [], True
    while more:
        params = {"limit": limit} | ({} if cursor is None else {"after": cursor})
        answer = await caller.get("/changes", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor, more = page["next_cursor"], page["has_more"]
    return found, cursor


async def news(caller, cursor):
    """Of what came after the cursor: what happened to what, of the resources that tests of the feed are about."""
    found, _ = await follow(caller, cursor)
    return [told(item) for item in found if item["resource"] in {"projects", "tags", "users"}]


def told(item):
    return item["action"], item["part"], item["id"]


async def make(caller, name="Relaunch", path="/projects", **fields):
    answer = await caller.post(path, json={"name": name} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def share(owner, project, member, role="viewer"):
    """The member has accepted; or is one, and gets another role."""
    from modules.projects.tests.joining import join  # Where there are projects.

    present = await owner.put(f"/projects/{project}/members/{member.id}", json={"role": role})
    if present.status_code == 404:
        await join(owner, project, member, role)
