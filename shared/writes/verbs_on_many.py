"""The verbs that change many rows of a resource at once, by their ids."""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from uuid_utils.compat import uuid7

from shared.rows import Resource, demand_fit
from shared.writes.change import Change
from shared.writes.verbs import DELETION_IDS, Names, Verbs, parameters

M = TypeVar("M", bound=Resource)

_IDS: sa.ColumnElement[Any] = sa.bindparam("of:ids", type_=sa.ARRAY(sa.Uuid()))


class VerbsOnMany(Verbs[M]):
    """The verbs of one table, and those for many of its rows."""

    async def update_all(self, change: Change, ids: Sequence[UUID], /, **columns: Any) -> None:
        """Give the rows with these ids the same values. Raises InvalidInput for what a column does not hold."""
        demand_fit(self._limits, columns)
        await change.unit.send(self._statement(self._update_all, frozenset(columns)), columns | {"of:ids": [*ids]})

    async def delete_each(self, change: Change, ids: Sequence[UUID]) -> list[UUID]:
        """Delete the live rows with these ids softly, each as a group of its own: the new ids of the deletions."""
        deletion_ids = [uuid7() for _ in ids]
        values = {"of:ids": [*ids], "deletion:ids": deletion_ids}
        await change.unit.send(self._statement(self._delete_each), values)
        return deletion_ids

    def _update_all(self, names: Names) -> Any:
        return sa.update(self._table).where(self._table.c.id == sa.func.any(_IDS)).values(parameters(names))

    def _delete_each(self) -> Any:
        given = sa.select(sa.func.unnest(_IDS).label("id"), sa.func.unnest(DELETION_IDS).label("under")).subquery()
        return self._deletion_of(given.c.under, self._table.c.id == given.c.id)
