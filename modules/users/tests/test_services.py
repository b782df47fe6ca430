"""Accounts of services: who makes, sees, stops and deletes them, and what they may do."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update
from uuid_utils.compat import uuid7

from modules.users.models import User
from modules.users.tests.keys import is_problem, key_of, sent
from shared.rows import table_of
from shared.upkeep import Purge

USERS = table_of(User)


@pytest.fixture
async def ann(signed_in):
    return await signed_in()


@pytest.fixture
async def bob(signed_in):
    return await signed_in()


@pytest.fixture
async def admin(signed_in):
    return await signed_in(role="admin")


async def service_of(owner, name="Importer"):
    answer = await owner.post("/auth/services", json={"full_name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()


class TestMaking:
    async def test_answers_the_account(self, ann, admin):
        answer = await ann.post("/auth/services", json={"full_name": "Importer"})
        made = answer.json()
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/api/v1/auth/services/{made['id']}"
        assert (made["full_name"], made["owner_id"], made["is_active"]) == ("Importer", str(ann.id), True)
        read = await ann.get(f"/auth/services/{made['id']}")
        assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])
        assert (await ann.get("/auth/services")).json()["items"] == [made]
        seen = (await admin.get(f"/users/{made['id']}")).json()
        assert (seen["kind"], seen["owner_id"], seen["role"]) == ("service", str(ann.id), "user")
        assert (await admin.get(f"/users/{ann.id}")).json()["kind"] == "person"

    async def test_and_deleting_are_for_who_signed_in_lately(self, signed_in):
        stale = await signed_in(ago=timedelta(hours=1))
        is_problem(await stale.delete(f"/auth/services/{uuid7()}"), 403, "step_up_required")
        is_problem(await stale.post("/auth/services", json={"full_name": "A"}), 403, "step_up_required")

    async def test_is_for_people(self, ann, client):
        key = sent(await key_of(ann))
        is_problem(await client.post("/auth/services", json={"full_name": "A"}, headers=key), 403, "key_refused")

    async def test_is_not_seen_by_others(self, ann, bob):
        made = await service_of(ann)
        is_problem(await bob.get(f"/auth/services/{made['id']}"), 404, "user_not_found")
        is_problem(await bob.delete(f"/auth/services/{made['id']}"), 404, "user_not_found")
        assert (await bob.get("/auth/services")).json()["items"] == []


class TestAService:
    async def test_acts_by_a_key_of_its_owners(self, ann, client):
        made = await service_of(ann)
        key = await key_of(ann, account_id=made["id"])
        assert key["account_id"] == made["id"]
        assert (await client.get("/users/me", headers=sent(key))).json()["id"] == made["id"]
        assert [one["id"] for one in (await ann.get("/auth/keys")).json()["items"]] == [key["id"]]

    async def test_of_another_gets_no_key(self, ann, bob):
        made = await service_of(bob)
        for id in (made["id"], str(bob.id), str(uuid7())):
            body = {"name": "A", "scopes": ["users:read"], "account_id": id}
            problem = is_problem(await ann.post("/auth/keys", json=body), 404, "user_not_found")
            assert problem["errors"][0]["pointer"] == "/account_id"

    async def test_has_no_password(self, ann, client, database):
        """Nobody signs in to it, whatever they send."""
        made = await service_of(ann)
        ((email,),) = await database.sql(text("SELECT email FROM users WHERE id = :id"), {"id": made["id"]})
        assert email.endswith("@service.invalid")
        for password in ("correct horse battery", "", " "):
            refused = await client.post("/auth/sessions", json={"email": email, "password": password})
            is_problem(refused, 401, "invalid_credentials")

    async def test_is_no_administrator(self, ann, admin):
        made = await service_of(ann)
        refused = await admin.patch(f"/users/{made['id']}", json={"role": "admin"})
        is_problem(refused, 409, "service_no_administrator")

    async def test_has_no_address(self, ann, admin):
        """A machine would keep somebody's address from them, and mail to its own goes nowhere."""
        made = await service_of(ann)
        before = (await admin.get(f"/users/{made['id']}")).content
        refused = await admin.patch(f"/users/{made['id']}", json={"email": "importer@example.com", "full_name": "B"})
        is_problem(refused, 409, "service_no_address")
        assert (await admin.get(f"/users/{made['id']}")).content == before
        assert (await admin.patch(f"/users/{made['id']}", json={"full_name": "B"})).status_code == 200

    @pytest.mark.parametrize("gone", [{"is_active": False}, {"deleted_at": text("now()"), "deletion_id": uuid7()}])
    async def test_acts_while_its_owner_may(self, ann, client, database, gone):
        made = await service_of(ann)
        key = sent(await key_of(ann, account_id=made["id"]))
        assert (await client.get("/users/me", headers=key)).status_code == 200
        await database.sql(update(USERS).where(USERS.c.id == ann.id).values(**gone))
        is_problem(await client.get("/users/me", headers=key), 401, "invalid_token")

    async def test_is_stopped_by_an_administrator(self, ann, admin, client):
        made = await service_of(ann)
        key = sent(await key_of(ann, account_id=made["id"]))
        assert (await admin.patch(f"/users/{made['id']}", json={"is_active": False})).status_code == 200
        is_problem(await client.get("/users/me", headers=key), 401, "invalid_token")
        body = {"name": "A", "scopes": ["users:read"], "account_id": made["id"]}
        is_problem(await ann.post("/auth/keys", json=body), 404, "user_not_found")
        assert (await admin.patch(f"/users/{made['id']}", json={"is_active": True})).status_code == 200
        is_problem(await client.get("/users/me", headers=key), 401, "invalid_token")


