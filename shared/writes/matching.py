"""Matching: the rows that a query matches, locked for one change of all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, Field

from shared.auth import TRUSTED, admitted, gate
from shared.reads import Conditions, ListQuery, Projector, Reader, Shape, compared, searching
from shared.rows import Resource, frozen, loaded_columns, table_of
from shared.schemas import MergePatch
from shared.wire import Statement
from shared.writes.change import Change

M = TypeVar("M", bound=Resource)


class Affected(BaseModel):
    """What became of a change of all rows that match."""

    count: int = Field(description="How many rows were changed.")
    ids: list[UUID] = Field(description="Their ids, in order.")
    has_more: bool = Field(description="Whether more rows match than the limit allows: send the request again.")


@dataclass(frozen=True)
class Matched(Generic[M]):
    """Rows that match, and whether there are more than these."""

    rows: Sequence[M]
    has_more: bool

    @property
    def ids(self) -> list[UUID]:
        """Their ids."""
        return [row.id for row in self.rows]

    def told(self) -> Affected:
        """What the client is told, when all of them are changed."""
        return Affected(count=len(self.rows), ids=self.ids, has_more=self.has_more)


class Matching(Generic[M]):
    """Finds the rows that a query matches, and locks them in the order of their ids, so that two changes that lock the
    same ones do not wait for each other.
    """

    def __init__(self, of: Reader[M], projector: Projector) -> None:
        self._model, self._policy = of.model, of.policy
        self._projector = projector
        self._gate = gate(projector.extensions)
        self._conditions = Conditions(of.collection, of.policy, projector, ())
        self._frozen: Callable[[Sequence[Any]], M] = frozen(of.model)
        self._statement = lru_cache(maxsize=500)(self._compile)

    async def lock(self, change: Change, query: ListQuery, action: str, columns: dict[str, Any]) -> Matched[M]:
        """Those on which the caller may do this; with columns, only those that have other values there. Raises
        InvalidInput, and InvalidToken when the session has ended.
        """
        for name in (name for name, value in columns.items() if isinstance(value, MergePatch)):
            raise TypeError(
                f"{name} is merged into what is there, which differs from row to row: change rows one by one."
            )
        source = TRUSTED if change.caller.session_id is None else self._gate
        statement = self._statement(source, query.shape, action, tuple(sorted(columns)))
        values = {**change.caller.parameters(), **query.values, **{f"new:{name}": v for name, v in columns.items()}}
        with searching(query.shape):
            found = admitted(await change.unit.execute(statement, values))
        rows = [self._frozen(values) for values in found if values[0] is not None]
        return Matched(rows[: query.shape.limit], len(rows) > query.shape.limit)

    def _compile(self, source: sa.FromClause, shape: Shape, action: str, names: Sequence[str]) -> Statement:
        rows = table_of(self._model)
        role = self._policy.role(rows, self._projector.extensions)
        where = [*self._conditions.of_all_branches(shape), self._policy.permits(action, role)]
        if names:
            where.append(sa.or_(*(compared(rows.c[name], "ne", f"new:{name}") for name in names)))
        found = sa.select(*loaded_columns(self._model)).where(*where).order_by(rows.c.id)
        # One row beyond the limit shows that there are more.
        locked = found.limit(sa.literal_column(str(shape.limit + 1))).with_for_update(of=rows).lateral("locked")
        return Statement(sa.select(locked).select_from(source.outerjoin(locked, sa.true())))
