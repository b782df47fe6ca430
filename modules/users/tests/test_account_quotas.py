"""How many sessions, keys and services an account may have."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from app.asgi import create_app
from app.container import Application, compose
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import Caller, anonymous, signed_in
from tests.database import RolledBackDatabase

MOST = 2


@pytest.fixture(scope="module")
def limited(settings: Settings, application: Application) -> Application:
    """The application where an account may have two of each."""
    with pytest.MonkeyPatch.context() as patch:
        for what in ("SESSIONS", "KEYS", "SERVICES"):
            patch.setenv(f"TRELLIS_USERS_{what}_PER_ACCOUNT", str(MOST))
        limited = compose(settings, discover())
    limited.kernel.database.override(application.kernel.database())
    return limited


@pytest.fixture
def app(limited: Application) -> FastAPI:
    return create_app(limited)


@pytest.fixture
async def ann(app: FastAPI, limited: Application, database: RolledBackDatabase) -> AsyncIterator[Caller]:
    async with await signed_in(app, limited, await UserFactory.saved(email="ann@example.com")) as ann:
        yield ann


class TestTooManySessions:
    async def test_end_the_one_that_was_not_used_for_longest(self, app: FastAPI, ann: Caller) -> None:
        async with anonymous(app) as client:
            credentials = {"email": "ann@example.com", "password": PASSWORD}
            tokens = [(await client.post("/auth/sessions", json=credentials)).json() for _ in range(MOST)]
            assert (await ann.get("/users/me")).status_code == 401
            for one in tokens:
                headers = {"Authorization": f"Bearer {one['access_token']}"}
                assert (await client.get("/users/me", headers=headers)).status_code == 200


class TestTooManyKeys:
    async def test_are_refused_until_one_is_revoked(self, ann: Caller) -> None:
        wanted = {"name": "Nightly", "scopes": ["users:read"]}
        made = [await ann.post("/auth/keys", json=wanted) for _ in range(MOST)]
        assert [one.status_code for one in made] == [201] * MOST
        refused = await ann.post("/auth/keys", json=wanted)
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_keys")
        assert (await ann.delete(f"/auth/keys/{made[0].json()['key']['id']}")).status_code == 204
        assert (await ann.post("/auth/keys", json=wanted)).status_code == 201


class TestTooManyServices:
    async def test_are_refused_until_one_is_deleted(self, ann: Caller) -> None:
        made = [await ann.post("/auth/services", json={"full_name": f"Robot {n}"}) for n in range(MOST)]
        refused = await ann.post("/auth/services", json={"full_name": "Robot"})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_services")
        assert (await ann.delete(f"/auth/services/{made[0].json()['id']}")).status_code == 204
        assert (await ann.post("/auth/services", json={"full_name": "Robot"})).status_code == 201
