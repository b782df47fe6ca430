"""What administrators may rely on: GET, PATCH and DELETE /users/{id}, POST /users/{id}/restore."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient, Response

from modules.users.models import User
from modules.users.tests.factories import PASSWORD, UserFactory
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]

BY_ID = [("GET", "/users/{}"), ("PATCH", "/users/{}"), ("DELETE", "/users/{}"), ("POST", "/users/{}/restore")]


@pytest.fixture
async def admin(signed_in: SignIn) -> Caller:
    return await signed_in(role="admin", full_name="Admin")


async def call(caller: AsyncClient, method: str, path: str, id: UUID | str) -> Response:
    return await caller.request(method, path.format(id), json={} if method == "PATCH" else None)


async def sign_in(client: AsyncClient, user: User) -> Response:
    form = {"grant_type": "password", "username": user.email, "password": PASSWORD}
    return await client.post("/auth/token", data=form)


class TestAccess:
    @pytest.mark.parametrize(("method", "path"), [("GET", "/users"), *BY_ID])
    async def test_is_for_administrators_only(self, signed_in: SignIn, method: str, path: str) -> None:
        """Not even one's own account is found here."""
        ann = await signed_in()
        answer = await call(ann, method, path, ann.id)
        assert answer.status_code == 403
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "administrators_only"
        assert (await ann.get("/users/me")).json()["version"] == 1

    @pytest.mark.parametrize(("method", "path"), BY_ID)
    async def test_the_refusal_does_not_tell_whether_there_is_such_an_account(
        self, signed_in: SignIn, method: str, path: str
    ) -> None:
        ann, bob = await signed_in(), await UserFactory.saved()
        there, absent = await call(ann, method, path, bob.id), await call(ann, method, path, uuid4())
        assert there.status_code == absent.status_code == 403
        assert {"code", "detail"} <= there.json().keys()
        assert there.json()["code"] == absent.json()["code"]
        assert there.json()["detail"] == absent.json()["detail"]

    @pytest.mark.parametrize(("method", "path"), BY_ID)
    async def test_an_unknown_account_is_not_found(self, admin: Caller, method: str, path: str) -> None:
        answer = await call(admin, method, path, uuid4())
        assert answer.status_code == 404
        assert answer.json()["code"] == "user_not_found"

    @pytest.mark.parametrize(("method", "path"), BY_ID[:3])
    async def test_a_deleted_account_is_not_found_either(self, admin: Caller, method: str, path: str) -> None:
        """Byte for byte as if it had never been, but for the path and the request's id."""
        gone = await UserFactory.saved(deleted_at=datetime.now(UTC))
        admin.headers["X-Request-ID"] = "the-same"
        never = uuid4()
        deleted, absent = await call(admin, method, path, gone.id), await call(admin, method, path, never)
        assert deleted.status_code == 404
        assert deleted.content == absent.content.replace(str(never).encode(), str(gone.id).encode())

    @pytest.mark.parametrize("id", ["1", "no-uuid", "0198a5b0-0000-7000-8000", "%00", "%ff"])
    @pytest.mark.parametrize(("method", "path"), BY_ID)
    async def test_what_is_no_uuid_is_pointed_at(self, admin: Caller, method: str, path: str, id: str) -> None:
        answer = await call(admin, method, path, id)
        assert answer.status_code == 422
        assert [error["parameter"] for error in answer.json()["errors"]] == ["user_id"]


class TestGet:
    async def test_answers_the_account_as_its_owner_sees_it(self, admin: Caller, signed_in: SignIn) -> None:
        ann = await signed_in(full_name="Ann")
        answer = await admin.get(f"/users/{ann.id}")
        assert answer.status_code == 200
        assert answer.content == (await ann.get("/users/me")).content

    async def test_finds_a_deactivated_account(self, admin: Caller) -> None:
        ann = await UserFactory.saved(is_active=False)
        assert (await admin.get(f"/users/{ann.id}")).json()["is_active"] is False