class TestDeleting:
    async def test_ends_its_keys_for_good(self, ann, admin, client):
        made = await service_of(ann)
        key = sent(await key_of(ann, account_id=made["id"]))
        assert (await ann.delete(f"/auth/services/{made['id']}")).status_code == 204
        is_problem(await client.get("/users/me", headers=key), 401, "invalid_token")
        is_problem(await ann.get(f"/auth/services/{made['id']}"), 404, "user_not_found")
        assert (await admin.post(f"/users/{made['id']}/restore")).status_code == 200
        assert (await ann.get(f"/auth/services/{made['id']}")).status_code == 200
        is_problem(await client.get("/users/me", headers=key), 401, "invalid_token")

    async def test_is_undone_only_while_its_owner_is_there(self, ann, admin):
        """A service without an owner would be nobody's, and keep the owner from being purged."""
        made = await service_of(ann)
        assert (await ann.delete(f"/auth/services/{made['id']}")).status_code == 204
        assert (await admin.delete(f"/users/{ann.id}")).status_code == 204
        is_problem(await admin.post(f"/users/{made['id']}/restore"), 409, "service_without_owner")
        assert (await admin.post(f"/users/{ann.id}/restore")).status_code == 200
        assert (await admin.post(f"/users/{made['id']}/restore")).status_code == 200

    async def test_deletes_no_person(self, ann, admin):
        for caller in (ann, admin):
            is_problem(await caller.delete(f"/auth/services/{ann.id}"), 404, "user_not_found")
        assert (await ann.get("/users/me")).status_code == 200

    async def test_of_its_owner_takes_it_along_and_ends_its_keys(self, ann, admin, client):
        """Each comes back by itself, as its own row of the trash, and without its keys."""
        first, second = await service_of(ann), await service_of(ann)
        key = sent(await key_of(ann, account_id=first["id"]))
        assert (await admin.delete(f"/users/{ann.id}")).status_code == 204
        for made in (first, second):
            is_problem(await admin.get(f"/users/{made['id']}"), 404, "user_not_found")
        is_problem(await admin.post(f"/users/{first['id']}/restore"), 409, "service_without_owner")
        is_problem(await admin.get(f"/users/{first['id']}"), 404, "user_not_found")
        for id in (ann.id, first["id"]):
            assert (await admin.post(f"/users/{id}/restore")).status_code == 200
        assert (await admin.get(f"/users/{first['id']}")).json()["is_active"] is True
        is_problem(await admin.get(f"/users/{second['id']}"), 404, "user_not_found")
        is_problem(await client.get("/users/me", headers=key), 401, "invalid_token")


class TestThePurge:
    async def test_takes_a_service_with_its_owner(self, ann, database, settings):
        made = await service_of(ann)
        await key_of(ann, account_id=made["id"])
        assert (await ann.delete("/users/me")).status_code == 204
        long_ago = {"deleted_at": datetime.now(UTC) - settings.retention - timedelta(days=1)}
        await database.sql(update(USERS).where(USERS.c.id.in_([ann.id, made["id"]])).values(**long_ago))
        await Purge(database, settings).run()
        assert (await database.sql(select(USERS.c.id).where(USERS.c.id.in_([ann.id, made["id"]])))).all() == []
