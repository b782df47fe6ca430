"""A project always keeps an owner: leaving, stepping down, and who comes after."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from httpx2 import Response

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.users.models import Role as AccountRole
from tests.callers import Caller

JANUARY, FEBRUARY, MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4))

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


@pytest.fixture
async def cora(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Cora")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(owner_id=ann.id, created_at=JANUARY)


async def leave(caller: Caller, project: Project) -> Response:
    return await caller.delete(f"/projects/{project.id}/members/{caller.id}")


async def give(caller: Caller, project: Project, member: Caller, role: str) -> Response:
    return await caller.put(f"/projects/{project.id}/members/{member.id}", json={"role": role})


async def members(caller: Caller, project: Project) -> dict[str, str]:
    items = (await caller.get(f"/projects/{project.id}/members")).json()["items"]
    assert len({item["user"]["id"] for item in items}) == len(items)
    return {item["user"]["full_name"]: item["role"] for item in items}


class TestLeaving:
    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.OWNER])
    async def test_every_member_may_on_their_own(self, ann: Caller, bob: Caller, project: Project, role: Role) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=role)
        assert (await leave(bob, project)).status_code == 204
        assert (await bob.get(f"/projects/{project.id}")).status_code == 404
        assert await members(ann, project) == {"Ann": "owner"}

    async def test_who_has_left_is_a_stranger(self, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        await leave(bob, project)
        again = await leave(bob, project)
        assert again.status_code == 404
        assert again.json()["code"] == "project_not_found"

    async def test_an_administrator_who_is_no_member_cannot(self, project: Project, signed_in: SignIn) -> None:
        refused = await leave(await signed_in(role=AccountRole.ADMIN), project)
        assert refused.status_code == 404
        assert refused.json()["code"] == "member_not_found"


class TestOnlyOwner:
    async def test_they_cannot_leave(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.EDITOR)
        refused = await leave(ann, project)
        assert refused.status_code == 409
        assert refused.json()["code"] == "last_owner"
        assert await members(ann, project) == {"Ann": "owner", "Bob": "editor"}

    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_they_cannot_step_down(self, ann: Caller, project: Project, role: str) -> None:
        refused = await give(ann, project, ann, role)
        assert refused.status_code == 409
        assert refused.json()["code"] == "last_owner"
        assert await members(ann, project) == {"Ann": "owner"}
        assert (await ann.get(f"/projects/{project.id}")).json()["version"] == 1

    async def test_no_administrator_can_take_them_away(self, ann: Caller, project: Project, signed_in: SignIn) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        refusals = [
            await admin.delete(f"/projects/{project.id}/members/{ann.id}"),
            await give(admin, project, ann, "viewer"),
        ]
        assert [(refused.status_code, refused.json()["code"]) for refused in refusals] == [(409, "last_owner")] * 2

    async def test_a_deleted_account_does_not_come_after(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER)
        await bob.delete("/users/me")
        assert (await leave(ann, project)).status_code == 409

    async def test_to_stay_the_owner_changes_nothing(self, ann: Caller, project: Project) -> None:
        before = await ann.get(f"/projects/{project.id}")
        assert (await give(ann, project, ann, "owner")).status_code == 204
        assert (await ann.get(f"/projects/{project.id}")).content == before.content


class TestCoOwners:
    @pytest.fixture(autouse=True)
    async def shared(self, project: Project, bob: Caller, cora: Caller, signed_in: SignIn) -> None:
        """Cora has been an owner for longer than Bob; Vic was there before both, but only to look."""
        vic = await signed_in(full_name="Vic")
        await MemberFactory.saved(project_id=project.id, user_id=vic.id, role=Role.VIEWER, created_at=FEBRUARY)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER, created_at=APRIL)
        await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER, created_at=MARCH)

    async def test_the_project_names_one_owner_still(self, ann: Caller, bob: Caller, project: Project) -> None:
        for caller in (ann, bob):
            document = (await caller.get(f"/projects/{project.id}")).json()
            assert document["owner_id"] == str(ann.id)
            assert document["my_role"] == "owner"

    async def test_the_one_of_longest_standing_comes_after_an_owner_who_leaves(
        self, ann: Caller, bob: Caller, cora: Caller, project: Project
    ) -> None:
        assert (await leave(ann, project)).status_code == 204
        assert (await ann.get(f"/projects/{project.id}")).status_code == 404
        assert (await bob.get(f"/projects/{project.id}")).json()["owner_id"] == str(cora.id)
        assert await members(bob, project) == {"Cora": "owner", "Vic": "viewer", "Bob": "owner"}

    @pytest.mark.parametrize("role", ["viewer", "editor"])
    async def test_an_owner_who_steps_down_stays_as_what_they_chose(
        self, ann: Caller, cora: Caller, project: Project, role: str
    ) -> None:
        assert (await give(ann, project, ann, role)).status_code == 204
        document = (await ann.get(f"/projects/{project.id}")).json()
        assert (document["owner_id"], document["my_role"]) == (str(cora.id), role)
        assert await members(ann, project) == {"Cora": "owner", "Vic": "viewer", "Bob": "owner", "Ann": role}

    async def test_one_may_put_the_owner_in_their_place_or_out(
        self, ann: Caller, bob: Caller, cora: Caller, project: Project
    ) -> None:
        assert (await give(bob, project, ann, "editor")).status_code == 204
        assert (await bob.delete(f"/projects/{project.id}/members/{cora.id}")).status_code == 204
        assert await members(bob, project) == {"Bob": "owner", "Vic": "viewer", "Ann": "editor"}
        assert (await bob.get(f"/projects/{project.id}")).json()["owner_id"] == str(bob.id)

    async def test_the_last_of_them_cannot_go(self, ann: Caller, bob: Caller, cora: Caller, project: Project) -> None:
        assert (await leave(ann, project)).status_code == 204
        assert (await leave(cora, project)).status_code == 204
        refused = await leave(bob, project)
        assert refused.status_code == 409
        assert refused.json()["code"] == "last_owner"

    async def test_who_comes_after_has_been_there_since_they_came(
        self, ann: Caller, cora: Caller, project: Project
    ) -> None:
        """Not since the project was made, when they were not."""
        await leave(ann, project)
        items = (await cora.get(f"/projects/{project.id}/members")).json()["items"]
        since = {item["user"]["full_name"]: item["since"] for item in items}
        assert since["Cora"] == "2026-03-01T00:00:00+00:00"

    async def test_who_steps_down_has_been_there_since_they_came(self, ann: Caller, project: Project) -> None:
        await give(ann, project, ann, "viewer")
        items = (await ann.get(f"/projects/{project.id}/members")).json()["items"]
        since = {item["user"]["full_name"]: item["since"] for item in items}
        assert since["Ann"] == "2026-01-01T00:00:00+00:00"

    @pytest.mark.parametrize("way", ["leave", "step down"])
    async def test_passing_on_raises_the_version_by_one(
        self, ann: Caller, bob: Caller, project: Project, way: str
    ) -> None:
        await (leave(ann, project) if way == "leave" else give(ann, project, ann, "viewer"))
        assert (await bob.get(f"/projects/{project.id}")).json()["version"] == 2

    async def test_an_external_id_that_the_heir_uses_stands_in_the_way_of_another_role_too(
        self, ann: Caller, cora: Caller, project: Project
    ) -> None:
        await ann.patch(f"/projects/{project.id}", json={"external_id": "42"})
        await ProjectFactory.saved(owner_id=cora.id, external_id="42")
        refused = await ann.put(f"/projects/{project.id}/members/{ann.id}", json={"role": "editor"})
        assert (refused.status_code, refused.json()["code"]) == (409, "external_id_taken")

    async def test_an_external_id_that_the_heir_uses_stands_in_the_way(
        self, ann: Caller, cora: Caller, project: Project
    ) -> None:
        """It is unique per owner."""
        await ann.patch(f"/projects/{project.id}", json={"external_id": "42"})
        await ProjectFactory.saved(owner_id=cora.id, external_id="42")
        refused = await leave(ann, project)
        assert refused.status_code == 409
        assert refused.json()["code"] == "external_id_taken"
        assert (await ann.get(f"/projects/{project.id}")).json()["owner_id"] == str(ann.id)
