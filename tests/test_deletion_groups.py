"""What the deletion of an account takes along, what its restoration brings back, and that each happens whole."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.models import Tag
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role as AccountRole
from tests.callers import Caller
from tests.database import RolledBackDatabase


@dataclass(frozen=True)
class World:
    """Who and what is there in these tests."""

    admin: Caller
    ann: Caller
    bob: Caller
    tag: Tag
    """Ann's."""
    own: Project
    """Ann's, with her tag; Bob is a viewer."""
    others: Project
    """Bob's, with his tag and Ann's; Ann is an editor."""

    async def documents(self) -> dict[str, Any]:
        """All of it as an administrator sees it, None for what is not there; versions left out."""
        paths = {
            "tag": f"/tags/{self.tag.id}",
            "own": f"/projects/{self.own.id}",
            "members of own": f"/projects/{self.own.id}/members",
            "others": f"/projects/{self.others.id}",
            "members of others": f"/projects/{self.others.id}/members",
        }
        found = {}
        for name, path in paths.items():
            answer = await self.admin.get(path)
            document = {key: value for key, value in answer.json().items() if key not in ("version", "updated_at")}
            found[name] = document if answer.status_code == 200 else None
        return found

    async def restore(self, account: Caller) -> None:
        restored = await self.admin.post(f"/users/{account.id}/restore")
        assert restored.status_code == 200, restored.text


@pytest.fixture
async def world(signed_in: Callable[..., Awaitable[Caller]]) -> World:
    admin = await signed_in(full_name="Root", role=AccountRole.ADMIN)
    ann, bob = await signed_in(full_name="Ann"), await signed_in(full_name="Bob")
    tag = await TagFactory.saved(owner_id=ann.id, name="Ann's tag")
    bobs_tag = await TagFactory.saved(owner_id=bob.id, name="Bob's tag")
    own = await ProjectFactory.saved(owner_id=ann.id, name="Ann's project", external_id="42")
    others = await ProjectFactory.saved(owner_id=bob.id, name="Bob's project")
    for project, carried in ((own, tag), (others, tag), (others, bobs_tag)):
        await ProjectTagFactory.saved(project_id=project.id, tag_id=carried.id)
    await MemberFactory.saved(project_id=own.id, user_id=bob.id, role=Role.VIEWER)
    await MemberFactory.saved(project_id=others.id, user_id=ann.id, role=Role.EDITOR)
    return World(admin, ann, bob, tag, own, others)


async def delete_account(caller: Caller) -> None:
    assert (await caller.delete("/users/me")).status_code == 204


async def names(caller: Caller, path: str) -> list[str]:
    return sorted(item["name"] for item in (await caller.get(path)).json()["items"])


async def members(caller: Caller, project: Project) -> list[str | None]:
    """Their names, and None for a member who is nobody."""
    items = (await caller.get(f"/projects/{project.id}/members")).json().get("items", [])
    return sorted((item["user"] and item["user"]["full_name"] for item in items), key=str)


class TestDelete:
    async def test_ones_projects_go_along_for_all_who_saw_them(self, world: World) -> None:
        assert await names(world.bob, "/projects") == ["Ann's project", "Bob's project"]
        await delete_account(world.ann)
        assert (await world.bob.get(f"/projects/{world.own.id}")).status_code == 404
        assert await names(world.bob, "/projects") == ["Bob's project"]

    async def test_ones_tags_go_along_from_the_projects_of_others_too(self, world: World) -> None:
        await delete_account(world.ann)
        assert (await world.bob.get(f"/tags/{world.tag.id}")).status_code == 404
        assert await names(world.bob, "/tags") == ["Bob's tag"]
        document = (await world.bob.get(f"/projects/{world.others.id}")).json()
        assert [tag["name"] for tag in document["tags"]] == ["Bob's tag"]

    async def test_ones_memberships_go_along(self, world: World) -> None:
        assert await members(world.bob, world.others) == ["Ann", "Bob"]
        await delete_account(world.ann)
        assert await members(world.bob, world.others) == ["Bob"]

    async def test_an_administrator_does_the_same(self, world: World) -> None:
        assert (await world.admin.delete(f"/users/{world.ann.id}")).status_code == 204
        assert await names(world.bob, "/projects") == ["Bob's project"]
        assert await names(world.bob, "/tags") == ["Bob's tag"]
        assert await members(world.bob, world.others) == ["Bob"]

    async def test_all_else_stays(self, world: World) -> None:
        await delete_account(world.bob)
        assert await names(world.ann, "/projects") == ["Ann's project"]
        assert await names(world.ann, "/tags") == ["Ann's tag"]


