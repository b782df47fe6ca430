"""What API clients may rely on when they change their password: PUT /users/me/password."""

import json
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest
from httpx2 import AsyncClient, Response

from app.container import Application
from modules.users.tests.factories import PASSWORD, UserFactory
from modules.users.tests.overtaking import Overtaken
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]

EMAIL, NEW = "ann@example.com", "another good password"


async def change(caller: AsyncClient, current: str = PASSWORD, new: str = NEW) -> Response:
    # Written in ASCII, as httpx would not: so half a character can be sent.
    body = json.dumps({"current_password": current, "new_password": new})
    return await caller.put("/users/me/password", content=body, headers={"Content-Type": "application/json"})


async def sign_in(client: AsyncClient, email: str, password: str) -> Response:
    return await client.post("/auth/token", data={"grant_type": "password", "username": email, "password": password})


class TestChange:
    async def test_the_new_password_works_and_the_old_one_does_not(
        self, client: AsyncClient, signed_in: SignIn
    ) -> None:
        ann = await signed_in(email="ann@example.com")
        answer = await change(ann)
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await sign_in(client, "ann@example.com", NEW)).status_code == 200
        assert (await sign_in(client, "ann@example.com", PASSWORD)).status_code == 400

    async def test_the_other_sessions_end_and_this_one_lives(self, signed_in: SignIn) -> None:
        user = await UserFactory.saved()
        here, there = await signed_in(user), await signed_in(user)
        await change(here)
        assert (await here.get("/users/me")).status_code == 200
        assert (await there.get("/users/me")).status_code == 401

    async def test_the_other_sessions_cannot_be_refreshed(self, client: AsyncClient, signed_in: SignIn) -> None:
        user = await UserFactory.saved()
        other = (await sign_in(client, user.email, PASSWORD)).json()["refresh_token"]
        await change(await signed_in(user))
        answer = await client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": other})
        assert answer.json()["error"] == "invalid_grant"

    async def test_the_sessions_of_others_live(self, signed_in: SignIn) -> None:
        ann, bob = await signed_in(), await signed_in()
        await change(ann)
        assert (await bob.get("/users/me")).status_code == 200

    async def test_a_sign_in_that_hashes_the_present_one_anew_meanwhile_makes_it_no_other(
        self, client: AsyncClient, signed_in: SignIn, application: Application
    ) -> None:
        ann = await signed_in(email=EMAIL)
        overtaken = Overtaken(lambda: sign_in(client, EMAIL, PASSWORD))
        with closing(overtaken) as passwords, application.kernel.passwords.override(passwords):
            answer = await change(ann)
        assert overtaken.answer is not None
        assert overtaken.answer.status_code == 200
        assert answer.status_code == 204

    async def test_the_new_password_may_be_used_to_change_it_again(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        await change(ann)
        assert (await change(ann)).json()["code"] == "wrong_password"
        assert (await change(ann, current=NEW, new=PASSWORD)).status_code == 204


class TestWrongPassword:
    @pytest.mark.parametrize("wrong", ["not my password", PASSWORD.upper(), f"{PASSWORD} ", ""])
    async def test_is_forbidden_and_pointed_at(self, signed_in: SignIn, wrong: str) -> None:
        ann = await signed_in()
        answer = await change(ann, current=wrong)
        assert answer.status_code == 403
        assert answer.json()["code"] == "wrong_password"
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/current_password"]

    async def test_changes_nothing(self, client: AsyncClient, signed_in: SignIn) -> None:
        user = await UserFactory.saved()
        here, there = await signed_in(user), await signed_in(user)
        await change(here, current="not my password")
        assert (await there.get("/users/me")).status_code == 200
        assert (await sign_in(client, user.email, PASSWORD)).status_code == 200
        assert (await sign_in(client, user.email, NEW)).status_code == 400

    async def test_somebody_elses_password_is_as_wrong(self, client: AsyncClient, signed_in: SignIn) -> None:
        ann, bob = await signed_in(), await signed_in()
        await change(bob)
        assert (await change(ann, current=NEW)).status_code == 403


class TestRefusedInput:
    @pytest.mark.parametrize("new", ["7 chars", "x" * 257, "NUL \0 in it", "half a character \ud800"])
    async def test_the_new_password_is_pointed_at_and_not_echoed(self, signed_in: SignIn, new: str) -> None:
        ann = await signed_in()
        answer = await change(ann, new=new)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/new_password"]
        assert new[:6] not in answer.text
        assert PASSWORD not in answer.text

    @pytest.mark.parametrize("current", ["NUL \0 in it", "half a character \ud800"])
    async def test_a_present_password_that_none_can_be_is_no_failure_of_ours(
        self, signed_in: SignIn, current: str
    ) -> None:
        ann = await signed_in()
        answer = await change(ann, current=current)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/current_password"]

    @pytest.mark.parametrize("body", [{"new_password": NEW}, {"current_password": PASSWORD}, {}])
    async def test_both_passwords_are_needed(self, signed_in: SignIn, body: dict[str, str]) -> None:
        ann = await signed_in()
        assert (await ann.put("/users/me/password", json=body)).status_code == 422
        assert (await change(ann)).status_code == 204

    async def test_an_unknown_field_is_refused(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        body = {"current_password": PASSWORD, "new_password": NEW, "user_id": str(ann.id)}
        assert (await ann.put("/users/me/password", json=body)).status_code == 422
