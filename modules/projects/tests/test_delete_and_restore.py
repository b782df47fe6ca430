"""Deleting a project, and bringing it back."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx2 import AsyncClient
from uuid_utils.compat import uuid7

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role as AccountRole
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def eve(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Eve")


@pytest.fixture
async def project(ann: Caller, eve: Caller) -> Project:
    """Ann's project with a tag, that Eve may edit."""
    project = await ProjectFactory.saved(owner_id=ann.id, external_id="42")
    tag = await TagFactory.saved(owner_id=ann.id)
    await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    await MemberFactory.saved(project_id=project.id, user_id=eve.id, role=Role.EDITOR)
    return project


class TestDelete:
    async def test_it_answers_with_nothing(self, ann: Caller, project: Project) -> None:
        deleted = await ann.delete(f"/projects/{project.id}")
        assert deleted.status_code == 204
        assert deleted.content == b""

    async def test_the_project_is_gone_from_everywhere(self, ann: Caller, eve: Caller, project: Project) -> None:
        tag = (await ann.get("/tags")).json()["items"][0]["id"]
        await ann.delete(f"/projects/{project.id}")
        for method, path, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "x"}),
            ("DELETE", "", None),
            ("GET", "/members", None),
            ("PUT", f"/members/{eve.id}", {"role": "viewer"}),
            ("DELETE", f"/members/{eve.id}", None),
            ("PUT", f"/tags/{tag}", None),
            ("DELETE", f"/tags/{tag}", None),
        ):
            gone = await ann.request(method, f"/projects/{project.id}{path}", json=body)
            assert (gone.status_code, gone.json()["code"]) == (404, "project_not_found"), (method, path)

    async def test_it_is_gone_from_the_lists_of_all(self, ann: Caller, eve: Caller, project: Project) -> None:
        await ann.delete(f"/projects/{project.id}")
        for caller in (ann, eve):
            assert (await caller.get("/projects")).json()["items"] == []

    async def test_its_tags_stay(self, ann: Caller, project: Project) -> None:
        await ann.delete(f"/projects/{project.id}")
        assert [tag["project_count"] for tag in (await ann.get("/tags")).json()["items"]] == [0]

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_members_may_not(self, ann: Caller, project: Project, signed_in: SignIn, role: Role) -> None:
        member = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=member.id, role=role)
        refused = await member.delete(f"/projects/{project.id}")
        assert refused.status_code == 403
        assert refused.json()["code"] == "project_forbidden"
        assert (await ann.get(f"/projects/{project.id}")).status_code == 200

    async def test_a_co_owner_may(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        cora = await signed_in()
        await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER)
        assert (await cora.delete(f"/projects/{project.id}")).status_code == 204
        assert (await ann.get(f"/projects/{project.id}")).status_code == 404

    async def test_an_administrator_may(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        assert (await admin.delete(f"/projects/{project.id}")).status_code == 204
        assert (await ann.get(f"/projects/{project.id}")).status_code == 404


class TestRestore:
    async def test_the_project_is_back_as_it_was(self, ann: Caller, eve: Caller, project: Project) -> None:
        before = (await ann.get(f"/projects/{project.id}")).json()
        members = (await ann.get(f"/projects/{project.id}/members")).content
        await ann.delete(f"/projects/{project.id}")
        restored = await ann.post(f"/projects/{project.id}/restore")
        assert restored.status_code == 200, restored.text
        after = restored.json()
        assert {name for name in after if after[name] != before[name]} == {"version", "updated_at"}
        assert after["version"] > before["version"]
        assert (await ann.get(f"/projects/{project.id}/members")).content == members
        assert (await eve.get(f"/projects/{project.id}")).json()["my_role"] == "editor"

    async def test_the_answer_equals_every_later_read_byte_for_byte(self, ann: Caller, project: Project) -> None:
        await ann.delete(f"/projects/{project.id}")
        restored = await ann.post(f"/projects/{project.id}/restore")
        assert (await ann.get(f"/projects/{project.id}")).content == restored.content

    async def test_a_second_time_changes_nothing(self, ann: Caller, project: Project) -> None:
        before = await ann.get(f"/projects/{project.id}")
        assert (await ann.post(f"/projects/{project.id}/restore")).content == before.content
        await ann.delete(f"/projects/{project.id}")
        once = await ann.post(f"/projects/{project.id}/restore")
        twice = await ann.post(f"/projects/{project.id}/restore")
        assert twice.status_code == 200
        assert twice.content == once.content

    async def test_an_external_id_that_was_taken_meanwhile_stands_in_the_way(
        self, ann: Caller, project: Project
    ) -> None:
        await ann.delete(f"/projects/{project.id}")
        heir = await ann.post("/projects", json={"name": "Relaunch", "external_id": "42"})
        refused = await ann.post(f"/projects/{project.id}/restore")
        assert refused.status_code == 409
        assert refused.json()["code"] == "external_id_taken"
        await ann.patch(f"/projects/{heir.json()['id']}", json={"external_id": None})
        assert (await ann.post(f"/projects/{project.id}/restore")).status_code == 200

    async def test_an_editor_does_not_find_a_deleted_one(self, ann: Caller, eve: Caller, project: Project) -> None:
        """As who may not restore it may not see it."""
        await ann.delete(f"/projects/{project.id}")
        refused = await eve.post(f"/projects/{project.id}/restore")
        assert refused.status_code == 404
        assert refused.json()["code"] == "project_not_found"
        assert (await ann.get(f"/projects/{project.id}")).status_code == 404

    async def test_one_without_its_owner_waits_for_the_owner(
        self, ann: Caller, project: Project, signed_in: SignIn
    ) -> None:
        await ann.delete(f"/projects/{project.id}")
        await ann.delete("/users/me")
        refused = await (await signed_in(role="admin")).post(f"/projects/{project.id}/restore")
        assert (refused.status_code, refused.json()["code"]) == (409, "owner_deleted")

    async def test_an_editor_may_not_restore_a_live_one(self, eve: Caller, project: Project) -> None:
        assert (await eve.post(f"/projects/{project.id}/restore")).status_code == 403

    async def test_a_co_owner_and_an_administrator_may(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        cora, admin = await signed_in(), await signed_in(role=AccountRole.ADMIN)
        await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER)
        for caller in (cora, admin):
            await ann.delete(f"/projects/{project.id}")
            assert (await caller.post(f"/projects/{project.id}/restore")).status_code == 200
            assert (await ann.get(f"/projects/{project.id}")).status_code == 200


class TestStranger:
    @pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/restore")])
    @pytest.mark.parametrize("deleted", [False, True])
    async def test_it_is_like_one_that_never_was(
        self, ann: Caller, signed_in: SignIn, method: str, path: str, *, deleted: bool
    ) -> None:
        sam, id = await signed_in(), uuid7()
        request: dict[str, Any] = {"headers": {"X-Request-ID": "same"}}
        before = await sam.request(method, f"/projects/{id}{path}", **request)
        await ProjectFactory.saved(id=id, owner_id=ann.id)
        if deleted:
            await ann.delete(f"/projects/{id}")
        after = await sam.request(method, f"/projects/{id}{path}", **request)
        assert before.status_code == 404
        assert after.content == before.content
        assert after.headers == before.headers

    @pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/restore")])
    async def test_nobody_may_without_credentials(
        self, client: AsyncClient, project: Project, method: str, path: str
    ) -> None:
        assert (await client.request(method, f"/projects/{project.id}{path}")).status_code == 401
