"""The change feed tells which documents change along with another resource: `GET /changes`."""

import psycopg
import pytest

from shared.auth import Principal
from shared.feed import dependencies
from shared.feed.dependencies import resource_of
from tests.callers import Caller
from tests.contract.following import *  # noqa: F403 (its fixtures)
from tests.contract.following import SignIn, changes_of, follow, latest, make, share

pytestmark = pytest.mark.needs("projects")


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


@pytest.fixture
async def admin(signed_in: SignIn) -> Caller:
    return await signed_in(role="admin")


async def tagged(owner, *tags, name="Relaunch"):
    return await make(owner, name=name, tag_ids=tags)


async def along(caller, start, resource="tags"):
    """Of which documents of a resource it is told that they changed with another one, and of which again and again."""
    found, _ = await follow(caller, start)
    return sorted(
        {
            item["id"]
            for item in found
            if (item["resource"], item["action"], item["part"], item["version"]) == (resource, "changed", None, None)
        },
        key=str,
    )


ANY = [None]


class TestATag:
    @pytest.fixture
    async def tag(self, ann):
        return await make(ann, path="/tags")

    async def test_is_told_when_a_project_takes_it_on_or_off(self, ann, tag):
        other = await make(ann, name="Other", path="/tags")
        project = await tagged(ann, other)
        for change in (ann.put, ann.delete):
            start = await latest(ann)
            assert (await change(f"/projects/{project}/tags/{tag}")).status_code == 204
            assert await along(ann, start) == [tag]

    async def test_is_told_when_a_project_comes_or_goes(self, ann, tag):
        start = await latest(ann)
        project = await tagged(ann, tag)
        assert await along(ann, start) == [tag]
        start = await latest(ann)
        await ann.delete(f"/projects/{project}")
        assert await along(ann, start) == [tag]
        start = await latest(ann)
        await ann.post(f"/projects/{project}/restore")
        assert await along(ann, start) == [tag]

    async def test_is_not_told_when_a_project_changes_otherwise(self, ann, tag):
        project = await tagged(ann, tag)
        start = await latest(ann)
        await ann.patch(f"/projects/{project}", json={"name": "New", "description": "x"})
        assert await along(ann, start) == []

    async def test_is_told_to_one_who_is_added(self, ann, bob, tag):
        project = await tagged(ann, tag)
        start = await latest(bob)
        await share(ann, project, bob)
        assert await along(bob, start) == [tag]

    async def test_may_be_any_for_one_who_is_removed(self, ann, bob, tag):
        """A mirror may have read tags that are no longer on the project; and what comes later is not theirs to see."""
        project = await tagged(ann, tag)
        await share(ann, project, bob)
        start = await latest(bob)
        await ann.delete(f"/projects/{project}/members/{bob.id}")
        await ann.delete(f"/projects/{project}/tags/{tag}")
        await ann.put(f"/projects/{project}/tags/{await make(ann, name='Secret', path='/tags')}")
        assert await along(bob, start) == ANY

    async def test_may_be_any_when_one_is_out_of_sight(self, ann, bob, tag):
        own = await make(bob, path="/tags")
        project = await tagged(ann, tag)
        await share(ann, project, bob, "editor")
        await bob.put(f"/projects/{project}/tags/{own}")
        for change, told in ((ann.delete, ANY), (ann.put, [tag])):
            start = await latest(bob)
            await change(f"/projects/{project}/tags/{tag}")
            assert await along(bob, start) == told
        start = await latest(bob)
        await ann.delete(f"/projects/{project}")
        assert await along(bob, start) == ANY

    async def test_is_not_told_when_somebody_elses_project_takes_it_along(self, ann, bob, tag):
        """It carries the tag of a former member, who is not to learn what happens there."""
        project = await make(bob)
        await share(bob, project, ann, "editor")
        await ann.put(f"/projects/{project}/tags/{tag}")
        await bob.delete(f"/projects/{project}/members/{ann.id}")
        start = await latest(ann)
        await bob.delete(f"/projects/{project}")
        assert (await follow(ann, start))[0] == []

    async def test_is_told_to_an_administrator_whatever_project_carries_it(self, ann, bob, admin):
        """They reach every project, so that their tags count all."""
        own = await make(admin, path="/tags")
        project = await make(ann)
        await admin.put(f"/projects/{project}/tags/{own}")
        await share(ann, project, bob)
        start = await latest(admin)
        await ann.delete(f"/projects/{project}")
        found, _ = await follow(admin, start)
        assert [(item["resource"], item["id"]) for item in found] == [("tags", own)]


