"""API keys: making, listing and revoking them, and what a key may do at all."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from modules.users.keys.models import ApiKey
from modules.users.models import UserSession
from modules.users.tests.keys import is_problem, key_of, sent
from shared.auth import PATTERN
from shared.http.routes import API_PREFIX
from shared.rows import table_of
from shared.upkeep import Purge
from tests.callers import signed_in
from tests.contract.described import OPERATIONS
from tests.jobs_done import do_jobs
from tests.mails import text_of

KEYS, SESSIONS = table_of(ApiKey), table_of(UserSession)
DAY = timedelta(days=1)


@pytest.fixture
async def ann(signed_in):
    return await signed_in()


@pytest.fixture
async def bob(signed_in):
    return await signed_in()


@pytest.fixture
async def admin(signed_in):
    return await signed_in(role="admin")


def in_days(days: float) -> str:
    return (datetime.now(UTC) + days * DAY).isoformat()


class TestMaking:
    async def test_answers_the_key_once(self, ann):
        answer = await ann.post("/auth/keys", json={"name": "Export", "scopes": ["users:read", "users:read"]})
        made, secret = answer.json()["key"], answer.json()["secret"]
        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["location"] == f"/api/v1/auth/keys/{made['id']}"
        assert made == {
            "id": made["id"],
            "account_id": str(ann.id),
            "name": "Export",
            "first_characters": secret[:14],
            "scopes": ["users:read"],
            "created_at": made["created_at"],
            "expires_at": made["expires_at"],
            "last_used_at": None,
        }
        assert (await ann.get(f"/auth/keys/{made['id']}")).json() == made
        assert (await ann.get("/auth/keys")).json()["items"] == [made]

    async def test_gives_a_key_that_scanners_find(self, ann):
        """By the expression that the OpenAPI document has, and by nothing shorter or longer."""
        key = (await key_of(ann))["secret"]
        assert re.findall(PATTERN, f"TOKEN='{key}'") == [key]
        assert re.fullmatch(PATTERN, key)

    async def test_keeps_a_digest_alone(self, ann, database):
        made = await key_of(ann)
        ((kept,),) = (await database.sql(select(text("to_jsonb(api_keys)::text")).select_from(KEYS))).all()
        assert made["secret"][len("trellis_") + 6 :] not in kept
        assert made["first_characters"] in kept

    async def test_is_told_nowhere_else(self, ann, database):
        made = await key_of(ann)
        found = await database.sql(
            text("SELECT count(*) FROM journal WHERE journal::text LIKE :like"), {"like": f"%{made['secret'][10:]}%"}
        )
        assert found.scalar_one() == 0

    @pytest.mark.parametrize(("given", "expected"), [(None, 90), (30, 30), (365, 365)])
    async def test_lasts_as_long_as_it_says_and_ninety_days_by_default(self, ann, given, expected):
        made = await key_of(ann, **({"expires_at": in_days(given)} if given else {}))
        lasts = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
        assert abs(lasts - expected * DAY) < timedelta(hours=1)

    @pytest.mark.parametrize("days", [-1, 367, 5000])
    async def test_that_would_last_too_long_or_no_time_is_refused(self, ann, days):
        refused = await ann.post(
            "/auth/keys", json={"name": "A", "scopes": ["users:read"], "expires_at": in_days(days)}
        )
        problem = is_problem(refused, 422, "invalid_input")
        assert problem["errors"][0]["pointer"] == "/expires_at"

    @pytest.mark.parametrize("scopes", [["users:read", "users:write"], ["users:read", "nothing:read"]])
    async def test_with_a_scope_that_there_is_not_is_refused(self, ann, scopes):
        refused = await ann.post("/auth/keys", json={"name": "A", "scopes": scopes})
        problem = is_problem(refused, 422, "invalid_input")
        assert problem["errors"][0]["pointer"] == "/scopes/1"
        assert "users:read" in problem["detail"]

    @pytest.mark.parametrize("scopes", [[], ["users"], ["users:all"], [""], "users:read"])
    async def test_with_what_is_no_scope_is_refused(self, ann, scopes):
        is_problem(await ann.post("/auth/keys", json={"name": "A", "scopes": scopes}), 422, "invalid_input")

    async def test_and_revoking_are_for_who_signed_in_lately(self, signed_in):
        stale = await signed_in(ago=timedelta(hours=1))
        refused = await stale.post("/auth/keys", json={"name": "A", "scopes": ["users:read"]})
        is_problem(refused, 403, "step_up_required")
        is_problem(await stale.delete(f"/auth/keys/{uuid7()}"), 403, "step_up_required")


class TestListing:
    async def test_shows_ones_own_newest_first(self, ann, bob):
        made = [await key_of(ann) for _ in range(3)]
        await key_of(bob)
        page = (await ann.get("/auth/keys?limit=2")).json()
        following = (await ann.get(f"/auth/keys?cursor={page['next_cursor']}")).json()
        assert [one["id"] for one in (*page["items"], *following["items"])] == [one["id"] for one in reversed(made)]

    async def test_of_another_is_absent(self, ann, bob):
        made = await key_of(bob)
        missing = await ann.get(f"/auth/keys/{uuid7()}")
        hidden = await ann.get(f"/auth/keys/{made['id']}")
        assert is_problem(hidden, 404, "key_not_found")["detail"] == is_problem(missing, 404, "key_not_found")["detail"]

    async def test_leaves_out_what_was_revoked_or_has_expired(self, ann, database):
        revoked, expired, alive = [await key_of(ann) for _ in range(3)]
        assert (await ann.delete(f"/auth/keys/{revoked['id']}")).status_code == 204
        await expire(database, expired)
        assert [one["id"] for one in (await ann.get("/auth/keys")).json()["items"]] == [alive["id"]]


class TestRevoking:
    async def test_is_effective_at_once(self, ann, client):
        made = await key_of(ann)
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200
        assert (await ann.delete(f"/auth/keys/{made['id']}")).status_code == 204
        is_problem(await client.get("/users/me", headers=sent(made)), 401, "invalid_token")
        is_problem(await ann.delete(f"/auth/keys/{made['id']}"), 404, "key_not_found")

    async def test_of_another_is_refused_as_if_it_were_not(self, ann, bob, client):
        made = await key_of(bob)
        is_problem(await ann.delete(f"/auth/keys/{made['id']}"), 404, "key_not_found")
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200

    async def test_ends_no_session(self, ann):
        """A session's id names no key."""
        is_problem(await ann.delete(f"/auth/keys/{ann.session_id}"), 404, "key_not_found")
        assert (await ann.get("/users/me")).status_code == 200