class TestPatch:
    async def test_gives_and_takes_the_role_of_administrator(self, admin: Caller, signed_in: SignIn) -> None:
        ann = await signed_in()
        answer = await admin.patch(f"/users/{ann.id}", json={"role": "admin"})
        assert (answer.status_code, answer.json()["role"], answer.json()["version"]) == (200, "admin", 2)
        assert (await ann.get("/users")).status_code == 200
        await admin.patch(f"/users/{ann.id}", json={"role": "user"})
        assert (await ann.get("/users")).status_code == 403

    async def test_the_answer_equals_every_later_read_byte_for_byte(self, admin: Caller) -> None:
        ann = await UserFactory.saved()
        changed = await admin.patch(f"/users/{ann.id}", json={"full_name": "Ann", "role": "admin"})
        assert (await admin.get(f"/users/{ann.id}")).content == changed.content

    async def test_an_empty_patch_changes_nothing(self, admin: Caller) -> None:
        ann = await UserFactory.saved()
        before = await admin.get(f"/users/{ann.id}")
        assert (await admin.patch(f"/users/{ann.id}", json={})).content == before.content

    async def test_takes_a_merge_patch_under_its_own_name(self, admin: Caller) -> None:
        ann = await UserFactory.saved()
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = await admin.patch(f"/users/{ann.id}", content=b'{"full_name": "Ann"}', headers=headers)
        assert answer.json()["full_name"] == "Ann"

    async def test_deactivation_ends_every_session_and_keeps_new_ones_out(
        self, admin: Caller, client: AsyncClient, signed_in: SignIn
    ) -> None:
        user = await UserFactory.saved()
        ann, tokens = await signed_in(user), (await sign_in(client, user)).json()
        answer = await admin.patch(f"/users/{user.id}", json={"is_active": False})
        assert (answer.status_code, answer.json()["is_active"]) == (200, False)
        assert (await ann.get("/users/me")).status_code == 401
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await client.post("/auth/token", data=form)).json()["error"] == "invalid_grant"
        assert (await sign_in(client, user)).json()["error"] == "invalid_grant"

    async def test_reactivation_lets_one_sign_in_again_but_revives_no_session(
        self, admin: Caller, client: AsyncClient, signed_in: SignIn
    ) -> None:
        user = await UserFactory.saved()
        ann, tokens = await signed_in(user), (await sign_in(client, user)).json()
        for is_active in (False, True):
            await admin.patch(f"/users/{user.id}", json={"is_active": is_active})
        assert (await ann.get("/users/me")).status_code == 401
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert (await client.post("/auth/token", data=form)).json()["error"] == "invalid_grant"
        assert (await sign_in(client, user)).status_code == 200

    async def test_other_changes_end_no_session(self, admin: Caller, signed_in: SignIn) -> None:
        ann = await signed_in()
        await admin.patch(f"/users/{ann.id}", json={"full_name": "Ann", "role": "admin", "is_active": True})
        assert (await ann.get("/users/me")).status_code == 200

    async def test_to_an_address_that_is_taken_is_a_conflict(self, admin: Caller) -> None:
        ann, bob = await UserFactory.saved(), await UserFactory.saved()
        answer = await admin.patch(f"/users/{ann.id}", json={"email": bob.email.upper(), "full_name": "Changed"})
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
        assert (await admin.get(f"/users/{ann.id}")).json()["full_name"] == ann.full_name

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("role", "owner"),
            ("role", None),
            ("is_active", None),
            ("is_active", "maybe"),
            ("is_active", "off"),
            ("is_active", 0),
            ("email", None),
            ("full_name", ""),
            ("email_verified", True),
            ("password", "a new long password"),
            ("surprise", 1),
        ],
    )
    async def test_refuses_what_may_not_be_set(self, admin: Caller, field: str, value: Any) -> None:
        ann = await UserFactory.saved()
        answer = await admin.patch(f"/users/{ann.id}", json={field: value})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
        assert (await admin.get(f"/users/{ann.id}")).json()["version"] == 1


