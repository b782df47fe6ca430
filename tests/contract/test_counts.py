"""`count`: how many rows there are on all pages."""

import pytest

from modules.projects.tests.factories import ProjectFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from tests.contract.reading import NOON, items, projects_of, refused, shared_with, walk


@pytest.fixture
async def projects(ann, bob):
    """Five that Ann sees, of which two are Bob's; and three that she does not."""
    await projects_of(ann, 3)
    for project in await projects_of(bob, 2, status="paused"):
        await shared_with(ann, project)
    await projects_of(bob, 2)
    await ProjectFactory.saved(owner_id=ann.id, deleted_at=NOON)


async def count(caller, path="/projects", **params):
    answer = await caller.get(path, params={"count": "exact"} | params)
    assert answer.status_code == 200, answer.text
    return answer.json()["count"]


class TestExact:
    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({}, 5),
            ({"limit": "1"}, 5),
            ({"status": "paused"}, 2),
            ({"status[ne]": "paused"}, 3),
            ({"name[contains]": "heliotrope"}, 0),
            ({"tag": "x"}, 0),
            ({"q": "project"}, 5),
            ({"q": "heliotrope", "sort": "-relevance"}, 0),
            ({"deleted": "only"}, 1),
            ({"deleted": "include"}, 6),
            ({"deleted": "exclude"}, 5),
        ],
        ids=str,
    )
    async def test_is_of_the_filter_and_of_what_the_caller_sees(self, ann, projects, params, expected):
        assert await count(ann, **params) == expected
        assert len(await walk(ann, "/projects", **params)) == expected

    async def test_is_the_same_on_every_page(self, ann, projects):
        page = await ann.get("/projects", params={"count": "exact", "limit": 2})
        counts = [page.json()["count"]]
        while "next" in page.links:
            page = await ann.get(f"http://test{page.links['next']['url']}")
            counts.append(page.json()["count"])
        assert counts == [5, 5, 5]

    async def test_is_of_every_list(self, admin, ann, projects):
        await UserFactory.saved(deleted_at=NOON)
        assert await count(admin, "/users") == 3
        assert await count(admin, "/users", role="admin") == 1
        await TagFactory.saved(owner_id=ann.id)
        assert (await count(ann, "/tags"), await count(admin, "/tags")) == (1, 0)
        shared = next(item for item in items(await ann.get("/projects")) if item["my_role"] == "viewer")
        assert await count(ann, f"/projects/{shared['id']}/members", limit=1) == 2

    async def test_is_of_the_project_alone_that_is_asked_for(self, bob, projects):
        assert [
            await count(bob, f"/projects/{item['id']}/members") for item in items(await bob.get("/projects"))
        ].count(2) == 2


class TestEstimated:
    @pytest.mark.parametrize(
        "params",
        [
            {}, {"limit": "1"}, {"status": "paused"}, {"q": "project", "sort": "-relevance"}, {"tag": "x"},
            {"deleted": "include"}, {"name[contains]": "%"}, {"due_on[in]": "2026-01-01,2026-01-02"}, {"fields": "id"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_is_a_whole_number(self, ann, projects, params):
        first = await ann.get("/projects", params=params | {"limit": "1"})
        further = {"cursor": first.json()["next_cursor"]} if "next" in first.links else {}
        for more in ({}, further):
            found = await count(ann, **params | more, count="estimated")
            assert isinstance(found, int)
            assert not isinstance(found, bool)
            assert found >= 0

    @pytest.mark.parametrize("path", ["/tags", "/users", "/projects/{id}/members"])
    async def test_is_of_every_list(self, admin, path):
        project = await ProjectFactory.saved(owner_id=admin.id)
        assert await count(admin, path.format(id=project.id), count="estimated") >= 0


class TestNone:
    @pytest.mark.parametrize("params", [{}, {"count": "none"}])
    async def test_is_the_default_and_adds_nothing(self, ann, projects, params):
        assert (await ann.get("/projects", params=params)).json().keys() == {"items", "next_cursor"}

    @pytest.mark.parametrize("value", ["", "all", "true", "1", "EXACT", "exact,estimated", " exact"])
    async def test_else_is_refused_with_what_there_is(self, ann, value):
        for path in ("/projects", "/tags"):
            message = refused(await ann.get(path, params={"count": value}), "count")
            assert all(word in message for word in ("none", "estimated", "exact"))
