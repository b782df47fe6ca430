"""Who is in a project, as what, and since when."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from httpx2 import Response

from modules.projects.models import Project, Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.users.models import Role as AccountRole
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


class TestList:
    async def test_it_tells_who_as_what_and_since_when(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.EDITOR, created_at=MARCH)
        page = await ann.get(f"/projects/{project.id}/members")
        assert page.json() == {
            "items": [
                {
                    "user": {"id": str(ann.id), "full_name": "Ann"},
                    "role": "owner",
                    "since": "2026-01-01T00:00:00+00:00",
                },
                {
                    "user": {"id": str(bob.id), "full_name": "Bob"},
                    "role": "editor",
                    "since": "2026-03-01T00:00:00+00:00",
                },
            ],
            "next_cursor": None,
        }

    async def test_the_owner_comes_first_and_then_who_came_first(
        self, ann: Caller, bob: Caller, project: Project, signed_in: SignIn
    ) -> None:
        cid = await signed_in(full_name="Cid")
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.OWNER, created_at=MARCH)
        await MemberFactory.saved(project_id=project.id, user_id=cid.id, role=Role.VIEWER, created_at=FEBRUARY)
        found = roles(await ann.get(f"/projects/{project.id}/members"))
        assert found == [("Ann", "owner"), ("Cid", "viewer"), ("Bob", "owner")]

    async def test_the_owner_comes_first_among_those_of_the_same_moment(self, ann: Caller, bob: Caller) -> None:
        """As an import by an operator may have it."""
        project = await ProjectFactory.saved(owner_id=ann.id, created_at=MARCH)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER, created_at=MARCH)
        assert roles(await ann.get(f"/projects/{project.id}/members")) == [("Ann", "owner"), ("Bob", "viewer")]

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
    async def test_every_member_sees_it(self, ann: Caller, bob: Caller, project: Project, role: Role) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=role)
        assert (await bob.get(f"/projects/{project.id}/members")).content == (
            await ann.get(f"/projects/{project.id}/members")
        ).content

    async def test_an_administrator_sees_it(self, project: Project, signed_in: SignIn) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        assert roles(await admin.get(f"/projects/{project.id}/members")) == [("Ann", "owner")]

    async def test_it_comes_in_pages_like_every_list(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        first = await ann.get(f"/projects/{project.id}/members", params={"limit": 1})
        assert roles(first) == [("Ann", "owner")]
        second = await ann.get(f"http://test{first.links['next']['url']}")
        assert roles(second) == [("Bob", "viewer")]
        assert second.json()["next_cursor"] is None

    async def test_a_cursor_is_good_for_its_caller_and_its_project_only(
        self, ann: Caller, bob: Caller, project: Project
    ) -> None:
        other = await ProjectFactory.saved(owner_id=ann.id)
        for shared in (project, other):
            await MemberFactory.saved(project_id=shared.id, user_id=bob.id, role=Role.VIEWER)
        cursor = (await ann.get(f"/projects/{project.id}/members", params={"limit": 1})).json()["next_cursor"]
        for caller, place in ((bob, project), (ann, other)):
            refused = await caller.get(f"/projects/{place.id}/members", params={"cursor": cursor})
            assert refused.status_code == 400
            assert refused.json()["code"] == "invalid_cursor"

    @pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "x"), ("page", "2")])
    async def test_parameters_that_are_unknown_or_wrong_are_refused(
        self, ann: Caller, project: Project, name: str, value: str
    ) -> None:
        assert (await ann.get(f"/projects/{project.id}/members", params={name: value})).status_code == 422

    async def test_a_deleted_account_is_no_member(self, ann: Caller, bob: Caller, project: Project) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.EDITOR)
        assert (await bob.delete("/users/me")).status_code == 204
        assert roles(await ann.get(f"/projects/{project.id}/members")) == [("Ann", "owner")]
        gone = await ann.delete(f"/projects/{project.id}/members/{bob.id}")
        assert gone.status_code == 404
        assert gone.json()["code"] == "member_not_found"
