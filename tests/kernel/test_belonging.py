"""What columns say of belonging: what follows a resource, the policy of a part, and the pages of many parents."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import MetaData, select, text
from sqlmodel import Field, SQLModel

from modules.projects.models import ProjectMember, Role
from modules.projects.repository import ProjectRepository
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.tags.models import Tag
from modules.users.models import User
from modules.users.repository import UserRepository
from shared.auth import CHANGE, READ, RESOURCES, Principal
from shared.errors import Forbidden, NotFound
from shared.reads import Collection, Document, ListQuery, Shape, View, flat
from shared.rows import (
    OWNER,
    PART,
    Resource,
    belongings,
    belongs_to,
    following,
    names_sharer,
    owned_by,
    part_of,
    shared_by,
    table_of,
)
from shared.writes import Repository

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Scratch(SQLModel):
    """Tables of these tests alone, in a metadata of their own."""

    metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})


class Sheet(Scratch, Resource, table=True):
    __tablename__ = "belonging_sheets"

    project_id: UUID = part_of("projects")
    place: int = 0
    note: str | None = None


class SheetRead(Document, of=Sheet):
    """A sheet."""

    id: UUID
    project_id: UUID
    place: int
    note: str | None


class SheetNotFound(NotFound):
    """No sheet."""


class SheetForbidden(Forbidden):
    """Not yours."""


class SheetRepository(Repository[Sheet]):
    model = Sheet
    collection = Collection(
        SheetRead, filters=("project_id", "place"), sorts=("created_at", flat("place"), flat("note"))
    )
    absent = SheetNotFound
    denied = SheetForbidden


class Copied(Scratch, Resource, table=True):
    __tablename__ = "belonging_copied"

    sheet_id: UUID = part_of("belonging_sheets")
    reader_id: UUID = shared_by("users", index=True)
    author_id: UUID = owned_by("users")
    note: str = Field(default="")


CREATE = """
    CREATE TABLE belonging_sheets (
        id uuid PRIMARY KEY, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
        version int NOT NULL DEFAULT 1, deleted_at timestamptz, deletion_id uuid,
        project_id uuid NOT NULL REFERENCES projects, place int NOT NULL, note text)"""


class TestAColumn:
    def test_comes_with_its_index_and_says_what_it_is(self):
        table = table_of(Copied)
        assert [(found.column.name, found.resource, found.role) for found in belongings(table)] == [
            ("author_id", "users", OWNER),
            ("sheet_id", "belonging_sheets", PART),
            ("reader_id", "users", "along"),
        ]
        assert {name for name in table.c.keys() if names_sharer(table.c[name])} == {"author_id", "reader_id"}  # noqa: SIM118
        indexes = {str(index.name) for index in table.indexes}
        assert {
            "ix_belonging_copied_author_id_created_at_id",
            "ix_belonging_copied_sheet_id_created_at_id",
            "ix_belonging_copied_deletion_id",
            "ix_belonging_copied_deleted_at",
        } <= indexes

    def test_that_is_flat_has_an_index_of_live_rows(self):
        (index,) = (
            index for index in table_of(Sheet).indexes if index.name == "ix_belonging_sheets_project_id_place_id"
        )
        assert index.columns.keys() == ["project_id", "place", "id"]
        assert str(index.dialect_options["postgresql"]["where"]) == "deleted_at IS NULL"

    def test_decides_what_follows_a_resource_each_after_what_it_follows(self):
        found = [(model, column) for model, column in following("users")]
        assert (Tag, "owner_id") in found
        assert (ProjectMember, "user_id") in found
        assert [*following("tags")] == []
        assert belongs_to(table_of(Tag), PART) is None

    def test_makes_no_policy_where_it_says_nothing(self):
        with pytest.raises(
            TypeError, match="Lost has no policy: no column of its table is owned_by or part_of another"
        ):

            class Lost(Repository[User]):
                model = User
                collection = UserRepository.collection

        RESOURCES["users"] = UserRepository


class TestThePolicyOfAPart:
    def test_is_that_of_the_whole(self):
        allowed = SheetRepository.policy.allowed
        assert {action: allowed[action] for action in allowed} == dict.fromkeys(
            (CHANGE, "delete", "restore"), ProjectRepository.policy.allowed[CHANGE]
        )
        assert len(allowed) == 3
        with pytest.raises(KeyError):
            allowed[READ]


def principal(caller):
    return Principal(caller.id, caller.session_id)


@pytest.fixture
async def ann(signed_in):
    return await signed_in()


@pytest.fixture
async def bob(signed_in):
    return await signed_in()


@pytest.fixture
async def sheets(database, application):
    await database.script(CREATE)
    return SheetRepository(application.kernel.tools())


@pytest.fixture
async def shelf(database, sheets, ann, bob):
    """Thirty sheets in the projects of Ann: her own, shared ones, and one in the trash; and Bob's alone."""
    own = [await ProjectFactory.saved(owner_id=ann.id) for _ in range(3)]
    shared = await ProjectFactory.saved(owner_id=bob.id)
    await MemberFactory.saved(project_id=shared.id, user_id=ann.id, role=Role.VIEWER)
    hidden = await ProjectFactory.saved(owner_id=bob.id)
    gone = await ProjectFactory.saved(owner_id=ann.id, deleted_at=NOON)
    seen: list[dict[str, Any]] = []
    for n in range(30):
        for place, project in enumerate((*own, shared, hidden, gone) if n % 5 == 0 else (own[n % 3],)):
            row = {
                "id": UUID(int=1000 * (n + 1) + place),
                "project_id": project.id,
                "place": n % 4,
                "note": None if n % 3 else f"n{n % 5}",
                "created_at": NOON + timedelta(minutes=n // 2),
            }
            await database.sql(table_of(Sheet).insert().values(row))
            if project not in (hidden, gone):
                seen.append(row)
    return seen


async def walked(sheets, caller, sort, filters=(), values=()):
    """The ids of all pages."""
    found, cursor = [], None
    while True:
        shape = Shape(View(frozenset({"id"})), ((sort.removeprefix("-"), sort.startswith("-")),), filters, limit=4)
        page = await sheets.list(caller, ListQuery(shape, dict(values), cursor))
        found += [UUID(item["id"]) for item in json.loads(page.items)]
        cursor = page.next_cursor
        if cursor is None:
            return found


class TestAListOfParts:
    @pytest.mark.parametrize("sort", ["created_at", "-created_at", "place", "-place", "note", "-note"])
    async def test_goes_through_all_parents_that_the_caller_sees(self, sheets, shelf, ann, sort):
        name = sort.removeprefix("-")
        nothing = "" if name == "note" else 0
        expected = sorted(
            shelf,
            key=lambda row: (row[name] is None, nothing if row[name] is None else row[name], row["id"]),
            reverse=sort.startswith("-"),
        )
        assert await walked(sheets, principal(ann), sort) == [row["id"] for row in expected]

    async def test_of_one_parent_has_its_rows_alone(self, sheets, shelf, ann):
        project = shelf[0]["project_id"]
        found = await walked(sheets, principal(ann), "created_at", (("project_id", "eq"),), {"filter_0": project})
        assert set(found) == {row["id"] for row in shelf if row["project_id"] == project}

    async def test_of_who_sees_nothing_is_empty(self, sheets, shelf, signed_in):
        assert await walked(sheets, principal(await signed_in()), "created_at") == []

    async def test_is_counted(self, sheets, shelf, ann, database):
        shape = Shape(View(), (("created_at", True),), limit=1, count="exact")
        assert (await sheets.list(principal(ann), ListQuery(shape, {}))).count == len(shelf)
        assert (await database.sql(text("SELECT count(*) FROM belonging_sheets"))).scalar_one() > len(shelf)
        assert await database.sql(select(table_of(Sheet).c.id))
