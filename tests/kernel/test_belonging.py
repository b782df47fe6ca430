"""What columns say of belonging: what follows a resource, the policy of a part, and the pages of many parents."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import MetaData, select, text
from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7

from modules.projects.models import ProjectMember, Role
from modules.projects.repository import ProjectRepository
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.tags.models import Tag
from modules.users.models import User
from modules.users.repository import UserRepository
from shared.auth import CHANGE, READ, RESOURCES, Principal, policy_of
from shared.errors import Conflict, Forbidden, NotFound
from shared.reads import Collection, Document, ListQuery, Shape, View, flat
from shared.rows import (
    OWNER,
    PART,
    Belonging,
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
from shared.writes import Change, Repository

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


class Remark(Scratch, Resource, table=True):
    __tablename__ = "belonging_remarks"

    author_id: UUID = owned_by("users")
    sheet_id: UUID = part_of("belonging_sheets")
    place: int = 0


class RemarkRead(Document, of=Remark):
    """A remark."""

    id: UUID
    author_id: UUID


class RemarkNotFound(NotFound):
    """No remark."""


class RemarkForbidden(Forbidden):
    """Not for you."""


class RemarkDeleted(Conflict):
    """Its author is gone."""


class RemarkRepository(Repository[Remark]):
    model = Remark
    collection = Collection(RemarkRead, sorts=("created_at", flat("place")))
    absent = RemarkNotFound
    denied = RemarkForbidden
    orphaned = RemarkDeleted


CREATE = """
    CREATE TABLE belonging_sheets (
        id uuid PRIMARY KEY, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(),
        version int NOT NULL DEFAULT 1, deleted_at timestamptz, deletion_id uuid,
        project_id uuid NOT NULL REFERENCES projects, place int NOT NULL, note text);
    CREATE TABLE belonging_remarks (
        id uuid PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(), version int NOT NULL DEFAULT 1, deleted_at timestamptz,
        deletion_id uuid, sheet_id uuid NOT NULL REFERENCES belonging_sheets, author_id uuid NOT NULL REFERENCES users,
        place int NOT NULL)"""


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

    def test_of_a_whole_that_nobody_may_change_lets_nobody_change_it(self):
        """An invitation is answered or taken back, and never changed."""
        part = Belonging(table_of(Tag).c.owner_id, "invitations", PART)
        policy = policy_of(part)
        assert dict(policy.allowed) == dict.fromkeys((CHANGE, "delete", "restore"), frozenset())
        with pytest.raises(Forbidden):
            policy.demand(CHANGE, "owner", Forbidden)


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


@pytest.fixture
def remarks(sheets, application):
    return RemarkRepository(application.kernel.tools())


@pytest.fixture
async def sheet(database, sheets, ann, bob):
    """On a project of Ann's, which Bob may look at."""
    project = await ProjectFactory.saved(owner_id=ann.id)
    await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
    id = UUID(int=1)
    await database.sql(table_of(Sheet).insert().values(id=id, project_id=project.id, created_at=NOON))
    return id


async def remarked(database, sheet, author, **columns):
    """A remark of this author's on the sheet."""
    id = uuid7()
    row = {"id": id, "sheet_id": sheet, "author_id": author.id, "place": 0} | columns
    await database.sql(table_of(Remark).insert().values(row))
    return id


@pytest.fixture
async def author(database, sheet, signed_in):
    """Somebody who wrote a remark, and does not see the project any more."""
    found = await signed_in()
    await remarked(database, sheet, found)
    return found


class TestAPartThatAnAccountOwns:
    """What it is part of decides who sees and changes it; to whom it belongs, with whom it goes."""

    def test_has_the_policy_of_a_part(self):
        assert {**RemarkRepository.policy.allowed} == {**SheetRepository.policy.allowed}

    def test_has_the_index_of_a_flat_sort_by_what_it_is_part_of(self):
        indexes = {str(index.name) for index in table_of(Remark).indexes}
        assert "ix_belonging_remarks_sheet_id_place_id" in indexes
        assert "ix_belonging_remarks_author_id_place_id" not in indexes

    async def test_is_seen_by_who_sees_the_whole_and_not_by_its_owner_alone(self, remarks, sheet, ann, bob, author):
        for caller, count in ((ann, 1), (bob, 1), (author, 0)):
            assert len(await walked(remarks, principal(caller), "created_at")) == count

    async def test_belongs_to_its_maker_who_has_to_be_allowed_to_change_the_whole(
        self, database, remarks, sheet, ann, bob
    ):
        async with database.unit_of_work() as unit:
            made = await remarks.create(Change(unit, principal(ann)), sheet_id=sheet, place=1)
            assert json.loads(made.content)["author_id"] == str(ann.id)
            with pytest.raises(SheetForbidden):
                await remarks.create(Change(unit, principal(bob)), sheet_id=sheet, place=1)

    async def test_is_changed_by_who_may_change_the_whole_whoever_owns_it(self, database, remarks, sheet, ann, bob):
        id = await remarked(database, sheet, bob)
        async with database.unit_of_work() as unit:
            await remarks.change(Change(unit, principal(ann)), id, place=1)
            with pytest.raises(RemarkForbidden):
                await remarks.remove(Change(unit, principal(bob)), id)
            await remarks.remove(Change(unit, principal(ann)), id)

    async def test_does_not_come_back_before_its_owner_nor_before_the_whole(self, database, remarks, sheet, ann, bob):
        id = await remarked(database, sheet, bob, deleted_at=NOON, deletion_id=uuid7())

        async def restored():
            async with database.unit_of_work() as unit:
                await remarks.bring_back(Change(unit, principal(ann)), id)

        for table, of_row, refusal in ((User, bob.id, RemarkDeleted), (Sheet, sheet, RemarkNotFound)):
            gone = table_of(table).update().where(table_of(table).c.id == of_row)
            await database.sql(gone.values(deleted_at=NOON, deletion_id=uuid7()))
            with pytest.raises(refusal):
                await restored()
            await database.sql(gone.values(deleted_at=None, deletion_id=None))
        await restored()


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