class TestAProject:
    async def test_is_told_when_a_tag_on_it_changes(self, ann, bob):
        tag = await make(ann, path="/tags")
        project, other = await tagged(ann, tag), await tagged(ann, tag)
        await make(ann)
        await share(ann, project, bob)
        for change in (
            ann.patch(f"/tags/{tag}", json={"name": "New"}),
            ann.patch(f"/tags/{tag}", json={"color": "#ffffff"}),
            ann.delete(f"/tags/{tag}"),
            ann.post(f"/tags/{tag}/restore"),
        ):
            starts = await latest(ann), await latest(bob)
            assert (await change).is_success
            assert await along(ann, starts[0], "projects") == [project, other]
            assert await along(bob, starts[1], "projects") == [project]

    async def test_is_told_to_those_who_see_it_only(self, ann, bob):
        start = await latest(bob)
        tag = await make(ann, path="/tags")
        await tagged(ann, tag)
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        assert (await follow(bob, start))[0] == []

    async def test_in_the_trash_is_not_told(self, ann):
        tag = await make(ann, path="/tags")
        await ann.delete(f"/projects/{await tagged(ann, tag)}")
        start = await latest(ann)
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        assert await along(ann, start, "projects") == []

    async def test_may_be_any_when_one_change_reaches_too_many(self, ann, url):
        with psycopg.connect(url) as operator:
            tag = await make(ann, path="/tags")
            operator.execute(
                "INSERT INTO projects (id, owner_id, name, status) "
                "SELECT gen_random_uuid(), %s, 'x', 'active' FROM generate_series(1, %s)",
                [ann.id, dependencies.MOST_REACHED],
            )
            operator.execute("INSERT INTO project_tags SELECT id, %s FROM projects WHERE owner_id = %s", [tag, ann.id])
        start = await latest(ann)
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        assert len(await along(ann, start, "projects")) == dependencies.MOST_REACHED
        await tagged(ann, tag)
        start = await latest(ann)
        await ann.patch(f"/tags/{tag}", json={"name": "Newer"})
        assert await along(ann, start, "projects") == ANY


class TestAPage:
    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_of_any_size_tells_the_same(self, ann, limit):
        """Also when it ends amid what one change tells."""
        start = await latest(ann)
        tag = await make(ann, path="/tags")
        projects = [await tagged(ann, tag) for _ in range(5)]
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        await ann.delete(f"/projects/{projects[0]}")
        found, end = await follow(ann, start, limit)
        whole, _ = await follow(ann, start)
        assert found == whole
        assert [item["id"] for item in found][-7:] == [tag, *projects[1:], projects[0], tag]
        assert (await follow(ann, end, limit))[0] == []

    async def test_goes_on_after_the_same_document_when_links_go_meanwhile(self, ann):
        tag = await make(ann, path="/tags")
        projects = [await tagged(ann, tag) for _ in range(4)]
        start = await latest(ann)
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        page = (await ann.get("/changes", params={"after": start, "limit": 3})).json()
        assert [item["id"] for item in page["items"]] == [tag, *projects[:2]]
        await ann.delete(f"/projects/{projects[0]}/tags/{tag}")
        found, cursor = await follow(ann, page["next_cursor"], 2)
        assert [item["id"] for item in found] == projects[2:]
        found, _ = await follow(ann, cursor)
        assert {item["id"] for item in found} == {projects[0], tag}

    async def test_that_ends_its_examination_amid_them_loses_none(self, ann, real):
        tag = await make(ann, path="/tags")
        projects = [await tagged(ann, tag) for _ in range(4)]
        after = await latest(ann)
        await ann.patch(f"/tags/{tag}", json={"name": "New"})
        await ann.patch(f"/tags/{tag}", json={"name": "Newer"})
        changes, principal = changes_of(real.kernel, most_examined=2), Principal(ann.id, ann.session_id)
        told, more = b"", True
        while more:
            page = await changes.page(principal, after, 2)
            told += b"".join(page.items)
            after, more = page.next_cursor, page.has_more
        assert [told.count(id.encode()) for id in (tag, *projects)] == [2] * 5


class TestDependencies:
    def test_are_derived_from_documents_policies_and_foreign_keys(self, real):
        found = dependencies.dependencies(real.kernel.repositories(), real.kernel.projector())
        assert {(each.rows.name, each.on.name) for each in found} >= {("tags", "projects"), ("projects", "tags")}
        assert all(each.leads for each in found)
        assert {resource_of(each.on) for each in found} <= {"tags", "projects", "users"}