class TestAdministrators:
    async def test_see_the_keys_of_any_account(self, ann, admin):
        made = await key_of(ann)
        assert [one["id"] for one in (await admin.get(f"/users/{ann.id}/keys")).json()["items"]] == [made["id"]]
        assert (await admin.get(f"/users/{admin.id}/keys")).json()["items"] == []

    async def test_revoke_them(self, ann, admin, client):
        made = await key_of(ann)
        is_problem(await admin.delete(f"/users/{admin.id}/keys/{made['id']}"), 404, "key_not_found")
        assert (await admin.delete(f"/users/{ann.id}/keys/{made['id']}")).status_code == 204
        is_problem(await client.get("/users/me", headers=sent(made)), 401, "invalid_token")

    async def test_revoke_those_of_others_with_a_sign_in_of_long_ago_and_not_their_own(self, ann, admin, signed_in):
        """It is urgent, and only takes away. Who stole a token of theirs is not to stop what they run."""
        stale = await signed_in(role="admin", ago=timedelta(hours=1))
        made = await key_of(ann)
        assert (await stale.delete(f"/users/{ann.id}/keys/{made['id']}")).status_code == 204
        is_problem(await stale.delete(f"/users/{stale.id}/keys/{uuid7()}"), 403, "step_up_required")
        is_problem(await admin.delete(f"/users/{admin.id}/keys/{uuid7()}"), 404, "key_not_found")

    async def test_are_the_only_ones(self, ann, bob):
        made = await key_of(bob)
        is_problem(await ann.get(f"/users/{bob.id}/keys"), 403, "administrators_only")
        is_problem(await ann.delete(f"/users/{bob.id}/keys/{made['id']}"), 403, "administrators_only")


SOMEBODY = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
FOR_PEOPLE: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/auth/keys", {"name": "Another", "scopes": ["users:read"]}),
    ("GET", "/auth/keys", None),
    ("DELETE", f"/auth/keys/{SOMEBODY}", None),
    ("PUT", "/users/me/password", {"current_password": "correct horse battery", "new_password": "another horse"}),
    ("PATCH", "/users/me", {"email": "mallory@example.com"}),
    ("DELETE", "/users/me", None),
    ("PATCH", f"/users/{SOMEBODY}", {"role": "admin"}),
    ("DELETE", f"/users/{SOMEBODY}", None),
    ("POST", f"/users/{SOMEBODY}/restore", None),
    ("DELETE", f"/users/{SOMEBODY}/keys/{SOMEBODY}", None),
]


