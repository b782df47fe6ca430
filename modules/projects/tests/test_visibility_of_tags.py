"""What members of a project see of the tags on it, and how many projects a tag counts."""

from collections.abc import Awaitable, Callable

import pytest

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role as AccountRole
from tests.callers import Caller

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


@pytest.fixture
async def tag(ann: Caller) -> Tag:
    return await TagFactory.saved(owner_id=ann.id, name="Urgent")


@pytest.fixture
async def project(ann: Caller, tag: Tag) -> Project:
    """Ann's project, with her tag."""
    return await tagged(ann, tag)


async def tagged(owner: Caller, tag: Tag) -> Project:
    project = await ProjectFactory.saved(owner_id=owner.id)
    await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return project


async def share(project: Project, member: Caller, role: Role = Role.VIEWER) -> None:
    await MemberFactory.saved(project_id=project.id, user_id=member.id, role=role)


async def listed(caller: Caller) -> list[str]:
    return [item["name"] for item in (await caller.get("/tags")).json()["items"]]


async def count(caller: Caller, tag: Tag) -> int:
    one = (await caller.get(f"/tags/{tag.id}")).json()["project_count"]
    assert one in [item["project_count"] for item in (await caller.get("/tags")).json()["items"]]
    return int(one)


class TestSeeing:
    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.OWNER])
    async def test_a_member_sees_the_tags_on_the_project(
        self, ann: Caller, bob: Caller, project: Project, tag: Tag, role: Role
    ) -> None:
        await TagFactory.saved(owner_id=ann.id, name="On nothing")
        assert (await bob.get(f"/tags/{tag.id}")).status_code == 404
        await share(project, bob, role)
        assert (await bob.get(f"/tags/{tag.id}")).content == (await ann.get(f"/tags/{tag.id}")).content
        assert await listed(bob) == ["Urgent"]

    async def test_the_owner_sees_the_tags_of_editors(self, ann: Caller, bob: Caller, project: Project) -> None:
        await share(project, bob, Role.EDITOR)
        of_bob = await TagFactory.saved(owner_id=bob.id)
        assert (await ann.get(f"/tags/{of_bob.id}")).status_code == 404
        await bob.put(f"/projects/{project.id}/tags/{of_bob.id}")
        assert (await ann.get(f"/tags/{of_bob.id}")).json()["owner_id"] == str(bob.id)

    async def test_the_list_has_own_and_shared_ones_each_once_newest_first(
        self, ann: Caller, bob: Caller, project: Project, tag: Tag
    ) -> None:
        """Whatever the number of projects that carry it."""
        own = await TagFactory.saved(owner_id=bob.id, name="Own")
        later = await TagFactory.saved(owner_id=ann.id, name="Later")
        await ProjectTagFactory.saved(project_id=project.id, tag_id=later.id)
        for shared in (project, await tagged(ann, tag), await tagged(bob, own)):
            await share(shared, bob)
        assert await listed(bob) == ["Later", "Own", "Urgent"]
        found: list[str] = []
        page = await bob.get("/tags", params={"limit": 1})
        found += [item["name"] for item in page.json()["items"]]
        while link := page.links.get("next"):
            page = await bob.get(f"http://test{link['url']}")
            found += [item["name"] for item in page.json()["items"]]
        assert found == ["Later", "Own", "Urgent"]

    @pytest.mark.parametrize("end", ["leave", "delete project", "detach", "delete tag"])
    async def test_it_ends_with_what_it_came_from(
        self, ann: Caller, bob: Caller, project: Project, tag: Tag, end: str
    ) -> None:
        await share(project, bob)
        assert await listed(bob) == ["Urgent"]
        ended = {
            "leave": lambda: bob.delete(f"/projects/{project.id}/members/{bob.id}"),
            "delete project": lambda: ann.delete(f"/projects/{project.id}"),
            "detach": lambda: ann.delete(f"/projects/{project.id}/tags/{tag.id}"),
            "delete tag": lambda: ann.delete(f"/tags/{tag.id}"),
        }
        assert (await ended[end]()).status_code == 204
        assert (await bob.get(f"/tags/{tag.id}")).status_code == 404
        assert await listed(bob) == []

    async def test_an_administrators_list_is_their_own(
        self, ann: Caller, project: Project, tag: Tag, signed_in: SignIn
    ) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        assert (await admin.get(f"/tags/{tag.id}")).status_code == 200
        assert await listed(admin) == []


class TestChanging:
    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.OWNER])
    async def test_who_only_sees_a_tag_may_not(
        self, ann: Caller, bob: Caller, project: Project, tag: Tag, role: Role
    ) -> None:
        await share(project, bob, role)
        before = await ann.get(f"/tags/{tag.id}")
        for refused in (
            await bob.patch(f"/tags/{tag.id}", json={"name": "Mine"}),
            await bob.delete(f"/tags/{tag.id}"),
            await bob.post(f"/tags/{tag.id}/restore"),
        ):
            assert refused.status_code == 403
            assert refused.json()["code"] == "tag_forbidden"
        assert (await ann.get(f"/tags/{tag.id}")).content == before.content

    async def test_a_member_does_not_find_a_deleted_one(
        self, ann: Caller, bob: Caller, project: Project, tag: Tag
    ) -> None:
        await share(project, bob, Role.OWNER)
        await ann.delete(f"/tags/{tag.id}")
        assert (await bob.post(f"/tags/{tag.id}/restore")).status_code == 404


class TestProjectCount:
    async def test_it_counts_the_projects_that_carry_the_tag(self, ann: Caller, project: Project, tag: Tag) -> None:
        await ProjectFactory.saved(owner_id=ann.id)
        assert await count(ann, tag) == 1
        await tagged(ann, tag)
        assert await count(ann, tag) == 2

    async def test_it_counts_live_ones_only(self, ann: Caller, project: Project, tag: Tag) -> None:
        await tagged(ann, tag)
        await ann.delete(f"/projects/{project.id}")
        assert await count(ann, tag) == 1
        await ann.post(f"/projects/{project.id}/restore")
        assert await count(ann, tag) == 2

    async def test_it_counts_those_that_the_caller_sees_only(
        self, ann: Caller, bob: Caller, project: Project, tag: Tag, signed_in: SignIn
    ) -> None:
        for _ in range(2):
            await tagged(ann, tag)
        await share(project, bob)
        admin = await signed_in(role=AccountRole.ADMIN)
        assert await count(bob, tag) == 1
        assert await count(ann, tag) == 3
        assert (await admin.get(f"/tags/{tag.id}")).json()["project_count"] == 3

    async def test_an_editor_who_left_does_not_count_the_project_that_keeps_their_tag(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        await share(project, bob, Role.EDITOR)
        of_bob = await TagFactory.saved(owner_id=bob.id)
        await bob.put(f"/projects/{project.id}/tags/{of_bob.id}")
        assert await count(bob, of_bob) == 1
        await bob.delete(f"/projects/{project.id}/members/{bob.id}")
        assert await count(bob, of_bob) == 0
        assert await count(ann, of_bob) == 1
