"""Scopes: what a key may do of what its owner may, over all modules."""

import json
from typing import Any

import pytest

from modules.users.tests.keys import is_problem, key_of, sent
from tests.contract.described import DOCUMENT, OPERATIONS, Operation

FOR_KEYS = [one for one in OPERATIONS if one.told["security"][1:] and one.told["tags"][0] not in {"batch", "changes"}]
FOR_PEOPLE = [one for one in OPERATIONS if len(one.told["security"]) == 1]
EACH_SCOPE = sorted({scope for one in FOR_KEYS for scope in one.told["security"][1]["ApiKey"]})


@pytest.fixture
async def ann(signed_in):
    return await signed_in()


async def tried(client, key, operation: Operation) -> Any:
    """Without a body: what is wrong with it is told only to who may send it."""
    path = operation.path.removeprefix("/api/v1").replace("{", "0198c0de-0000-7000-8000-000000000000{")
    path = "/".join(part.partition("{")[0] for part in path.split("/"))
    return await client.request(operation.method, path, headers=sent(key))


class TestEveryScope:
    def test_is_of_a_group_of_operations(self):
        groups = {tag["name"] for tag in DOCUMENT["tags"]}
        assert {scope.partition(":")[0] for scope in EACH_SCOPE} <= groups

    async def test_can_be_given_to_a_key(self, signed_in):
        admin = await signed_in(role="admin")
        assert (await key_of(admin, *EACH_SCOPE))["scopes"] == EACH_SCOPE


class TestAnOperation:
    @pytest.mark.parametrize("operation", FOR_KEYS, ids=str)
    async def test_is_closed_to_a_key_with_all_scopes_but_its_own(self, operation, signed_in, client):
        admin = await signed_in(role="admin")
        (needed,) = operation.told["security"][1]["ApiKey"]
        refused = await tried(client, await key_of(admin, *(one for one in EACH_SCOPE if one != needed)), operation)
        is_problem(refused, 403, "insufficient_scope")
        assert refused.headers["www-authenticate"].endswith(f'error="insufficient_scope", scope="{needed}"')
        passed = await tried(client, await key_of(admin, needed), operation)
        assert passed.status_code not in {401, 403}, passed.text

    @pytest.mark.parametrize("operation", FOR_PEOPLE, ids=str)
    async def test_for_people_is_closed_to_a_key_with_all_scopes(self, operation, signed_in, client):
        key = await key_of(await signed_in(role="admin"), *EACH_SCOPE)
        is_problem(await tried(client, key, operation), 403, "key_refused")


class TestABatch:
    async def test_needs_the_scope_of_each_operation(self, ann, client):
        key = await key_of(ann, "tags:write")
        operations = [
            {"method": "POST", "path": "/tags", "body": {"name": "Urgent"}},
            {"method": "POST", "path": "/projects", "body": {"name": "Move"}},
        ]
        refused = await client.post("/batch", json={"operations": operations}, headers=sent(key))
        problem = is_problem(refused, 403, "batch_failed")
        assert (problem["index"], problem["problem"]["code"]) == (1, "insufficient_scope")
        assert 'scope="projects:write"' in refused.headers["www-authenticate"]
        assert (await ann.get("/tags")).json()["items"] == []
        assert (await client.post("/batch", json={"operations": operations[:1]}, headers=sent(key))).status_code == 200

    async def test_holds_nothing_that_is_for_people(self, ann, client):
        key = await key_of(ann, "tags:write")
        operations = [{"method": "PATCH", "path": "/users/me", "body": {"full_name": "Mallory"}}]
        refused = await client.post("/batch", json={"operations": operations}, headers=sent(key))
        assert is_problem(refused, 403, "batch_failed")["problem"]["code"] == "key_refused"