class TestAKey:
    async def test_acts_as_its_owner(self, ann, client):
        made = await key_of(ann)
        assert (await client.get("/users/me", headers=sent(made))).json()["id"] == str(ann.id)
        assert (await client.head("/users/me", headers=sent(made))).status_code == 200

    @pytest.mark.parametrize(("method", "path", "body"), FOR_PEOPLE)
    async def test_does_nothing_that_is_for_people(self, admin, client, method, path, body):
        """No credential changes, no session or key ends, no account becomes or ceases to be, whatever the scopes."""
        made = await key_of(admin, "users:read", "journal:read")
        refused = await client.request(method, path, json=body, headers=sent(made))
        is_problem(refused, 403, "key_refused")
        assert refused.headers["www-authenticate"] == 'Bearer realm="trellis", error="insufficient_scope"'

    def test_is_taken_by_no_operation_that_is_for_people(self):
        """As the OpenAPI document says, and the edge does: none under `/auth`, and no change of an account."""
        guarded = [
            one
            for one in OPERATIONS
            if one.path.startswith(f"{API_PREFIX}/auth/")
            or (one.path.startswith(f"{API_PREFIX}/users") and one.method != "GET")
        ]
        assert len(guarded) > len(FOR_PEOPLE)
        assert [str(one) for one in guarded if any("ApiKey" in way for way in one.told["security"])] == []

    async def test_without_the_scope_is_told_which_one(self, admin, client):
        made = await key_of(admin, "journal:read")
        refused = await client.get("/users/me", headers=sent(made))
        assert is_problem(refused, 403, "insufficient_scope")["detail"].count("users:read") == 1
        expected = 'Bearer realm="trellis", error="insufficient_scope", scope="users:read"'
        assert refused.headers["www-authenticate"] == expected

    async def test_does_what_its_owner_may_do_now(self, admin, client, database):
        """The owner was an administrator when they made it."""
        made = await key_of(admin, "users:read", "journal:read")
        assert (await client.get("/journal", headers=sent(made))).status_code == 200
        await database.sql(text("UPDATE users SET role = 'user' WHERE id = :id"), {"id": admin.id})
        is_problem(await client.get("/journal", headers=sent(made)), 403, "administrators_only")
        is_problem(await client.get("/users", headers=sent(made)), 403, "administrators_only")

    @pytest.mark.parametrize("how", ["is_active = false", "deleted_at = now(), deletion_id = id"])
    async def test_stops_with_its_owner(self, ann, client, database, how):
        made = await key_of(ann)
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200
        await database.sql(text(f"UPDATE users SET {how} WHERE id = :id"), {"id": ann.id})
        is_problem(await client.get("/users/me", headers=sent(made)), 401, "invalid_token")

    async def test_stops_when_it_expires(self, ann, client, database):
        made = await key_of(ann)
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200
        await expire(database, made)
        refused = await client.get("/users/me", headers=sent(made))
        is_problem(refused, 401, "invalid_token")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]

    async def test_that_is_revoked_is_told_that_and_not_which_scope_it_lacks(self, ann, client):
        made = await key_of(ann)
        assert (await ann.delete(f"/auth/keys/{made['id']}")).status_code == 204
        is_problem(await client.get("/journal", headers=sent(made)), 401, "invalid_token")
        is_problem(await client.delete("/users/me", headers=sent(made)), 401, "invalid_token")

    async def test_outlives_a_change_of_the_password(self, ann, client):
        """It ends the other sessions. A key is no session, and its owner is told of each."""
        made = await key_of(ann)
        body = {"current_password": "correct horse battery", "new_password": "another horse battery"}
        assert (await ann.put("/users/me/password", json=body)).status_code == 204
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200

    async def test_is_gone_for_good_once_its_owner_was_deactivated(self, ann, admin, client):
        made = await key_of(ann)
        for is_active in (False, True):
            assert (await admin.patch(f"/users/{ann.id}", json={"is_active": is_active})).status_code == 200
        is_problem(await client.get("/users/me", headers=sent(made)), 401, "invalid_token")

    @pytest.mark.parametrize(
        "spoiled",
        [
            lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
            lambda key: key.replace("trellis_", "Trellis_"),
            lambda key: key + "A",
            lambda key: key[:-1],
            lambda key: "trellis_",
            lambda key: "trellis_" + "é" * 49,
            lambda key: "trellis_" + "0" * 100_000,
        ],
    )
    async def test_that_was_changed_is_refused_without_asking_the_database(self, ann, client, database, spoiled):
        made = await key_of(ann)
        headers = {"Authorization": f"Bearer {spoiled(made['secret'])}".encode()}
        asked = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(database), "unit_of_work", lambda *_, **__: asked.append(1))
            is_problem(await client.get("/users/me", headers=headers), 401, "invalid_token")
        assert not asked


