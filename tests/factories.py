"""Rows for tests: a factory a table, which knows how to make a good row of it."""

from typing import ClassVar, Generic, TypeVar

import factory

from shared.rows.models import Model
from shared.wire.database import Database

R = TypeVar("R", bound=Model)


class RowFactory(factory.Factory[R], Generic[R]):
    """`await TagFactory.saved(name="x")` stores a row; what is not given is made up."""

    database: ClassVar[Database]

    class Meta:
        abstract = True

    @classmethod
    async def saved(cls, /, **columns: object) -> R:
        """A row that is in the database."""
        row = cls.build(**columns)
        async with cls.database.unit_of_work() as unit, unit.orm() as session:
            session.add(row)
        return row
