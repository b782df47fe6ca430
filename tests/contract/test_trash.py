"""The trash: `deleted=only` and `deleted=include`, what it shows, and to whom."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from modules.projects.models import Role
from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import UserFactory
from tests.contract.reading import NOON, ids, items, projects_of, refused, shared_with, walk

LISTS = ("/projects", "/tags", "/users")


@pytest.fixture
async def rows(admin):
    """Of each list a live row and a deleted one."""
    projects = [await ProjectFactory.saved(owner_id=admin.id, name="p", deleted_at=at) for at in (None, NOON)]
    tags = [await TagFactory.saved(owner_id=admin.id, deleted_at=at) for at in (None, NOON)]
    users = [admin, await UserFactory.saved(deleted_at=NOON)]
    pairs: tuple[list[Any], ...] = (projects, tags, users)
    return {path: [str(row.id) for row in pair] for path, pair in zip(LISTS, pairs, strict=True)}


class TestDeletedRows:
    @pytest.mark.parametrize("path", LISTS)
    async def test_are_shown_only_when_asked_for(self, admin, rows, path):
        live, deleted = rows[path]
        for params, expected in (
            ({}, {live}),
            ({"deleted": "exclude"}, {live}),
            ({"deleted": "only"}, {deleted}),
            ({"deleted": "include"}, {live, deleted}),
        ):
            assert set(ids(await admin.get(path, params=params))) == expected

    @pytest.mark.parametrize("path", LISTS)
    async def test_tell_since_when_and_until_when_they_can_be_restored(self, admin, rows, path):
        for deleted in ("only", "include"):
            found = {item["id"]: item for item in items(await admin.get(path, params={"deleted": deleted}))}
            row = found[rows[path][1]]
            assert datetime.fromisoformat(row["deleted_at"]) == NOON
            assert datetime.fromisoformat(row["purge_at"]) == NOON + timedelta(days=30)
            live = found.get(rows[path][0], {})
            assert live.get("deleted_at") is live.get("purge_at") is None

    @pytest.mark.parametrize("path", LISTS)
    async def test_are_not_to_be_found_by_their_id(self, admin, rows, path):
        gone = await admin.get(f"{path}/{rows[path][1]}")
        assert gone.status_code == 404
        assert "deleted_at" not in (await admin.get(f"{path}/{rows[path][0]}")).json()
        assert "deleted_at" not in items(await admin.get(path))[0]

    async def test_show_no_members(self, admin, rows):
        answer = await admin.get(f"/projects/{rows['/projects'][1]}/members")
        assert (answer.status_code, answer.json()["code"]) == (404, "project_not_found")

    @pytest.mark.parametrize("path", LISTS)
    async def test_come_back_from_the_trash_into_the_list(self, admin, rows, path):
        id = rows[path][0]
        if path == "/users":
            id = str((await UserFactory.saved()).id)
        before = (await admin.get(f"{path}/{id}")).json()
        assert (await admin.delete(f"{path}/{id}")).status_code == 204
        assert id not in ids(await admin.get(path))
        assert id in ids(await admin.get(path, params={"deleted": "only"}))
        restored = await admin.post(f"{path}/{id}/restore")
        assert restored.status_code == 200, restored.text
        assert id not in ids(await admin.get(path, params={"deleted": "only"}))
        assert id in ids(await admin.get(path))
        assert restored.json().keys() == before.keys()

    async def test_are_found_by_filters_searches_and_sorts_like_others(self, admin, rows):
        params = {"deleted": "include", "q": "p", "sort": "-relevance", "name": "p", "count": "exact", "fields": "id"}
        answer = await admin.get("/projects", params=params)
        assert set(ids(answer)) == set(rows["/projects"])
        assert answer.json()["count"] == 2
        assert ids(await admin.get("/projects", params=params | {"name": "x"})) == []

    async def test_are_walked_through_in_pages(self, ann, bob):
        for n in range(3):
            await projects_of(ann, 2, deleted_at=NOON if n else None)
            for project in await projects_of(bob, 2, deleted_at=NOON if n else None):
                await shared_with(ann, project, Role.OWNER)
        for deleted, count in (("only", 8), ("include", 12), ("exclude", 4)):
            whole = items(await ann.get("/projects", params={"deleted": deleted}))
            assert len(whole) == count
            assert await walk(ann, "/projects", deleted=deleted, limit=3) == whole

    async def test_keep_what_they_embed(self, admin, rows):
        project, tag = rows["/projects"][1], rows["/tags"][0]
        await ProjectTagFactory.saved(project_id=project, tag_id=tag)
        (found,) = items(await admin.get("/projects", params={"deleted": "only", "include": "owner,members"}))
        assert [item["id"] for item in found["tags"]] == [tag]
        assert found["owner"]["id"] == str(admin.id)
        assert len(found["members"]) == 1
        assert found["my_role"] == "owner"


class TestWhoSeesThem:
    @pytest.mark.parametrize("deleted", ["only", "include"])
    @pytest.mark.parametrize(
        ("role", "sees"), [(Role.OWNER, True), (Role.EDITOR, False), (Role.VIEWER, False), (None, False)]
    )
    async def test_of_projects_are_who_may_restore_them(self, ann, bob, role, sees, deleted):
        project = await ProjectFactory.saved(owner_id=ann.id, deleted_at=NOON)
        if role is not None:
            await shared_with(bob, project, role)
        answer = await bob.get("/projects", params={"deleted": deleted, "count": "exact"})
        assert ids(answer) == [str(project.id)] * sees
        assert answer.json()["count"] == sees
        assert (await bob.post(f"/projects/{project.id}/restore")).status_code == (200 if sees else 404)

    @pytest.mark.parametrize("deleted", ["only", "include"])
    async def test_of_tags_are_their_owners(self, ann, bob, deleted):
        tag = await TagFactory.saved(owner_id=ann.id, deleted_at=NOON)
        project = await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id), Role.OWNER)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        assert ids(await ann.get("/tags", params={"deleted": deleted})) == [str(tag.id)]
        assert ids(await bob.get("/tags", params={"deleted": deleted})) == []

    @pytest.mark.parametrize("deleted", ["only", "include", "exclude"])
    async def test_of_accounts_are_administrators(self, ann, deleted):
        assert (await ann.get("/users", params={"deleted": deleted})).status_code == 403

    async def test_still_see_live_rows_in_which_they_have_a_lesser_role(self, ann, bob):
        project = await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id))
        assert ids(await bob.get("/projects", params={"deleted": "include"})) == [str(project.id)]


class TestTheParameter:
    @pytest.mark.parametrize("value", ["", "true", "all", "ONLY", "only,include", "1"])
    async def test_is_one_of_three_words(self, admin, value):
        for path in LISTS:
            message = refused(await admin.get(path, params={"deleted": value}), "deleted")
            assert all(word in message for word in ("exclude", "only", "include"))
