"""Accounts of services that are brought back while their owner goes, each in a transaction of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import psycopg
import pytest
from httpx2 import AsyncClient

from app.asgi import create_app
from app.container import compose
from modules.users.tests.factories import PASSWORD
from modules.users.tests.keys import is_problem
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import anonymous
from tests.database import clone
from tests.servers import await_lock


@pytest.fixture
def url() -> Iterator[str]:
    with clone("services") as url:
        yield url


@pytest.fixture
async def people(settings: Settings, url: str) -> AsyncIterator[list[AsyncClient]]:
    """An administrator, and somebody else; as in production, on a database that keeps what is done."""
    application = compose(settings.model_copy(update={"database_url": url}), discover())
    app = create_app(application)
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(anonymous(app)) for _ in range(2)]
        for caller, email in zip(callers, ("admin@example.com", "ann@example.com"), strict=True):
            sign_in = {"email": email, "password": PASSWORD}
            assert (await caller.post("/users", json=sign_in | {"full_name": "Ann"})).status_code == 201
            token = (await caller.post("/auth/sessions", json=sign_in)).json()["access_token"]
            caller.headers["Authorization"] = f"Bearer {token}"
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE users SET role = 'admin' WHERE email LIKE 'admin@%'")
        yield callers
    await application.kernel.database().close()


class TestAServiceThatIsRestored:
    async def test_waits_to_see_whether_its_owner_goes(self, people: list[AsyncClient], url: str) -> None:
        admin, owner = people
        path = f"/auth/services/{(await owner.post('/auth/services', json={'full_name': 'A'})).json()['id']}"
        assert (await owner.delete(path)).status_code == 204
        owner_id = (await owner.get("/users/me")).json()["id"]
        with psycopg.connect(url) as other:
            other.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [owner_id])
            other.execute("UPDATE users SET deleted_at = now(), deletion_id = id WHERE id = %s", [owner_id])
            restoring = asyncio.create_task(admin.post(f"{path.replace('/auth/services', '/users')}/restore"))
            await asyncio.to_thread(await_lock, url)
            other.commit()
        is_problem(await restoring, 409, "service_without_owner")