class TestRestore:
    async def test_all_that_went_is_back(self, world: World) -> None:
        before = await world.documents()
        await delete_account(world.ann)
        gone = {name for name, document in (await world.documents()).items() if document is None}
        assert gone == {"tag", "own", "members of own"}
        await world.restore(world.ann)
        assert await world.documents() == before
        assert (await world.bob.get(f"/projects/{world.own.id}")).json()["my_role"] == "viewer"

    @pytest.mark.parametrize("path", ["projects", "tags"])
    async def test_what_was_deleted_before_stays_deleted(self, world: World, path: str) -> None:
        before = await world.documents()
        earlier = (await world.ann.post(f"/{path}", json={"name": "Earlier"})).json()["id"]
        assert (await world.ann.delete(f"/{path}/{earlier}")).status_code == 204
        await delete_account(world.ann)
        await world.restore(world.ann)
        assert await world.documents() == before
        assert (await world.admin.get(f"/{path}/{earlier}")).status_code == 404
        assert (await world.admin.post(f"/{path}/{earlier}/restore")).status_code == 200

    async def test_a_membership_that_ended_before_stays_ended(self, world: World) -> None:
        await world.bob.delete(f"/projects/{world.others.id}/members/{world.ann.id}")
        await delete_account(world.ann)
        await world.restore(world.ann)
        assert await members(world.bob, world.others) == ["Bob"]

    async def test_only_the_group_of_that_account_comes_back(self, world: World) -> None:
        before = await world.documents()
        await delete_account(world.ann)
        await delete_account(world.bob)
        await world.restore(world.ann)
        assert (await world.documents())["others"] is None
        assert await members(world.admin, world.own) == ["Ann"]
        await world.restore(world.bob)
        assert await world.documents() == before

    async def test_what_is_not_in_the_group_is_left_alone(self, world: World) -> None:
        """To the byte: version and time of change tell of every write."""
        project = await ProjectFactory.saved(owner_id=world.bob.id)
        tag = await TagFactory.saved(owner_id=world.bob.id)
        paths = f"/projects/{project.id}", f"/tags/{tag.id}"
        before = [(await world.bob.get(path)).content for path in paths]
        await delete_account(world.ann)
        assert [(await world.bob.get(path)).content for path in paths] == before
        await world.restore(world.ann)
        assert [(await world.bob.get(path)).content for path in paths] == before

    async def test_an_account_can_go_and_come_back_again(self, world: World) -> None:
        before = await world.documents()
        for _ in range(2):
            assert (await world.admin.delete(f"/users/{world.ann.id}")).status_code == 204
            await world.restore(world.ann)
            assert await world.documents() == before

    async def test_a_second_time_changes_nothing(self, world: World) -> None:
        await delete_account(world.ann)
        await world.restore(world.ann)
        once = await world.admin.get(f"/projects/{world.own.id}")
        await world.restore(world.ann)
        assert once.status_code == 200
        assert (await world.admin.get(f"/projects/{world.own.id}")).content == once.content

    async def test_what_an_administrator_brought_back_before_is_left_alone(self, world: World) -> None:
        before = await world.documents()
        await delete_account(world.ann)
        tag = await world.admin.post(f"/tags/{world.tag.id}/restore")
        assert tag.status_code == 200
        await world.restore(world.ann)
        assert await world.documents() == before
        assert (await world.ann.get(f"/tags/{world.tag.id}")).status_code == 401, "Her session did not come back."
        assert (await world.admin.get(f"/tags/{world.tag.id}")).json()["version"] == tag.json()["version"]


class TestProjectOfADeletedAccount:
    """A project always keeps an owner, one that is there."""

    async def test_a_co_owner_does_not_bring_it_back_without_one(self, world: World) -> None:
        given = await world.ann.put(f"/projects/{world.own.id}/members/{world.bob.id}", json={"role": "owner"})
        assert given.status_code == 204
        await delete_account(world.ann)
        await world.bob.post(f"/projects/{world.own.id}/restore")
        assert None not in await members(world.bob, world.own)

    async def test_an_administrator_does_not_bring_it_back_without_one(self, world: World) -> None:
        await delete_account(world.ann)
        await world.admin.post(f"/projects/{world.own.id}/restore")
        assert None not in await members(world.admin, world.own)


@asynccontextmanager
async def failing(database: RolledBackDatabase, table: str, error: str) -> AsyncIterator[None]:
    """Meanwhile, PostgreSQL refuses to delete or restore rows of a table, with an error of this name."""
    await database.script(f"""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'On purpose.' USING ERRCODE = '{error}'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE OF deleted_at ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()""")
    yield
    await database.script("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize("table", ["tags", "projects", "project_members"])
class TestFailure:
    """One transaction: what one module cannot do, none does."""

    async def test_nothing_is_deleted(self, world: World, database: RolledBackDatabase, table: str) -> None:
        before = await world.documents()
        async with failing(database, table, "lock_not_available"):
            refused = await world.ann.delete("/users/me")
        assert refused.status_code == 503
        assert await world.documents() == before
        assert (await world.ann.get("/users/me")).status_code == 200

    async def test_nothing_is_restored(
        self, world: World, database: RolledBackDatabase, table: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        await delete_account(world.ann)
        before = await world.documents()
        async with failing(database, table, "raise_exception"):
            refused = await world.admin.post(f"/users/{world.ann.id}/restore")
        assert refused.status_code == 500
        assert "On purpose" in caplog.text
        assert "On purpose" not in refused.text
        assert await world.documents() == before
        assert (await world.admin.get(f"/users/{world.ann.id}")).status_code == 404
