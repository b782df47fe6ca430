"""Tags on projects: whose may be put there, and what becomes of them."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role as AccountRole
from modules.users.tests.factories import UserFactory
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def eve(signed_in: SignIn, project: Project) -> Caller:
    """An editor of Ann's project."""
    eve = await signed_in(full_name="Eve")
    await MemberFactory.saved(project_id=project.id, user_id=eve.id, role=Role.EDITOR)
    return eve


@pytest.fixture
async def vic(signed_in: SignIn, project: Project) -> Caller:
    """A viewer of Ann's project."""
    vic = await signed_in(full_name="Vic")
    await MemberFactory.saved(project_id=project.id, user_id=vic.id, role=Role.VIEWER)
    return vic


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(owner_id=ann.id)


@pytest.fixture
async def tag(ann: Caller) -> Tag:
    return await TagFactory.saved(owner_id=ann.id, name="Urgent")


async def carried(caller: Caller, project: Project) -> list[UUID]:
    document = (await caller.get(f"/projects/{project.id}")).json()
    return [UUID(tag["id"]) for tag in document["tags"]]


async def version(caller: Caller, project: Project) -> int:
    return int((await caller.get(f"/projects/{project.id}")).json()["version"])


class TestAttach:
    async def test_the_project_carries_the_tag(self, ann: Caller, project: Project, tag: Tag) -> None:
        attached = await ann.put(f"/projects/{project.id}/tags/{tag.id}")
        assert attached.status_code == 204
        assert attached.content == b""
        assert await carried(ann, project) == [tag.id]

    async def test_a_second_time_changes_nothing(self, ann: Caller, project: Project, tag: Tag) -> None:
        await ann.put(f"/projects/{project.id}/tags/{tag.id}")
        assert await version(ann, project) == 2
        assert (await ann.put(f"/projects/{project.id}/tags/{tag.id}")).status_code == 204
        assert await carried(ann, project) == [tag.id]
        assert await version(ann, project) == 2

    async def test_an_editor_may_with_their_own_and_the_owners(
        self, ann: Caller, eve: Caller, project: Project, tag: Tag
    ) -> None:
        own = await TagFactory.saved(owner_id=eve.id)
        for id in (tag.id, own.id):
            assert (await eve.put(f"/projects/{project.id}/tags/{id}")).status_code == 204
        assert set(await carried(ann, project)) == {tag.id, own.id}

    async def test_those_of_a_third_a_deleted_and_an_unknown_one_are_not_found(
        self, ann: Caller, eve: Caller, vic: Caller, project: Project, tag: Tag
    ) -> None:
        of_stranger = await TagFactory.saved(owner_id=(await UserFactory.saved()).id)
        of_member = await TagFactory.saved(owner_id=vic.id)
        await ann.delete(f"/tags/{tag.id}")
        for id in (of_stranger.id, of_member.id, tag.id, uuid4()):
            for caller in (ann, eve):
                refused = await caller.put(f"/projects/{project.id}/tags/{id}")
                assert refused.status_code == 404
                assert refused.json()["code"] == "tag_not_found"
        assert await carried(ann, project) == []
        assert await version(ann, project) == 1

    async def test_an_administrator_may_with_the_owners(self, project: Project, tag: Tag, signed_in: SignIn) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        third = await TagFactory.saved(owner_id=(await UserFactory.saved()).id)
        assert (await admin.put(f"/projects/{project.id}/tags/{tag.id}")).status_code == 204
        assert (await admin.put(f"/projects/{project.id}/tags/{third.id}")).status_code == 404


class TestDetach:
    async def test_the_project_does_not_carry_the_tag_any_more(self, ann: Caller, project: Project, tag: Tag) -> None:
        other = await TagFactory.saved(owner_id=ann.id)
        for id in (tag.id, other.id):
            await ProjectTagFactory.saved(project_id=project.id, tag_id=id)
        detached = await ann.delete(f"/projects/{project.id}/tags/{tag.id}")
        assert detached.status_code == 204
        assert detached.content == b""
        assert await carried(ann, project) == [other.id]
        assert await version(ann, project) == 2

    async def test_one_that_is_not_there_is_off_already(self, ann: Caller, project: Project, tag: Tag) -> None:
        assert (await ann.delete(f"/projects/{project.id}/tags/{tag.id}")).status_code == 204
        assert await version(ann, project) == 1

    async def test_owner_and_editor_may_whosoever_it_is(self, ann: Caller, eve: Caller, project: Project) -> None:
        for owner, caller in ((ann, eve), (eve, ann)):
            tag = await TagFactory.saved(owner_id=owner.id)
            await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
            assert (await caller.delete(f"/projects/{project.id}/tags/{tag.id}")).status_code == 204
            assert await carried(ann, project) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
class TestWhoMay:
    async def test_a_viewer_may_not(self, vic: Caller, project: Project, method: str) -> None:
        own = await TagFactory.saved(owner_id=vic.id)
        refused = await vic.request(method, f"/projects/{project.id}/tags/{own.id}")
        assert refused.status_code == 403
        assert refused.json()["code"] == "project_forbidden"

    async def test_a_stranger_does_not_find_the_project(self, project: Project, signed_in: SignIn, method: str) -> None:
        sam = await signed_in()
        own = await TagFactory.saved(owner_id=sam.id)
        refused = await sam.request(method, f"/projects/{project.id}/tags/{own.id}")
        assert refused.status_code == 404
        assert refused.json()["code"] == "project_not_found"

    async def test_nobody_may_without_credentials(
        self, client: AsyncClient, project: Project, tag: Tag, method: str
    ) -> None:
        assert (await client.request(method, f"/projects/{project.id}/tags/{tag.id}")).status_code == 401


class TestTagIds:
    async def test_an_editor_may_set_their_own_and_the_owners(self, eve: Caller, project: Project, tag: Tag) -> None:
        own = await TagFactory.saved(owner_id=eve.id)
        patched = await eve.patch(f"/projects/{project.id}", json={"tag_ids": [str(own.id), str(tag.id)]})
        assert patched.status_code == 200, patched.text
        assert set(await carried(eve, project)) == {own.id, tag.id}

    async def test_not_even_the_owner_may_set_an_editors(self, ann: Caller, eve: Caller, project: Project) -> None:
        third = await TagFactory.saved(owner_id=eve.id)
        refused = await ann.patch(f"/projects/{project.id}", json={"tag_ids": [str(third.id)]})
        assert refused.status_code == 422
        assert refused.json()["code"] == "tag_not_attachable"


class TestDeletedTag:
    async def test_it_vanishes_from_projects_and_comes_back_with_the_tag(
        self, ann: Caller, project: Project, tag: Tag
    ) -> None:
        other = await ProjectFactory.saved(owner_id=ann.id)
        for id in (project.id, other.id):
            await ProjectTagFactory.saved(project_id=id, tag_id=tag.id)
        before = (await ann.get("/projects")).content
        await ann.delete(f"/tags/{tag.id}")
        assert [item["tags"] for item in (await ann.get("/projects")).json()["items"]] == [[], []]
        assert await carried(ann, project) == []
        await ann.post(f"/tags/{tag.id}/restore")
        assert (await ann.get("/projects")).content == before

    async def test_a_changed_tag_changes_on_its_projects(self, ann: Caller, project: Project, tag: Tag) -> None:
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        await ann.patch(f"/tags/{tag.id}", json={"name": "Later", "slug": "later", "color": "#123456"})
        document = (await ann.get(f"/projects/{project.id}")).json()
        assert document["tags"] == [{"id": str(tag.id), "name": "Later", "slug": "later", "color": "#123456"}]
