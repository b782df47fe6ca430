"""What shared/rows and app/migrations rely on and SQLModel does not promise."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, Integer, MetaData, String, inspect
from sqlmodel import AutoString, Field, SQLModel, UTCDateTime

from shared.rows.models import Model, owners, table_of
from tests.seams.sentences import relied_on

MODELS, RECORDS, ENV = "shared/rows/models.py", "shared/rows/frozen_rows.py", "app/migrations/environment.py"


class Base(SQLModel):
    metadata = MetaData()


class Timed(SQLModel):
    at: datetime = Field(default=None, nullable=False)


class Thing(Timed, Base, table=True):
    id: int = Field(primary_key=True)
    name: str = Field(max_length=7)

    @property
    def shout(self) -> str:
        return self.name.upper()


class TestATable:
    def test_is_one_subclass_of_its_base(self):
        """The metaclass makes no other classes on its way, and does not put one in its place."""
        with relied_on("SQLModel", "how it makes the class of a table", MODELS, "shared/rows/soft_delete.py"):
            assert Base.__subclasses__() == [Thing]
            assert owners().keys() == {table.name for table in Model.metadata.tables.values()}
            assert len(owners()) == len(Model.__subclasses__())

    def test_has_a_field_for_each_column_that_is_an_attribute(self):
        with relied_on("SQLModel", "what `model_fields` of a table has", RECORDS):
            assert [*Thing.model_fields] == [*inspect(Thing).local_table.columns.keys()]
            table_of(Thing).append_column(Column("more", Integer))
            assert "more" not in Thing.model_fields

    def test_keeps_its_properties_on_the_class(self):
        with relied_on("SQLModel", "where a table's own members are", RECORDS):
            assert isinstance(vars(Thing)["shout"], property)

    def test_has_the_types_that_migrations_name_plainly(self):
        with relied_on("SQLModel", "the types of columns", ENV, "shared/wire/statements.py"):
            name: Any = table_of(Thing).c.name.type
            at: Any = table_of(Thing).c.at.type
            assert (type(name), type(name.impl), name.length) == (AutoString, String, 7)
            assert (type(at), type(at.impl), at.impl.timezone) == (UTCDateTime, DateTime, True)