class TestAReplay:
    """Of what was answered under an idempotency key."""

    async def test_is_for_a_key_with_the_same_scopes(self, ann, client):
        headers = {"Idempotency-Key": "once"}
        body = {"name": "Urgent"}
        first = await client.post("/tags", json=body, headers={**sent(await key_of(ann, "tags:write")), **headers})
        again = await client.post("/tags", json=body, headers={**sent(await key_of(ann, "tags:write")), **headers})
        assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
        assert again.headers["idempotency-replayed"] == "true"
        lacking = await client.post("/tags", json=body, headers={**sent(await key_of(ann, "tags:read")), **headers})
        is_problem(lacking, 403, "insufficient_scope")

    async def test_of_a_batch_tells_a_key_nothing_that_its_scopes_would_not(self, ann, client):
        body = {"operations": [{"method": "POST", "path": "/tags", "body": {"name": "Urgent"}}]}
        headers = {"Idempotency-Key": "once"}
        assert (await ann.post("/batch", json=body, headers=headers)).status_code == 200
        key = await key_of(ann, "projects:write")
        refused = await client.post("/batch", json=body, headers={**sent(key), **headers})
        is_problem(refused, 422, "idempotency_key_reused")


class TestATransfer:
    async def test_is_an_export_that_reads_and_an_import_that_writes(self, ann, client):
        lines = json.dumps({"name": "Move"})
        reader, writer = await key_of(ann, "projects:read"), await key_of(ann, "projects:write")
        upload: dict[str, Any] = {"content": lines, "headers": {**sent(writer), "Content-Type": "application/x-ndjson"}}
        assert (await client.post("/projects/import", **upload)).status_code == 200
        upload["headers"] |= sent(reader)
        is_problem(await client.post("/projects/import", **upload), 403, "insufficient_scope")
        exported = await client.get("/projects/export", headers=sent(reader))
        assert (exported.status_code, json.loads(exported.content)["name"]) == (200, "Move")
        is_problem(await client.get("/projects/export", headers=sent(writer)), 403, "insufficient_scope")


class TestTheOtherMethodsOfARead:
    async def test_need_what_it_needs(self, ann, client):
        reader, writer = await key_of(ann, "tags:read"), await key_of(ann, "tags:write")
        query = {"json": {"limit": 5}}
        for method, more in (("HEAD", {}), ("QUERY", query)):
            assert (await client.request(method, "/tags", headers=sent(reader), **more)).status_code == 200
            refused = await client.request(method, "/tags", headers=sent(writer), **more)
            assert (refused.status_code, 'scope="tags:read"' in refused.headers["www-authenticate"]) == (403, True)


class TestARowInTheWay:
    async def test_is_not_named_to_a_key_that_may_not_read_it(self, ann, client):
        await ann.post(
            "/projects/import",
            content='{"name": "Move", "external_id": "crm/1"}',
            headers={"Content-Type": "application/x-ndjson"},
        )
        body = {"name": "Move", "external_id": "crm/1"}
        blind = await client.post("/projects", json=body, headers=sent(await key_of(ann, "projects:write")))
        both = await key_of(ann, "projects:read", "projects:write")
        seeing = await client.post("/projects", json=body, headers=sent(both))
        assert is_problem(blind, 409, "external_id_taken").get("obstacle") is None
        is_problem(seeing, 409, "external_id_taken")


class TestAllowedActions:
    """`include=allowed_actions`."""

    @pytest.mark.parametrize(
        ("scopes", "expected"),
        [
            (["projects:read"], ["read"]),
            (["projects:read", "tags:write"], ["read"]),
            (["projects:read", "projects:write"], ["read", "change", "manage", "delete", "leave"]),
        ],
    )
    async def test_are_those_that_the_key_has_scopes_for(self, ann, client, scopes, expected):
        id = (await ann.post("/projects", json={"name": "Move"})).json()["id"]
        params = {"include": "allowed_actions", "fields": "id"}
        own = (await ann.get(f"/projects/{id}", params=params)).json()
        assert own == {"id": id, "allowed_actions": ["read", "change", "manage", "delete", "leave"]}
        found = await client.get(f"/projects/{id}", params=params, headers=sent(await key_of(ann, *scopes)))
        assert found.json() == {"id": id, "allowed_actions": expected}

    async def test_are_a_cell_of_an_export(self, ann):
        await ann.post("/tags", json={"name": "Urgent"})
        await ann.post("/projects", json={"name": "Move"})
        exported = await ann.get(
            "/projects/export", params={"fields": "name", "include": "allowed_actions"}, headers={"Accept": "text/csv"}
        )
        assert exported.text.split("\r\n")[0] == "name,allowed_actions"
        assert '""manage""' in exported.text
