"""The members of a project: giving them other roles, taking these away, and who may."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, Response
from uuid_utils.compat import uuid7

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.projects.tests.joining import join
from modules.users.models import Role as AccountRole
from modules.users.tests.factories import UserFactory
from tests.callers import Caller

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


@pytest.fixture
async def ann(bob: Caller, signed_in: SignIn) -> Caller:
    """She came after Bob, so her id is the greater one."""
    return await signed_in(full_name="Ann")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(owner_id=ann.id, created_at=JANUARY)


def roles(page: Response) -> list[tuple[str, str]]:
    assert page.status_code == 200, page.text
    return [(item["user"]["full_name"], item["role"]) for item in page.json()["items"]]


class TestPut:
    @pytest.mark.parametrize("role", ["viewer", "editor", "owner"])
    async def test_it_gives_a_role(self, ann: Caller, bob: Caller, project: Project, role: str) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        given = await ann.put(f"/projects/{project.id}/members/{bob.id}", json={"role": role})
        assert given.status_code == 204
        assert given.content == b""
        assert (await bob.get(f"/projects/{project.id}")).json()["my_role"] == role
        assert (await ann.get(f"/projects/{project.id}")).json()["owner_id"] == str(ann.id)

    @pytest.mark.parametrize(
        ("before", "after"), [(Role.VIEWER, "editor"), (Role.EDITOR, "viewer"), (Role.OWNER, "viewer")]
    )
    async def test_it_changes_a_role_but_not_since_when(
        self, ann: Caller, bob: Caller, project: Project, before: Role, after: str
    ) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=before, created_at=MARCH)
        assert (await ann.put(f"/projects/{project.id}/members/{bob.id}", json={"role": after})).status_code == 204
        member = (await ann.get(f"/projects/{project.id}/members")).json()["items"][1]
        assert (member["role"], member["since"]) == (after, "2026-03-01T00:00:00+00:00")

    async def test_a_change_raises_the_projects_version_once_and_a_repetition_not(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER)
        versions = []
        for role in ("viewer", "viewer", "editor", "editor", "owner", "owner"):
            await ann.put(f"/projects/{project.id}/members/{bob.id}", json={"role": role})
            versions.append((await ann.get(f"/projects/{project.id}")).json()["version"])
        assert versions == [2, 2, 3, 3, 4, 4]

    @pytest.mark.parametrize("body", [{"role": "admin"}, {"role": "Owner"}, {"role": ""}, {"role": None}, {}])
    async def test_there_are_no_other_roles(
        self, ann: Caller, bob: Caller, project: Project, body: dict[str, str]
    ) -> None:
        refused = await ann.put(f"/projects/{project.id}/members/{bob.id}", json=body)
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/role"]
        assert (await bob.get(f"/projects/{project.id}")).status_code == 404

    async def test_unknown_fields_are_refused(self, ann: Caller, bob: Caller, project: Project) -> None:
        body = {"role": "viewer", "since": "2020-01-01T00:00:00Z"}
        refused = await ann.put(f"/projects/{project.id}/members/{bob.id}", json=body)
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/since"]

    async def test_nobody_becomes_a_member_by_it(self, ann: Caller, bob: Caller, project: Project) -> None:
        """Who is none is invited. Nothing tells whether there is such an account."""
        deleted = await UserFactory.saved(deleted_at=JANUARY)
        for id in (bob.id, uuid4(), deleted.id):
            refused = await ann.put(f"/projects/{project.id}/members/{id}", json={"role": "viewer"})
            assert refused.status_code == 404
            assert refused.json()["code"] == "member_not_found"
            assert "invitations" in refused.json()["detail"]
        assert (await bob.get(f"/projects/{project.id}")).status_code == 404
        assert roles(await ann.get(f"/projects/{project.id}/members")) == [("Ann", "owner")]


class TestRemove:
    async def test_the_project_is_no_longer_theirs(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.EDITOR)
        removed = await ann.delete(f"/projects/{project.id}/members/{bob.id}")
        assert removed.status_code == 204
        assert removed.content == b""
        assert (await bob.get(f"/projects/{project.id}")).status_code == 404
        assert (await bob.get("/projects")).json()["items"] == []
        assert roles(await ann.get(f"/projects/{project.id}/members")) == [("Ann", "owner")]

    async def test_they_may_come_back(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.EDITOR)
        await ann.delete(f"/projects/{project.id}/members/{bob.id}")
        await join(ann, project.id, bob)
        assert (await bob.get(f"/projects/{project.id}")).json()["my_role"] == "viewer"

    async def test_who_is_no_member_is_not_found(self, ann: Caller, bob: Caller, project: Project) -> None:
        for id in (bob.id, uuid4()):
            refused = await ann.delete(f"/projects/{project.id}/members/{id}")
            assert refused.status_code == 404
            assert refused.json()["code"] == "member_not_found"
        assert (await ann.get(f"/projects/{project.id}")).json()["version"] == 1


MANAGING = [("PUT", {"role": "viewer"}), ("DELETE", None)]


class TestWhoMay:
    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_viewers_and_editors_may_not(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn, role: Role
    ) -> None:
        """Whether or not those whom they name are members, or are at all."""
        eve = await signed_in()
        for member, given in ((bob, role), (eve, Role.EDITOR)):
            await MemberFactory.saved(project_id=project.id, user_id=member.id, role=given)
        for method, body in MANAGING:
            for id in (ann.id, eve.id, uuid4()):
                refused = await bob.request(method, f"/projects/{project.id}/members/{id}", json=body)
                assert refused.status_code == 403
                assert refused.json()["code"] == "project_forbidden"

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_nobody_promotes_themselves(self, bob: Caller, project: Project, role: Role) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=role)
        refused = await bob.put(f"/projects/{project.id}/members/{bob.id}", json={"role": "owner"})
        assert refused.status_code == 403
        assert (await bob.get(f"/projects/{project.id}")).json()["my_role"] == role.value

    @pytest.mark.parametrize("account", [AccountRole.ADMIN, AccountRole.USER])
    async def test_administrators_and_co_owners_may(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn, account: AccountRole
    ) -> None:
        cora = await signed_in(full_name="Cora", role=account)
        if account is AccountRole.USER:
            await MemberFactory.saved(project_id=project.id, user_id=cora.id, role=Role.OWNER)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.EDITOR)
        assert (await cora.put(f"/projects/{project.id}/members/{bob.id}", json={"role": "viewer"})).status_code == 204
        assert ("Bob", "viewer") in roles(await ann.get(f"/projects/{project.id}/members"))
        assert (await cora.delete(f"/projects/{project.id}/members/{bob.id}")).status_code == 204
        assert ("Bob", "viewer") not in roles(await ann.get(f"/projects/{project.id}/members"))

    @pytest.mark.parametrize(("method", "body"), MANAGING)
    async def test_to_a_stranger_the_project_is_like_one_that_never_was(
        self, ann: Caller, signed_in: SignIn, method: str, body: object
    ) -> None:
        sam = await signed_in()
        for member in (ann, sam):
            id = uuid7()
            request: dict[str, Any] = {"json": body, "headers": {"X-Request-ID": "same"}}
            before = await sam.request(method, f"/projects/{id}/members/{member.id}", **request)
            await ProjectFactory.saved(id=id, owner_id=ann.id)
            after = await sam.request(method, f"/projects/{id}/members/{member.id}", **request)
            assert before.status_code == 404
            assert before.json()["code"] == "project_not_found"
            assert after.content == before.content

    @pytest.mark.parametrize(("method", "body"), MANAGING)
    async def test_nobody_may_without_credentials(
        self, client: AsyncClient, bob: Caller, project: Project, method: str, body: object
    ) -> None:
        refused = await client.request(method, f"/projects/{project.id}/members/{bob.id}", json=body)
        assert refused.status_code == 401
