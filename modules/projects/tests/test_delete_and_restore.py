"""Deleting a project, and bringing it back."""

from collections.abc import Awaitable, Callable

import pytest

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
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

    async def test_its_tags_stay(self, ann: Caller, project: Project) -> None:
        await ann.delete(f"/projects/{project.id}")
        assert [tag["project_count"] for tag in (await ann.get("/tags")).json()["items"]] == [0]


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

    async def test_one_without_its_owner_waits_for_the_owner(
        self, ann: Caller, project: Project, signed_in: SignIn
    ) -> None:
        await ann.delete(f"/projects/{project.id}")
        await ann.delete("/users/me")
        refused = await (await signed_in(role="admin")).post(f"/projects/{project.id}/restore")
        assert (refused.status_code, refused.json()["code"]) == (409, "owner_deleted")