class TestASignInOfLongAgo:
    """ASVS 7.5.1: who finds an administrator's session, or steals a token of it, takes no account and stops none."""

    CHANGES: ClassVar = [
        ("PATCH", "/users/{}", {"role": "admin"}),
        ("PATCH", "/users/{}", {"email": "mallory@example.com"}),
        ("PATCH", "/users/{}", {"is_active": False}),
        ("DELETE", "/users/{}", None),
        ("POST", "/users/{}/restore", None),
        ("DELETE", "/users/{}/factors", None),
    ]

    @pytest.fixture
    async def stale(self, signed_in: SignIn) -> Caller:
        return await signed_in(role="admin", ago=timedelta(minutes=6))

    @pytest.mark.parametrize(("method", "path", "body"), CHANGES)
    async def test_changes_nothing_of_who_gets_in(
        self, admin: Caller, stale: Caller, method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        for user in (await UserFactory.saved(), stale):
            before = (await admin.get(f"/users/{user.id}")).content
            refused = await stale.request(method, path.format(user.id), json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
            assert (await admin.get(f"/users/{user.id}")).content == before

    async def test_brings_no_account_back(self, admin: Caller, stale: Caller) -> None:
        gone = await UserFactory.saved(deleted_at=datetime.now(UTC))
        refused = await stale.post(f"/users/{gone.id}/restore")
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
        assert (await admin.get(f"/users/{gone.id}")).status_code == 404

    async def test_changes_a_name(self, stale: Caller) -> None:
        ann = await UserFactory.saved()
        assert (await stale.patch(f"/users/{ann.id}", json={"full_name": "Ann"})).status_code == 200

    @pytest.mark.parametrize(("method", "path", "body"), CHANGES)
    async def test_of_who_is_no_administrator_would_not_help_if_it_were_of_now(
        self, signed_in: SignIn, method: str, path: str, body: dict[str, Any] | None
    ) -> None:
        stale = await signed_in(ago=timedelta(minutes=6))
        refused = await stale.request(method, path.format(stale.id), json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "administrators_only")


class TestTheLastAdministrator:
    """There is always one who can sign in."""

    ENDS: ClassVar = [("PATCH", {"role": "user"}), ("PATCH", {"is_active": False}), ("DELETE", None)]

    async def refused(self, answer: Response) -> bool:
        return (answer.status_code, answer.json()["code"]) == (409, "last_administrator")

    @pytest.mark.parametrize(("method", "change"), ENDS)
    async def test_stays_one(self, admin: Caller, method: str, change: dict[str, Any] | None) -> None:
        before = (await admin.get("/users/me")).content
        assert await self.refused(await admin.request(method, f"/users/{admin.id}", json=change))
        assert (await admin.get("/users/me")).content == before

    async def test_cannot_delete_themselves(self, admin: Caller) -> None:
        assert await self.refused(await admin.delete("/users/me"))
        assert await self.refused(await admin.delete("/users/me?dry_run=true"))
        assert (await admin.get("/users")).status_code == 200

    @pytest.mark.parametrize("columns", [{"is_active": False}, {"deleted_at": datetime.now(UTC)}])
    async def test_is_one_though_there_are_others_who_cannot_sign_in(
        self, admin: Caller, columns: dict[str, Any]
    ) -> None:
        await UserFactory.saved(role="admin", **columns)
        assert await self.refused(await admin.delete("/users/me"))

    @pytest.mark.parametrize(("method", "change"), ENDS)
    async def test_is_not_who_has_another_beside_them(
        self, admin: Caller, method: str, change: dict[str, Any] | None
    ) -> None:
        other = await UserFactory.saved(role="admin")
        assert (await admin.request(method, f"/users/{other.id}", json=change)).is_success
        assert await self.refused(await admin.request(method, f"/users/{admin.id}", json=change))

    async def test_may_change_what_else_they_like(self, admin: Caller) -> None:
        change = {"full_name": "Zoe", "role": "admin", "is_active": True}
        assert (await admin.patch(f"/users/{admin.id}", json=change)).status_code == 200

    async def test_does_not_keep_others_from_going(self, admin: Caller, signed_in: SignIn) -> None:
        ann, bob = await signed_in(), await signed_in()
        assert (await ann.delete("/users/me")).status_code == 204
        assert (await admin.patch(f"/users/{bob.id}", json={"is_active": False, "role": "user"})).status_code == 200
        off = await UserFactory.saved(role="admin", is_active=False)
        assert (await admin.delete(f"/users/{off.id}")).status_code == 204

    async def test_is_found_within_a_batch_too(self, admin: Caller) -> None:
        other = await UserFactory.saved(role="admin")
        operations = [
            {"method": "PATCH", "path": f"/users/{id}", "body": {"role": "user"}} for id in (other.id, admin.id)
        ]
        answer = await admin.post("/batch", json={"operations": operations})
        assert (answer.status_code, answer.json()["problem"]["code"]) == (409, "last_administrator")
        assert (await admin.get(f"/users/{other.id}")).json()["role"] == "admin"


class TestOnesOwnAccount:
    """An administrator's: by a slip they would lose what only another one can give back."""

    @pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}, {"role": "user", "full_name": "Zoe"}])
    async def test_is_neither_demoted_nor_stopped_by_themselves(self, admin: Caller, change: dict[str, Any]) -> None:
        await UserFactory.saved(role="admin")
        before = (await admin.get("/users/me")).content
        answer = await admin.patch(f"/users/{admin.id}", json=change)
        assert (answer.status_code, answer.json()["code"]) == (409, "own_account")
        assert (await admin.get("/users/me")).content == before

    async def test_is_demoted_by_another(self, admin: Caller, signed_in: SignIn) -> None:
        other = await signed_in(role="admin")
        assert (await other.patch(f"/users/{admin.id}", json={"role": "user"})).status_code == 200

    async def test_may_be_deleted_by_themselves(self, admin: Caller) -> None:
        """Whoever leaves, leaves, as long as another administrator stays."""
        await UserFactory.saved(role="admin")
        assert (await admin.delete("/users/me")).status_code == 204


