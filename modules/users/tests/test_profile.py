"""What API clients may rely on of their own account: GET, PATCH and DELETE /users/me."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text

from modules.users.models import User
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.rows import INCLUDE_DELETED
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]


class TestGet:
    async def test_answers_the_callers_own_account(self, signed_in: SignIn) -> None:
        await signed_in()
        ann = await signed_in(email="ann@example.com", full_name="Ann", email_verified=True)
        answer = await ann.get("/users/me")
        assert answer.status_code == 200
        account = answer.json()
        assert list(account) == [
            "id",
            "email",
            "full_name",
            "role",
            "kind",
            "owner_id",
            "is_active",
            "email_verified",
            "created_at",
            "updated_at",
            "version",
        ]
        assert UUID(account["id"]) == ann.id
        assert (account["email"], account["full_name"], account["email_verified"]) == ("ann@example.com", "Ann", True)

    async def test_no_shared_cache_may_keep_it(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        assert "private" in (await ann.get("/users/me")).headers["Cache-Control"]


class TestPatch:
    async def test_changes_what_is_given_and_nothing_else(self, signed_in: SignIn) -> None:
        ann = await signed_in(full_name="Ann")
        before = (await ann.get("/users/me")).json()
        answer = await ann.patch("/users/me", json={"full_name": "Ann Example"})
        assert answer.status_code == 200
        after = answer.json()
        assert after["updated_at"] > before["updated_at"]
        assert after == before | {"full_name": "Ann Example", "version": 2, "updated_at": after["updated_at"]}

    async def test_the_answer_equals_every_later_read_byte_for_byte(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        changed = await ann.patch("/users/me", json={"full_name": "Grüße 💡 \"'\\"})
        assert (await ann.get("/users/me")).content == changed.content

    async def test_the_version_counts_every_change(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        names = ["One", "Two", "Three"]
        answers = [await ann.patch("/users/me", json={"full_name": name}) for name in names]
        assert [answer.json()["version"] for answer in answers] == [2, 3, 4]

    @pytest.mark.parametrize("patch", [{}, {"full_name": "Ann"}], ids=["empty", "what holds already"])
    async def test_a_patch_without_a_change_leaves_the_account_as_it_is(
        self, signed_in: SignIn, patch: dict[str, str]
    ) -> None:
        ann = await signed_in(full_name="Ann")
        before = await ann.get("/users/me")
        answer = await ann.patch("/users/me", json=patch)
        assert answer.status_code == 200
        assert answer.content == before.content == (await ann.get("/users/me")).content

    @pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
    async def test_takes_a_merge_patch_under_its_own_name_and_as_json(self, signed_in: SignIn, media_type: str) -> None:
        ann = await signed_in()
        answer = await ann.patch(
            "/users/me", content=b'{"full_name": "Ann Merged"}', headers={"Content-Type": media_type}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["full_name"] == "Ann Merged"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("email", "ann.new@example.com"),
            ("full_name", None),
            ("full_name", "   "),
            ("role", "admin"),
            ("is_active", False),
            ("email_verified", True),
            ("password", "a new long password"),
            ("id", "0198a5b0-0000-7000-8000-000000000000"),
            ("version", 7),
        ],
    )
    async def test_refuses_what_may_not_be_set(self, signed_in: SignIn, field: str, value: Any) -> None:
        """Null clears where the field may be null, and none of these may."""
        ann = await signed_in(email="ann@example.com", full_name="Ann")
        before = await ann.get("/users/me")
        answer = await ann.patch("/users/me", json={"full_name": "Changed"} | {field: value})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
        assert (await ann.get("/users/me")).content == before.content

    async def test_not_even_an_administrator_sets_the_role_here(self, signed_in: SignIn) -> None:
        admin = await signed_in(role="admin")
        assert (await admin.patch("/users/me", json={"role": "user"})).status_code == 422

    @pytest.mark.parametrize(
        ("body", "status"), [(b"[]", 422), (b"null", 422), (b'"full_name"', 422), (b"", 400), (b"{", 400)]
    )
    async def test_refuses_what_is_no_object(self, signed_in: SignIn, body: bytes, status: int) -> None:
        ann = await signed_in()
        answer = await ann.patch("/users/me", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"


class TestDelete:
    async def test_of_another_version_than_the_present_one_is_refused(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        refused = await ann.delete("/users/me", headers={"If-Match": '"7-x"'})
        assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
        assert (await ann.get("/users/me")).status_code == 200

    async def test_asks_for_a_sign_in_of_the_last_minutes(
        self, signed_in: SignIn, database: RolledBackDatabase
    ) -> None:
        """A token that was found somewhere takes no account away."""
        ann = await signed_in()
        await database.sql(text("UPDATE sessions SET created_at = now() - interval '6 minutes'"))
        refused = await ann.delete("/users/me")
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
        assert (await ann.get("/users/me")).status_code == 200

    async def test_answers_nothing(self, signed_in: SignIn) -> None:
        ann = await signed_in()
        answer = await ann.delete("/users/me")
        assert (answer.status_code, answer.content) == (204, b"")

    async def test_ends_every_session(self, signed_in: SignIn) -> None:
        user = await UserFactory.saved()
        here, there = await signed_in(user), await signed_in(user)
        await here.delete("/users/me")
        assert [(await caller.get("/users/me")).status_code for caller in (here, there)] == [401, 401]

    async def test_leaves_the_sessions_of_others_alone(self, signed_in: SignIn) -> None:
        ann, bob = await signed_in(), await signed_in()
        await ann.delete("/users/me")
        assert (await bob.get("/users/me")).status_code == 200

    async def test_ends_the_sessions_that_refresh_too(self, client: AsyncClient, signed_in: SignIn) -> None:
        user = await UserFactory.saved()
        form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
        refresh_token = (await client.post("/auth/token", data=form)).json()["refresh_token"]
        await (await signed_in(user)).delete("/users/me")
        refreshed = await client.post(
            "/auth/token", data={"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")

    async def test_the_account_cannot_sign_in_any_more(self, client: AsyncClient, signed_in: SignIn) -> None:
        user = await UserFactory.saved()
        form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
        assert (await client.post("/auth/token", data=form)).status_code == 200
        await (await signed_in(user)).delete("/users/me")
        answer = await client.post("/auth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

    async def test_is_soft(self, signed_in: SignIn, database: RolledBackDatabase) -> None:
        ann = await signed_in()
        await ann.delete("/users/me")
        async with database.orm() as session:
            kept = await session.get_one(User, ann.id, execution_options=INCLUDE_DELETED)
        assert kept.deleted_at is not None
