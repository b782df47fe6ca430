"""Reading projects one by one and in pages, and what it costs."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from uuid_utils.compat import uuid7

from modules.projects.models import Project, Role, Status
from modules.projects.tests.factories import MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.models import Role as AccountRole
from shared.wire.statements import Record, Statement
from shared.wire.wire import Step, Wire
from tests.callers import Caller
from tests.database import RolledBackDatabase

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

SignIn = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def ann(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Ann")


@pytest.fixture
async def bob(signed_in: SignIn) -> Caller:
    return await signed_in(full_name="Bob")


@pytest.fixture
async def project(ann: Caller) -> Project:
    return await ProjectFactory.saved(owner_id=ann.id)


async def projects_of(owner: Caller, count: int) -> list[Project]:
    """So many projects of an owner, the newest first."""
    times = [NOON - timedelta(minutes=n) for n in range(count)]
    return [await ProjectFactory.saved(owner_id=owner.id, created_at=time) for time in times]


def ids(page: Response) -> list[UUID]:
    assert page.status_code == 200, page.text
    return [UUID(item["id"]) for item in page.json()["items"]]


@contextmanager
def statements(database: RolledBackDatabase) -> Iterator[list[str]]:
    """The statements that are executed meanwhile, on either lane; the savepoints of the tests are none."""
    executed: list[str] = []
    rows = Wire.rows

    async def noted(
        self: Wire, statement: Statement, values: Mapping[str, Any], before: Sequence[Step] = ()
    ) -> list[Record]:
        executed.append(statement.text.decode())
        return await rows(self, statement, values, before)

    Wire.rows = noted  # type: ignore[method-assign]
    try:
        yield executed
    finally:
        Wire.rows = rows  # type: ignore[method-assign]


class TestGet:
    async def test_the_owner_reads_every_field(self, ann: Caller) -> None:
        project = await ProjectFactory.saved(
            owner_id=ann.id,
            external_id="42",
            name="Relaunch",
            description=None,
            status=Status.COMPLETED,
            starts_on=date(2026, 2, 28),
            created_at=NOON,
            updated_at=NOON,
            version=7,
        )
        read = await ann.get(f"/projects/{project.id}")
        assert read.status_code == 200
        assert read.json() == {
            "id": str(project.id),
            "external_id": "42",
            "owner_id": str(ann.id),
            "name": "Relaunch",
            "description": None,
            "status": "completed",
            "starts_on": "2026-02-28",
            "due_on": None,
            "tags": [],
            "my_role": "owner",
            "created_at": "2026-01-01T12:00:00+00:00",
            "updated_at": "2026-01-01T12:00:00+00:00",
            "version": 7,
        }

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.OWNER])
    async def test_a_member_reads_the_same_but_for_their_role(
        self, ann: Caller, bob: Caller, project: Project, role: Role
    ) -> None:
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=role)
        read = (await bob.get(f"/projects/{project.id}")).json()
        assert read == (await ann.get(f"/projects/{project.id}")).json() | {"my_role": role.value}

    async def test_an_administrators_own_role_goes_before(self, signed_in: SignIn) -> None:
        admin = await signed_in(role=AccountRole.ADMIN)
        own = await ProjectFactory.saved(owner_id=admin.id)
        assert (await admin.get(f"/projects/{own.id}")).json()["my_role"] == "owner"

    async def test_its_tags_come_by_name(self, ann: Caller, project: Project) -> None:
        for name in ("c", "a", "b"):
            tag = await TagFactory.saved(owner_id=ann.id, name=name)
            await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        assert [tag["name"] for tag in (await ann.get(f"/projects/{project.id}")).json()["tags"]] == ["a", "b", "c"]

    @pytest.mark.parametrize("path", ["", "/members"])
    async def test_a_strangers_project_is_like_one_that_never_was(self, ann: Caller, bob: Caller, path: str) -> None:
        """Byte for byte: the same path is asked for before the project exists and after."""
        id = uuid7()
        before = await bob.get(f"/projects/{id}{path}", headers={"X-Request-ID": "same"})
        await ProjectFactory.saved(id=id, owner_id=ann.id)
        after = await bob.get(f"/projects/{id}{path}", headers={"X-Request-ID": "same"})
        assert before.status_code == 404
        assert before.json()["code"] == "project_not_found"
        assert after.content == before.content
        assert after.headers == before.headers


class TestList:
    async def test_it_shows_ones_own_and_shared_ones_newest_first(self, ann: Caller, bob: Caller) -> None:
        of_ann, of_bob = await projects_of(ann, 2), await projects_of(bob, 2)
        await MemberFactory.saved(project_id=of_bob[1].id, user_id=ann.id, role=Role.VIEWER)
        await ProjectFactory.saved(owner_id=ann.id, deleted_at=NOON)
        found = ids(await ann.get("/projects"))
        assert found[0] == of_ann[0].id
        assert set(found) == {of_ann[0].id, of_ann[1].id, of_bob[1].id}

    async def test_its_pages_lead_to_the_end_without_repeats_or_gaps(self, ann: Caller, bob: Caller) -> None:
        """Own and shared ones of the same moment in turn: the hardest to tell apart."""
        projects = []
        for owner in (ann, bob) * 4:
            projects.append(await ProjectFactory.saved(owner_id=owner.id, created_at=NOON))
            if owner is bob:
                await MemberFactory.saved(project_id=projects[-1].id, user_id=ann.id, role=Role.EDITOR)
        page = await ann.get("/projects", params={"limit": 3})
        found = ids(page)
        while link := page.links.get("next"):
            page = await ann.get(f"http://test{link['url']}")
            found += ids(page)
        assert found == [project.id for project in reversed(projects)]


class TestCost:
    """A read is one statement, the check of the session included."""

    @pytest.fixture
    async def projects(self, ann: Caller) -> list[Project]:
        tags = [await TagFactory.saved(owner_id=ann.id) for _ in range(3)]
        projects = await projects_of(ann, 5)
        for project in projects:
            for tag in tags:
                await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
        return projects

    async def test_of_a_page_with_its_tags(
        self, ann: Caller, projects: list[Project], database: RolledBackDatabase
    ) -> None:
        with statements(database) as executed:
            page = await ann.get("/projects", params={"limit": 4})
        assert [len(item["tags"]) for item in page.json()["items"]] == [3] * 4
        assert len(executed) == 1, executed

    @pytest.mark.parametrize("path", ["", "/members"])
    async def test_of_one_project(
        self, ann: Caller, projects: list[Project], database: RolledBackDatabase, path: str
    ) -> None:
        with statements(database) as executed:
            assert (await ann.get(f"/projects/{projects[0].id}{path}")).status_code == 200
        assert len(executed) == 1, executed