class TestTheHistory:
    async def test_has_what_administrators_did_to_an_account(self, admin: Caller) -> None:
        user = await UserFactory.saved()
        path = f"/users/{user.id}"
        for change in ({"role": "admin"}, {"role": "user"}, {"is_active": False}, {"email": "new@example.com"}):
            assert (await admin.patch(path, json=change)).status_code == 200
        assert (await admin.delete(path)).status_code == 204
        assert (await admin.post(f"{path}/restore")).status_code == 200
        entries = (await admin.get(f"{path}/history")).json()["items"]
        found = [(entry["action"], entry["actor_id"]) for entry in reversed(entries)]
        done = [("changed", str(admin.id))] * 4 + [("deleted", str(admin.id)), ("restored", str(admin.id))]
        assert found == [("created", None), *done]
        assert [entry["after"].get("role") for entry in reversed(entries)][1:3] == ["admin", "user"]

    @pytest.mark.parametrize("which", ["", "/{}"])
    async def test_has_the_end_of_sessions(self, admin: Caller, signed_in: SignIn, which: str) -> None:
        ann = await signed_in()
        assert (await admin.delete(f"/users/{ann.id}/sessions{which.format(ann.session_id)}")).status_code == 204
        newest, created = (await admin.get(f"/users/{ann.id}/history")).json()["items"]
        assert (newest["action"], newest["actor_id"], created["action"]) == ("changed", str(admin.id), "created")
        assert newest["before"] == {"sessions_ended_at": None, "version": 1}
        assert newest["after"]["sessions_ended_at"] > created["at"]

    async def test_has_no_end_of_a_session_that_there_was_not(self, admin: Caller, signed_in: SignIn) -> None:
        ann = await signed_in()
        assert (await admin.delete(f"/users/{ann.id}/sessions/{uuid4()}")).status_code == 404
        assert len((await admin.get(f"/users/{ann.id}/history")).json()["items"]) == 1

    async def test_has_no_sign_in_and_no_sign_out(self, admin: Caller, client: AsyncClient) -> None:
        """The change feed is not woken by each of them."""
        ann = await UserFactory.saved()
        tokens = (await sign_in(client, ann)).json()
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        tokens = (await client.post("/auth/token", data=form)).json()
        assert (await client.post("/auth/revoke", data={"token": tokens["refresh_token"]})).status_code == 200
        assert len((await admin.get(f"/users/{ann.id}/history")).json()["items"]) == 1


