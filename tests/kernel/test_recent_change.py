"""Endpoints that ask for a session that began lately."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fastapi import APIRouter, Response
from httpx2 import AsyncClient

from shared.auth.principal import RECENT
from shared.http.routes.authentication import RecentChange
from shared.http.routes.routing import Route
from shared.http.routes.traits import operation
from tests.applications import bound_client

LONG = RECENT + timedelta(minutes=1)


@pytest.fixture
async def http(application, database) -> AsyncIterator[AsyncClient]:
    router = APIRouter(route_class=Route)

    @router.post("/things")
    async def change(change: RecentChange) -> Response:
        return Response(str(change.caller.user_id))

    @router.post("/slow")
    @operation(slow=True)
    async def slow(change: RecentChange) -> Response:
        return Response(str(change.caller.user_id))

    async with bound_client(router, application.kernel, application.http) as client:
        yield client


@pytest.mark.parametrize("path", ["/things", "/slow"])
class TestARecentChange:
    """A slow endpoint has its caller checked at the edge, any other with the first statement."""

    @pytest.mark.parametrize("role", ["user", "admin"])
    async def test_is_open_to_who_signed_in_just_now(self, http, signed_in, path, role):
        caller = await signed_in(role=role)
        answer = await http.post(path, headers=caller.headers)
        assert (answer.status_code, answer.text) == (200, str(caller.id))

    @pytest.mark.parametrize("role", ["user", "admin"])
    async def test_is_closed_to_who_did_so_some_time_ago(self, http, signed_in, path, role):
        caller = await signed_in(ago=LONG, role=role)
        answer = await http.post(path, headers=caller.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")

    async def test_is_closed_to_a_session_that_has_ended_however_young(self, http, signed_in, path):
        caller = await signed_in()
        assert (await caller.delete("/users/me")).status_code == 204
        answer = await http.post(path, headers=caller.headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")

    async def test_is_closed_to_nobody_in_particular(self, http, path):
        answer = await http.post(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
