"""The verbs: what is done to the rows of a table, on a scratch one with the triggers of every other."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import CheckConstraint, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from shared.errors import Conflict, DomainError, Invalid, Obstacle
from shared.rows import Resource, SoftDeletable, choice, live_unique
from shared.wire import UnitOfWork
from shared.writes import Change, Verbs

NAMING = {"ck": "ck_%(table_name)s_%(constraint_name)s", "pk": "pk_%(table_name)s"}


class Scratch(SQLModel):
    """Tables of these tests alone, in a metadata of their own."""

    metadata = MetaData(naming_convention=NAMING)


class Mood(StrEnum):
    CALM = "calm"
    LOUD = "loud"


class BellThere(Conflict):
    """The tower has a bell of this name."""


class MottoTaken(Conflict):
    """Another bell has this motto."""


class Bell(Scratch, Resource, table=True):
    __tablename__ = "verb_bells"
    __table_args__ = (
        CheckConstraint("weight > 0", name="weight"),
        live_unique("tower", "name", raises=BellThere),
        live_unique(text("lower(motto)"), name="uq_verb_bells_lower_motto", raises=MottoTaken),
    )

    tower: str
    name: str
    motto: str | None = None
    weight: int = 1
    mood: Mood = Field(default=Mood.CALM, sa_type=choice(Mood))


class Ringer(Scratch, SoftDeletable, table=True):
    __tablename__ = "verb_ringers"

    bell_id: UUID = Field(primary_key=True)
    person_id: UUID = Field(primary_key=True)
    mood: Mood = Field(default=Mood.CALM, sa_type=choice(Mood))
    hours: list[int] | None = Field(default=None, sa_type=JSONB)


BELLS, RINGERS = Verbs(Bell), Verbs(Ringer)


@pytest.fixture
async def unit(database) -> AsyncIterator[UnitOfWork]:
    """In a database that has the tables."""
    async with database.orm() as session:
        await (await session.connection()).run_sync(Scratch.metadata.create_all)
    await database.script(
        "CREATE TRIGGER touch BEFORE UPDATE ON verb_bells FOR EACH ROW EXECUTE FUNCTION trellis_touch()"
    )
    async with database.unit_of_work() as unit:
        yield unit


@pytest.fixture
def change(unit) -> Change:
    return Change(unit)


async def bell(change: Change, **columns: Any) -> Bell:
    """A new one, found."""
    usual = {"id": uuid4(), "tower": "north", "name": f"{uuid4()}", "weight": 1, "mood": Mood.CALM}
    row: dict[str, Any] = usual | columns
    await BELLS.insert(change, **row)
    return await found(change, row["id"])


async def found(change: Change, id: UUID) -> Bell:
    row = await BELLS.find(change, id=id)
    assert row is not None
    return row


class TestInsert:
    async def test_stores_a_row_with_what_the_table_gives_it(self, change):
        row = await bell(change, name="Ann", mood=Mood.LOUD)
        assert (row.name, row.mood, row.version, row.motto, row.deleted_at) == ("Ann", Mood.LOUD, 1, None, None)
        assert row.created_at == row.updated_at

    async def test_is_refused_by_the_constraints(self, change):
        await bell(change, name="Ann")
        for error, columns in ((Conflict, {"name": "Ann"}), (Invalid, {"weight": 0})):
            with pytest.raises(error):
                async with change.unit.savepoint():
                    await bell(change, **columns)


class TestFind:
    async def test_finds_a_row_by_any_columns(self, change):
        row = await bell(change, name="Ann", motto="m", mood=Mood.LOUD)
        await bell(change, name="Bob")
        assert await BELLS.find(change, tower="north", name="Ann") == row
        assert await BELLS.find(change, mood=Mood.LOUD) == row
        assert await BELLS.find(change, name="Cid") is None

    async def test_finds_no_deleted_one(self, change):
        row = await bell(change)
        await BELLS.delete(change, id=row.id)
        assert await BELLS.find(change, id=row.id) is None


class TestUpdate:
    async def test_gives_a_row_the_columns_and_counts_it(self, change):
        row = await bell(change, name="Ann")
        assert await BELLS.update(change, row, name="Bob", motto="m", mood=Mood.LOUD)
        new = await found(change, row.id)
        assert (new.name, new.motto, new.mood, new.tower, new.version) == ("Bob", "m", Mood.LOUD, "north", 2)

    async def test_to_the_same_values_changes_nothing(self, change):
        row = await bell(change, name="Ann", motto="m", mood=Mood.LOUD)
        assert not await BELLS.update(change, row, name="Ann", motto="m", mood=Mood.LOUD, weight=1)
        assert not await BELLS.update(change, row)
        assert await found(change, row.id) == row

    async def test_gives_nothing_where_there_was_a_value(self, change):
        row = await bell(change, motto="m")
        await BELLS.update(change, row, motto=None)
        assert (await found(change, row.id)).motto is None

    async def test_without_columns_counts_what_is_touched(self, change):
        row = await bell(change, name="Ann")
        await BELLS.touch(change, row)
        touched = await found(change, row.id)
        assert (touched.version, touched.name) == (2, "Ann")

    async def test_leaves_other_rows_as_they_are(self, change):
        row, other = await bell(change), await bell(change)
        await BELLS.update(change, row, weight=5)
        assert await found(change, other.id) == other

    async def test_finds_a_row_by_all_of_its_key(self, change):
        ids = [uuid4() for _ in range(2)]
        for bell_id in ids:
            for person_id in ids:
                await RINGERS.insert(change, bell_id=bell_id, person_id=person_id, mood=Mood.CALM)
        row = await RINGERS.find(change, bell_id=ids[0], person_id=ids[1])
        assert row is not None
        await RINGERS.update(change, row, mood=Mood.LOUD)
        loud = [await RINGERS.find(change, bell_id=b, person_id=p, mood=Mood.LOUD) for b in ids for p in ids]
        assert [ringer is not None for ringer in loud] == [False, True, False, False]

    async def test_moves_a_row_to_another_key(self, change):
        """The old values find it, and the new ones are given to it."""
        bell_id, ann, bob = (uuid4() for _ in range(3))
        await RINGERS.insert(change, bell_id=bell_id, person_id=ann, mood=Mood.CALM)
        row = await RINGERS.find(change, bell_id=bell_id, person_id=ann)
        assert row is not None
        await RINGERS.update(change, row, person_id=bob)
        assert await RINGERS.find(change, bell_id=bell_id, person_id=ann) is None
        assert await RINGERS.find(change, bell_id=bell_id, person_id=bob) is not None

    async def test_is_refused_by_the_constraints(self, change):
        await bell(change, name="Ann")
        row = await bell(change, name="Bob")
        for error, columns in ((Conflict, {"name": "Ann"}), (Invalid, {"weight": 0})):
            with pytest.raises(error):
                async with change.unit.savepoint():
                    await BELLS.update(change, row, **columns)


class TestUpsert:
    async def test_makes_a_row_and_then_changes_it(self, change):
        ids = [uuid4(), uuid4()]
        key = {"tower": "north", "name": "Ann"}
        assert await BELLS.upsert(change, [*key], id=ids[0], **key, weight=1, mood=Mood.CALM) == (ids[0], True)
        assert await BELLS.upsert(change, [*key], id=ids[1], **key, weight=2, mood=Mood.LOUD) == (ids[0], False)
        row = await found(change, ids[0])
        assert (row.weight, row.mood, row.version) == (2, Mood.LOUD, 2)

    async def test_leaves_a_deleted_row_with_the_same_values(self, change):
        row = await bell(change, name="Ann")
        await BELLS.delete(change, id=row.id)
        columns = {"id": uuid4(), "tower": "north", "name": "Ann", "weight": 7, "mood": Mood.CALM}
        assert await BELLS.upsert(change, ["tower", "name"], **columns) == (columns["id"], True)

    async def test_keeps_the_columns_that_it_is_not_given(self, change):
        row = await bell(change, name="Ann", motto="m")
        columns = {"tower": "north", "name": "Ann", "weight": 7, "mood": Mood.CALM}
        await BELLS.upsert(change, ["tower", "name"], id=uuid4(), **columns)
        new = await found(change, row.id)
        assert (new.motto, new.weight) == ("m", 7)


class TestRemove:
    async def test_removes_the_rows_with_these_values_and_tells_how_many(self, change):
        rows = [await bell(change, tower=tower) for tower in ("north", "north", "south")]
        assert await BELLS.remove(change, tower="north") == 2
        assert await BELLS.remove(change, tower="north") == 0
        assert [await BELLS.find(change, id=row.id) is None for row in rows] == [True, True, False]


class TestDelete:
    async def test_deletes_the_live_rows_together(self, change):
        ann, bob, cid = [await bell(change, tower=tower) for tower in ("north", "north", "south")]
        await BELLS.delete(change, id=ann.id)
        deletion = await BELLS.delete(change, tower="north")
        assert [await BELLS.find(change, id=row.id) is None for row in (ann, bob, cid)] == [True, True, False]
        await BELLS.restore(change, deletion_id=deletion)
        assert [await BELLS.find(change, id=row.id) is None for row in (ann, bob, cid)] == [True, False, False]


class TestRestore:
    async def test_brings_the_deleted_rows_back(self, change):
        row = await bell(change)
        await BELLS.delete(change, id=row.id)
        await BELLS.restore(change, id=row.id)
        back = await found(change, row.id)
        assert (back.deleted_at, back.deletion_id, back.version) == (None, None, 3)

    async def test_of_a_live_row_changes_nothing(self, change):
        row = await bell(change)
        await BELLS.restore(change, id=row.id)
        assert await found(change, row.id) == row

    @pytest.mark.parametrize(
        ("columns", "same", "error"),
        [
            ({"name": "Ann"}, {"name": "Ann"}, BellThere),
            ({"motto": "Ring"}, {"motto": "RING"}, MottoTaken),
        ],
        ids=["of columns", "of an expression"],
    )
    async def test_tells_the_live_row_that_is_in_the_way(self, change, columns, same, error):
        row = await bell(change, id=UUID(int=1), **columns)  # The first by its id, but it is no obstacle to itself.
        await BELLS.delete(change, id=row.id)
        await bell(change)
        other = await bell(change, **same)
        with pytest.raises(error) as raised:
            await BELLS.restore(change, id=row.id)
        assert raised.value.obstacle == Obstacle(resource="verb_bells", id=other.id)
        assert await BELLS.find(change, id=row.id) is None  # The unit can go on.

    async def test_that_another_error_refuses_tells_no_row(self, change, monkeypatch):
        monkeypatch.delitem(DomainError.by_constraint, "uq_verb_bells_tower_name")
        row = await bell(change, name="Ann")
        await BELLS.delete(change, id=row.id)
        await bell(change, name="Ann")
        with pytest.raises(Conflict) as raised:
            await BELLS.restore(change, id=row.id)
        assert raised.value.obstacle is None

    async def test_of_rows_of_a_composite_key(self, change):
        key = {"bell_id": uuid4(), "person_id": uuid4()}
        await RINGERS.insert(change, **key, mood=Mood.CALM)
        await RINGERS.delete(change, **key)
        await RINGERS.restore(change, **key)
        assert await RINGERS.find(change, **key) is not None