class TestDelete:
    async def test_takes_the_account_away_and_ends_its_sessions(
        self, admin: Caller, client: AsyncClient, signed_in: SignIn
    ) -> None:
        user = await UserFactory.saved()
        ann = await signed_in(user)
        answer = await admin.delete(f"/users/{user.id}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert (await admin.get(f"/users/{user.id}")).status_code == 404
        assert (await ann.get("/users/me")).status_code == 401
        assert (await sign_in(client, user)).json()["error"] == "invalid_grant"
        assert str(user.id) not in (await admin.get("/users")).text

    async def test_leaves_the_administrator_signed_in(self, admin: Caller) -> None:
        ann = await UserFactory.saved()
        await admin.delete(f"/users/{ann.id}")
        assert (await admin.get("/users/me")).status_code == 200


class TestRestore:
    async def test_brings_the_account_back_as_it_was(self, admin: Caller) -> None:
        ann = await UserFactory.saved(full_name="Ann", role="admin", email_verified=True)
        before = (await admin.get(f"/users/{ann.id}")).json()
        await admin.delete(f"/users/{ann.id}")
        answer = await admin.post(f"/users/{ann.id}/restore")
        assert answer.status_code == 200, answer.text
        after = answer.json()
        assert after == before | {"version": after["version"], "updated_at": after["updated_at"]}
        assert after["version"] > before["version"]
        assert (await admin.get(f"/users/{ann.id}")).content == answer.content

    async def test_lets_one_sign_in_again_but_revives_no_session(
        self, admin: Caller, client: AsyncClient, signed_in: SignIn
    ) -> None:
        user = await UserFactory.saved()
        ann = await signed_in(user)
        await ann.delete("/users/me")
        await admin.post(f"/users/{user.id}/restore")
        assert (await ann.get("/users/me")).status_code == 401
        assert (await sign_in(client, user)).status_code == 200

    async def test_of_what_is_not_deleted_changes_nothing(self, admin: Caller) -> None:
        ann = await UserFactory.saved()
        before = await admin.get(f"/users/{ann.id}")
        answer = await admin.post(f"/users/{ann.id}/restore")
        assert (answer.status_code, answer.content) == (200, before.content)

    async def test_is_in_conflict_with_who_took_the_address_meanwhile(self, admin: Caller, client: AsyncClient) -> None:
        ann = await UserFactory.saved(email="ann@example.com")
        await admin.delete(f"/users/{ann.id}")
        taker = {"email": "Ann@example.com", "password": PASSWORD, "full_name": "Another Ann"}
        assert (await client.post("/users", json=taker)).status_code == 201
        answer = await admin.post(f"/users/{ann.id}/restore")
        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
        assert (await admin.get(f"/users/{ann.id}")).status_code == 404

    async def test_brings_back_one_account_alone(self, admin: Caller) -> None:
        ann, bob = await UserFactory.saved(), await UserFactory.saved()
        for user in (ann, bob):
            await admin.delete(f"/users/{user.id}")
        await admin.post(f"/users/{ann.id}/restore")
        assert (await admin.get(f"/users/{bob.id}")).status_code == 404