class TestTheHistory:
    """Of who made the key, also of one that acts as a service."""

    @staticmethod
    async def told(admin, of):
        entries = (await admin.get(f"/users/{of.id}/history?part=api_keys")).json()["items"]
        assert not any("digest" in {**(entry["before"] or {}), **(entry["after"] or {})} for entry in entries)
        return [
            (entry["action"], entry["actor_id"], (entry["before"] or entry["after"])["name"])
            for entry in reversed(entries)
        ]

    async def test_has_its_making_and_its_revocation(self, ann, admin):
        service = (await ann.post("/auth/services", json={"full_name": "Importer"})).json()
        for columns in ({"name": "Mine"}, {"name": "Its", "account_id": service["id"]}):
            made = await key_of(ann, **columns)
            assert (await ann.delete(f"/auth/keys/{made['id']}")).status_code == 204
        by_ann = [(action, str(ann.id), name) for name in ("Mine", "Its") for action in ("created", "deleted")]
        assert await self.told(admin, ann) == by_ann

    async def test_has_its_revocation_by_an_administrator(self, ann, admin):
        made = await key_of(ann, name="A")
        assert (await admin.delete(f"/users/{ann.id}/keys/{made['id']}")).status_code == 204
        assert await self.told(admin, ann) == [("created", str(ann.id), "A"), ("deleted", str(admin.id), "A")]

    async def test_has_its_end_with_the_account(self, ann, admin):
        await key_of(ann, name="A")
        assert (await admin.patch(f"/users/{ann.id}", json={"is_active": False})).status_code == 200
        assert await self.told(admin, ann) == [("created", str(ann.id), "A"), ("deleted", str(admin.id), "A")]

    async def test_has_not_its_use(self, ann, admin, client):
        """Nor does the change feed tell of it."""
        made = await key_of(ann, name="A")
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200
        assert (await ann.get(f"/auth/keys/{made['id']}")).json()["last_used_at"] is not None
        assert await self.told(admin, ann) == [("created", str(ann.id), "A")]


class TestThePurge:
    async def test_removes_what_has_expired_or_was_revoked(self, ann, database, settings):
        expired, revoked, alive = [await key_of(ann) for _ in range(3)]
        await expire(database, expired)
        assert (await ann.delete(f"/auth/keys/{revoked['id']}")).status_code == 204
        await database.sql(
            SESSIONS.update()
            .where(SESSIONS.c.revoked_at.is_not(None))
            .values(revoked_at=text("now() - interval '1 s'"))
        )
        await Purge(database, settings).run()
        assert [str(id) for (id,) in await database.sql(select(KEYS.c.id))] == [alive["id"]]


class TestTheLastUse:
    async def test_is_noted_with_the_first_and_not_with_each(self, ann, client, database):
        made = await key_of(ann)
        assert (await client.get("/users/me", headers=sent(made))).status_code == 200
        first = (await ann.get(f"/auth/keys/{made['id']}")).json()["last_used_at"]
        assert first is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(database), "unit_of_work", None)  # A read writes nothing more.
            assert (await client.get("/users/me", headers=sent(made))).status_code == 200
        assert (await ann.get(f"/auth/keys/{made['id']}")).json()["last_used_at"] == first


async def expire(database, key):
    ended = SESSIONS.update().where(SESSIONS.c.id == key["id"]).values(expires_at=text("now() - interval '1 s'"))
    await database.sql(ended)


class TestTheOwner:
    async def test_is_told_of_a_new_key_by_its_name(self, mailing_app, mailing_application, mail_server, database):
        ann = await signed_in(mailing_app, mailing_application, email="ann@example.com")
        made = await key_of(ann, name="Nightly export")
        await do_jobs(mailing_application)
        (mail,) = mail_server.to("ann@example.com")
        assert mail["Subject"] == "A new API key was made"
        assert "Nightly export" in text_of(mail)
        assert made["secret"] not in mail.as_string()
