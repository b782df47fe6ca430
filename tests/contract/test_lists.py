"""Pages, their cursors and links, and who gets them."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from modules.projects.models import Role
from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.models import UserSession
from modules.users.tests.factories import UserFactory
from tests.contract.reading import ids, items, projects_of, refused, shared_with, walk

LISTS = ("/projects", "/tags", "/users", "/projects/{id}/members")


@pytest.fixture
async def project(admin):
    """Of the administrator, who has at least three rows in every list."""
    for _ in range(2):
        user = await UserFactory.saved()
        await TagFactory.saved(owner_id=admin.id)
        await ProjectFactory.saved(owner_id=admin.id)
    await TagFactory.saved(owner_id=admin.id)
    project = await ProjectFactory.saved(owner_id=admin.id)
    await shared_with(user, project)
    await shared_with(await UserFactory.saved(), project)
    return project


class TestAPage:
    @pytest.mark.parametrize("path", LISTS)
    async def test_holds_items_and_the_cursor_of_the_next(self, admin, project, path):
        page = await admin.get(path.format(id=project.id), params={"limit": 2})
        assert page.json().keys() == {"items", "next_cursor"}
        assert len(items(page)) == 2
        assert isinstance(page.json()["next_cursor"], str)
        last = await admin.get(path.format(id=project.id))
        assert last.json()["next_cursor"] is None
        assert "Link" not in last.headers

    @pytest.mark.parametrize("path", LISTS)
    async def test_leads_on_to_the_others(self, admin, project, path):
        path = path.format(id=project.id)
        whole = items(await admin.get(path))
        for limit in (1, 2):
            assert await walk(admin, path, limit=limit) == whole

    @pytest.mark.parametrize("path", LISTS)
    @pytest.mark.parametrize(
        "limit", ["0", "00", "-1", "-0", "x", "", "1.0", "1e1", " 5", "٣", "+5", "0x5", "5,5", "null"]
    )
    async def test_of_no_size_is_refused(self, admin, project, path, limit):
        refused(await admin.get(path.format(id=project.id), params={"limit": limit}), "limit")

    @pytest.mark.parametrize("limit", ["1", "01", "100", "101", "1000", "9" * 30, "0" * 300 + "1"])
    async def test_of_any_other_size_is_given(self, ann, limit):
        await projects_of(ann, 3)
        assert len(ids(await ann.get("/projects", params={"limit": limit}))) == min(int(limit), 3)


class TestLink:
    async def test_keeps_every_other_parameter(self, ann):
        tag = await TagFactory.saved(owner_id=ann.id, slug="ä&b")
        for _ in range(2):
            project = await ProjectFactory.saved(owner_id=ann.id, name="a+b %", description="word")
            await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        given = [
            ("limit", "1"), ("tag", "ä&b"), ("tag", "ä&b"), ("name[contains]", "A+B %"),
            ("status[in]", "active,paused"),
            ("sort", "-relevance,name"), ("q", 'word -"no"'), ("fields", "id"), ("include", "owner"),
            ("count", "exact"),
            ("deleted", "include"),
        ]  # fmt: skip
        page = await ann.get("/projects", params=given)
        link = urlsplit(page.links["next"]["url"])
        assert link.path == "/api/v1/projects"
        expected = [*given, ("cursor", page.json()["next_cursor"])]
        assert sorted(parse_qsl(link.query, keep_blank_values=True)) == sorted(expected)
        second = await ann.get(f"http://test{page.links['next']['url']}")
        assert items(second)[0].keys() == {"id", "owner", "deleted_at", "purge_at"}
        assert ids(second) != ids(page)
        assert second.json()["count"] == 2

    async def test_has_the_cursor_once_on_every_page(self, ann):
        await projects_of(ann, 3)
        first = await ann.get("/projects", params={"limit": 1})
        second = await ann.get(f"http://test{first.links['next']['url']}")
        pairs = parse_qsl(urlsplit(second.links["next"]["url"]).query)
        assert [value for name, value in pairs if name == "cursor"] == [second.json()["next_cursor"]]
        assert first.headers["Link"].endswith('>; rel="next"')


class TestACursor:
    """Of the list that `params` ask for."""

    params = {"sort": "name", "status": "active", "q": "word", "limit": "1"}  # noqa: RUF012

    @pytest.fixture
    async def cursor(self, ann, bob):
        for n in range(3):
            project = await ProjectFactory.saved(owner_id=ann.id, name=f"p{n}", description="word")
            await shared_with(bob, project, Role.OWNER)
        return (await ann.get("/projects", params=self.params)).json()["next_cursor"]

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "paused"}, {"status": None}, {"status[ne]": "paused"}, {"name[gt]": "a"}, {"tag": "a"},
            {"q": "words"},
            {"q": None}, {"q": ""}, {"sort": "-name"}, {"sort": None}, {"sort": "name,status"}, {"deleted": "only"},
            {"deleted": "include"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_is_refused_by_a_list_with_another_filter_or_order(self, ann, cursor, change):
        params = {name: value for name, value in (self.params | change).items() if value is not None}
        answer = await ann.get("/projects", params=params | {"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
        assert [error["parameter"] for error in answer.json()["errors"]] == ["cursor"]

    @pytest.mark.parametrize(
        "change",
        [
            {"limit": "2"}, {"limit": None}, {"fields": "id,name"}, {"include": "owner,members"}, {"count": "exact"},
            {"count": "estimated"}, {"deleted": "exclude"},
        ],
        ids=str,
    )  # fmt: skip
    async def test_is_good_for_the_same_list_seen_otherwise(self, ann, cursor, change):
        params = {name: value for name, value in (self.params | change).items() if value is not None}
        found = items(await ann.get("/projects", params=params | {"cursor": cursor}))
        assert [item["name"] for item in found] == ["p1", "p2"][: int(params.get("limit", 20))]

    async def test_is_good_whatever_the_order_of_the_parameters(self, ann, cursor):
        reversed_ = [("cursor", cursor), *reversed(self.params.items())]
        assert [item["name"] for item in items(await ann.get("/projects", params=reversed_))] == ["p1"]

    async def test_is_refused_to_another_caller(self, bob, cursor):
        assert len(ids(await bob.get("/projects", params=self.params))) == 1
        answer = await bob.get("/projects", params=self.params | {"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")

    async def test_is_refused_by_another_projects_members(self, admin, project):
        other = await ProjectFactory.saved(owner_id=admin.id)
        cursor = (await admin.get(f"/projects/{project.id}/members", params={"limit": 1})).json()["next_cursor"]
        assert len(ids_of_members(await admin.get(f"/projects/{project.id}/members", params={"cursor": cursor}))) == 2
        answer = await admin.get(f"/projects/{other.id}/members", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")

    async def test_is_refused_when_it_is_given_twice(self, ann, cursor):
        pairs = [*self.params.items(), ("cursor", cursor), ("cursor", cursor)]
        refused(await ann.get("/projects", params=pairs), "cursor")


def ids_of_members(page):
    return [item["user"]["id"] for item in items(page)]


class TestARevokedSession:
    @pytest.mark.parametrize(
        "path", [*LISTS, "/projects/{id}", "/tags/{tag}", "/users/{user}", "/users/me", "/projects?count=estimated"]
    )
    async def test_reads_nothing_from_its_next_request_on(self, admin, project, database, path):
        tag = ids(await admin.get("/tags"))[0]
        path = path.format(id=project.id, tag=tag, user=admin.id)
        before = await admin.get(path)
        assert before.status_code == 200
        async with database.orm() as session:
            (await session.get(UserSession, admin.session_id)).revoked_at = datetime.now(UTC)
        for headers in ({}, {"If-None-Match": before.headers["ETag"]}):
            answer = await admin.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert "ETag" not in answer.headers
