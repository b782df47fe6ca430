"""Frozen rows: what a statement found, with the columns, properties and methods of the model, and nothing to set."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Computed, MetaData, Text, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from modules.projects.models import Project
from shared.rows import choice, frozen, loaded_columns, table_of
from shared.wire.statements import Statement


class Scratch(SQLModel):
    """Tables of these tests alone, in a metadata of their own."""

    metadata = MetaData()


class Grade(StrEnum):
    LOW = "low"
    HIGH = "high"


class Graded(SQLModel):
    """What more than one table has."""

    grade: Grade = Field(default=Grade.LOW, sa_type=choice(Grade))

    @property
    def is_high(self) -> bool:
        return self.grade is Grade.HIGH

    def described(self) -> str:
        return f"graded {self.grade}"


class Rope(Scratch, Graded, table=True):
    __tablename__ = "frozen_ropes"

    id: UUID = Field(primary_key=True)
    length: int
    notes: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    cut_at: datetime | None = None

    @property
    def is_long(self) -> bool:
        return self.length > self.limit()

    def limit(self) -> int:
        return 10

    def described(self) -> str:
        return f"{self.length} m, {self.grade.value}"

    def longer_than(self, other: "Rope") -> bool:
        return self.length > other.length


table_of(Rope).append_column(Column("search", Text(), Computed("'x'")))
ID, CUT_AT = uuid4(), datetime(2026, 2, 1, tzinfo=UTC)
NAMES = [column.name for column in loaded_columns(Rope)]


def found(**values: object) -> Rope:
    """A frozen row of what the wire found: an enumeration's member is text there."""
    given: dict[str, Any] = {"id": ID, "grade": "low", "length": 3, "notes": None, "cut_at": CUT_AT} | values
    return frozen(Rope)([given[name] for name in NAMES])


class TestAFrozenRow:
    def test_has_the_columns_of_the_table_that_are_attributes_of_the_model(self):
        row = found()
        assert {*NAMES} == {"id", "grade", "length", "notes", "cut_at"}
        assert (row.id, row.length, row.cut_at) == (ID, 3, CUT_AT)
        assert not hasattr(row, "search")

    def test_has_the_members_of_enumerations(self):
        assert found(grade="high").grade is Grade.HIGH
        assert isinstance(found().grade, Grade)

    def test_has_none_where_the_column_has_no_value(self):
        row = found(cut_at=None, notes=None)
        assert (row.cut_at, row.notes) == (None, None)

    def test_has_the_properties_and_methods_of_the_model(self):
        short, long = found(), found(length=11)
        assert (short.is_long, long.is_long) == (False, True)
        assert long.longer_than(short)

    def test_has_those_of_what_the_model_is_made_of_and_the_models_own_before_them(self):
        row = found(grade="high")
        assert row.is_high
        assert row.described() == "3 m, high"

    @pytest.mark.parametrize("name", ["length", "grade", "is_long", "described", "search", "other"])
    def test_takes_no_attribute(self, name):
        """Nothing would come of it: the verb `change` changes a row."""
        row = found()
        with pytest.raises(AttributeError):
            setattr(row, name, 4)
        with pytest.raises(AttributeError):
            delattr(row, name)
        assert row.length == 3

    def test_is_the_same_as_one_that_was_found_alike(self):
        make = frozen(Rope)
        values = [getattr(found(), name) for name in NAMES]
        assert make(values) == make(values)
        assert make(values) != found(length=4)
        assert "length=3" in repr(found())

    def test_leaves_what_was_found_as_it_was(self):
        values = [ID, "low", 3, None, CUT_AT]
        values = [dict(zip(("id", "grade", "length", "notes", "cut_at"), values, strict=True))[name] for name in NAMES]
        before = [*values]
        frozen(Rope)(values)
        assert values == before

    async def test_of_a_module_is_what_its_table_holds(self, database, signed_in):
        ann = await signed_in()
        made = await ann.post("/projects", json={"name": "x", "status": "paused", "due_on": "2026-02-01"})
        statement = Statement(select(*loaded_columns(Project)))
        async with database.unit_of_work() as unit:
            (row,) = map(frozen(Project), await unit.execute(statement, {}))
        async with database.orm() as session:
            (loaded,) = await session.scalars(select(Project))
        assert made.status_code == 201
        assert {name: getattr(row, name) for name in Project.model_fields} == loaded.model_dump()
        assert type(row.status) is type(loaded.status)
