"""Making or replacing a project by the caller's own key for it."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import AsyncClient, Response
from uuid_utils.compat import uuid7

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]
WHOLE = {
    "name": "Relaunch",
    "description": "New colours.",
    "status": "paused",
    "starts_on": "2026-02-28",
    "due_on": "2026-03-01",
}
EMPTY: dict[str, Any] = {"description": None, "status": "active", "starts_on": None, "due_on": None, "tags": []}


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def project(ann: Caller) -> Project:
    """Ann's, at version 1, with every member set."""
    return await ProjectFactory.saved(owner_id=ann.id, external_id="42", **WHOLE | {"starts_on": None, "due_on": None})


async def put(caller: AsyncClient, key: str, body: object = None, **headers: str) -> Response:
    path = f"/projects/by-external-id/{quote(key, safe='')}"
    return await caller.put(
        path,
        json={"name": "x"} if body is None else body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


async def keys(caller: Caller) -> list[str]:
    return sorted(item["external_id"] for item in (await caller.get("/projects")).json()["items"])


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    return problem


class TestANewKey:
    async def test_makes_a_project_and_answers_with_the_whole_document(self, ann: Caller) -> None:
        tag = await TagFactory.saved(owner_id=ann.id)
        made = await put(ann, "42", WHOLE | {"tag_ids": [str(tag.id)]})
        assert made.status_code == 201, made.text
        document = made.json()
        assert document.items() >= (WHOLE | {"external_id": "42", "owner_id": str(ann.id), "version": 1}).items()
        assert [tag["id"] for tag in document["tags"]] == [str(tag.id)]

    async def test_answers_where_it_is_and_as_every_later_read_byte_for_byte(self, ann: Caller) -> None:
        made = await put(ann, "42")
        assert made.headers["Location"] == f"/api/v1/projects/{made.json()['id']}"
        read = await ann.get(f"http://test{made.headers['Location']}")
        assert read.content == made.content
        assert read.headers["ETag"] == made.headers["ETag"]

    async def test_is_one_that_only_others_or_deleted_projects_have(self, ann: Caller, signed_in: SignIn) -> None:
        bob = await signed_in()
        others = await ProjectFactory.saved(owner_id=bob.id, external_id="42", name="Bob's")
        await MemberFactory.saved(project_id=others.id, user_id=ann.id, role=Role.OWNER)
        old = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
        await ann.delete(f"/projects/{old.id}")
        made = await put(ann, "42")
        assert made.status_code == 201
        assert made.json()["id"] not in {str(others.id), str(old.id)}
        assert (await bob.get(f"/projects/{others.id}")).json()["name"] == "Bob's"


class TestAKeyThatOneHas:
    async def test_replaces_the_project(self, ann: Caller, project: Project) -> None:
        before = (await ann.get(f"/projects/{project.id}")).json()
        replaced = await put(ann, "42", {"name": "New", "due_on": "2026-04-01"})
        assert replaced.status_code == 200
        assert "Location" not in replaced.headers
        after = replaced.json()
        assert after == before | EMPTY | {
            "name": "New",
            "due_on": "2026-04-01",
            "version": 2,
            "updated_at": after["updated_at"],
        }
        read = await ann.get(f"/projects/{project.id}")
        assert (read.content, read.headers["ETag"]) == (replaced.content, replaced.headers["ETag"])

    async def test_sets_all_tags(self, ann: Caller, project: Project) -> None:
        tags = [await TagFactory.saved(owner_id=ann.id, name=name) for name in "abc"]
        for tag in tags[:2]:
            await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        ids = [str(tag.id) for tag in tags]
        replaced = await put(ann, "42", {"name": "x", "tag_ids": ids[1:]})
        assert [tag["id"] for tag in replaced.json()["tags"]] == ids[1:]
        assert (await put(ann, "42")).json()["tags"] == []

    async def test_keeps_members_and_what_the_client_does_not_write(
        self, ann: Caller, project: Project, signed_in: SignIn
    ) -> None:
        bob = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        members = (await ann.get(f"/projects/{project.id}/members")).content
        await put(ann, "42")
        assert (await ann.get(f"/projects/{project.id}/members")).content == members

    async def test_is_told_by_the_history_as_a_change(self, ann: Caller) -> None:
        id = (await put(ann, "42")).json()["id"]
        await put(ann, "42", {"name": "y"})
        history = (await ann.get(f"/projects/{id}/history")).json()["items"]
        assert [entry["action"] for entry in history] == ["changed", "created"]

    async def test_does_nothing_in_a_dry_run(self, ann: Caller, project: Project) -> None:
        before = (await ann.get(f"/projects/{project.id}")).content
        dry = [await ann.put(f"/projects/by-external-id/{key}?dry_run=true", json={"name": "x"}) for key in ("42", "1")]
        assert [answer.status_code for answer in dry] == [200, 201]
        assert (await ann.get(f"/projects/{project.id}")).content == before
        assert await keys(ann) == ["42"]

    async def test_is_answered_once_for_an_idempotency_key(self, ann: Caller) -> None:
        first, again = [await put(ann, "42", Idempotency_Key="k") for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
        assert (await put(ann, "42")).json()["version"] == 2


class TestTheKey:
    @pytest.mark.parametrize(
        "key",
        [
            "crm/42", "/", "a//b", "/a/", "tags/42", "members/42", "a%2Fb", "%", "a+b", "a b", " ", "?x=1#y", "x;y=1",
            "é", "日本", "🙂", "{id}", '"', "\\", "restore", "\u200b", "\ufffd", "k" * 200, "日" * 200,
        ],
    )  # fmt: skip
    async def test_is_any_text_on_a_line(self, ann: Caller, key: str) -> None:
        made = await put(ann, key)
        assert made.status_code == 201, made.text
        assert made.json()["external_id"] == key
        assert (await put(ann, key)).json()["id"] == made.json()["id"]
        assert await keys(ann) == [key]

    @pytest.mark.parametrize("key", ["", "a\0b", "a\nb", "a\n", "\r", "a\u2028b", "\x1b[0m", "k" * 201])
    async def test_is_named_as_the_parameter_when_it_is_bad(self, ann: Caller, key: str) -> None:
        problem = refused(await put(ann, key), 422, "invalid_input")
        assert [error["parameter"] for error in problem["errors"]] == ["external_id"]
        assert await keys(ann) == []

    @pytest.mark.parametrize("escaped", ["caf%E9", "%FF", "%ED%A0%80", "x/%C3"])
    async def test_is_utf_8(self, ann: Caller, escaped: str) -> None:
        answer = await ann.put(f"/projects/by-external-id/{escaped}", json={"name": "x"})
        problem = refused(answer, 422, "invalid_input")
        assert [error["parameter"] for error in problem["errors"]] == ["external_id"]

    async def test_is_not_in_the_body(self, ann: Caller) -> None:
        problem = refused(await put(ann, "42", {"name": "x", "external_id": "42"}), 422, "invalid_input")
        assert [error["pointer"] for error in problem["errors"]] == ["/external_id"]


class TestTheBody:
    @pytest.mark.parametrize("exists", [False, True])
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/name"),
            ({"name": None}, "/name"),
            ({"name": "x", "status": None}, "/status"),
            ({"name": "x", "tag_ids": [str(uuid7())]}, "/tag_ids/0"),
            ({"name": "x", "starts_on": "2026-03-01", "due_on": "2026-02-28"}, "/due_on"),
        ],
    )
    async def test_keeps_the_rules_of_a_new_project(
        self, ann: Caller, body: dict[str, Any], pointer: str, *, exists: bool
    ) -> None:
        if exists:
            await ProjectFactory.saved(owner_id=ann.id, external_id="42", name="before")
        answer = await put(ann, "42", body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert [item["name"] for item in (await ann.get("/projects")).json()["items"]] == ["before"] * exists

    async def test_may_not_bring_the_tags_of_others(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        tag = await TagFactory.saved(owner_id=(await signed_in()).id)
        refused(await put(ann, "42", {"name": "x", "tag_ids": [str(tag.id)]}), 422, "tag_not_attachable")

    async def test_may_keep_the_tag_that_another_put_there(
        self, ann: Caller, project: Project, signed_in: SignIn
    ) -> None:
        tag = await TagFactory.saved(owner_id=(await signed_in()).id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        assert (await put(ann, "42", {"name": "x", "tag_ids": [str(tag.id)]})).status_code == 200


class TestAMinimalAnswer:
    async def test_has_its_tag_alone(self, ann: Caller, project: Project) -> None:
        answer = await put(ann, "42", Prefer="return=minimal")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["ETag"].startswith('"2-')


class TestIfMatch:
    async def test_replaces_the_version_that_it_names(self, ann: Caller, project: Project) -> None:
        etag = (await ann.get(f"/projects/{project.id}")).headers["ETag"]
        replaced = await put(ann, "42", If_Match=etag)
        assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
        stale = await put(ann, "42", {"name": "y"}, If_Match=etag)
        refused(stale, 412, "version_mismatch")
        assert stale.headers["ETag"] == replaced.headers["ETag"]
        assert (await ann.get(f"/projects/{project.id}")).content == replaced.content

    @pytest.mark.parametrize("given", ['"1-x"', "*"])
    async def test_makes_nothing_new(self, ann: Caller, given: str) -> None:
        refused(await put(ann, "42", If_Match=given), 412, "precondition_failed")
        assert await keys(ann) == []

    async def test_of_any_replaces_the_one_that_is_there(self, ann: Caller, project: Project) -> None:
        assert (await put(ann, "42", If_Match="*")).status_code == 200


class TestIfNoneMatch:
    async def test_makes_a_new_one(self, ann: Caller) -> None:
        assert (await put(ann, "42", If_None_Match="*")).status_code == 201

    async def test_replaces_nothing(self, ann: Caller, project: Project) -> None:
        before = await ann.get(f"/projects/{project.id}")
        answer = await put(ann, "42", If_None_Match=" * ")
        refused(answer, 412, "already_there")
        assert answer.headers["ETag"] == before.headers["ETag"]
        assert (await ann.get(f"/projects/{project.id}")).content == before.content

    async def test_stops_other_changes_as_well(self, ann: Caller, project: Project) -> None:
        answer = await ann.patch(f"/projects/{project.id}", json={"name": "x"}, headers={"If-None-Match": "*"})
        refused(answer, 412, "already_there")

    async def test_does_not_go_with_if_match(self, ann: Caller, project: Project) -> None:
        problem = refused(await put(ann, "42", If_Match="*", If_None_Match="*"), 422, "invalid_input")
        assert [error["parameter"] for error in problem["errors"]] == ["If-None-Match"]


class TestWhereIfMatchIsRequired:
    @pytest.fixture(autouse=True)
    def required(self, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(application.http.mutations(), "require_if_match", True)

    async def test_a_new_one_needs_none(self, ann: Caller) -> None:
        assert (await put(ann, "42")).status_code == 201
        assert (await put(ann, "43", If_None_Match="*")).status_code == 201

    async def test_a_replacement_does(self, ann: Caller, project: Project) -> None:
        refused(await put(ann, "42"), 428, "precondition_required")
        assert (await put(ann, "42", If_Match='"1-"')).status_code == 200


class TestInABatch:
    async def test_a_second_one_of_the_key_replaces_the_first(self, ann: Caller) -> None:
        path = "/projects/by-external-id/crm/42"
        operations = [{"method": "PUT", "path": path, "body": {"name": name}} for name in ("a", "b")]
        results = (await ann.post("/batch", json={"operations": operations})).json()["results"]
        assert [result["status"] for result in results] == [201, 200]
        assert (results[1]["body"]["id"], results[1]["body"]["name"]) == (results[0]["body"]["id"], "b")
        assert await keys(ann) == ["crm/42"]


class TestOpenApi:
    async def test_tells_of_both_answers_and_of_the_key(self, client: AsyncClient) -> None:
        document = (await client.get("http://test/openapi.json")).json()
        operation = document["paths"]["/api/v1/projects/by-external-id/{external_id}"]["put"]
        assert operation["operationId"] == "projects_upsert"
        assert {"200", "201"} <= operation["responses"].keys()
        parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
        assert {"external_id", "If-Match", "If-None-Match", "Idempotency-Key"} <= parameters.keys()
        assert parameters["external_id"]["schema"].items() >= {"minLength": 1, "maxLength": 200}.items()


class TestWithoutCredentials:
    async def test_nobody_may(self, client: AsyncClient) -> None:
        assert (await put(client, "42")).status_code == 401
