"""The conditions of a list: whose rows are in it, which of them are deleted, and what the request asks of them."""

import operator as operators
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg.errors import InternalError_
from sqlalchemy.dialects.postgresql import TSQUERY

from shared.auth import CALLER_ID, RESTORE, Policy
from shared.errors import InvalidInput
from shared.reads.collection import Collection, Shape
from shared.reads.projection import Projector
from shared.rows import OWNED, OWNER, belongs_to, live


class Conditions:
    """The conditions of a collection. What the caller may not see meets none of them."""

    def __init__(self, collection: Collection, policy: Policy, projector: Projector, scope: Sequence[str]) -> None:
        self._collection = collection
        self._rows = collection.document.rows
        self._policy = policy
        self._extensions = projector.extensions
        self._scope = scope

    @property
    def own(self) -> sa.ColumnElement[bool] | None:
        """The condition of the caller's own rows; None where rows belong to nobody."""
        owner = belongs_to(self._rows, OWNER) if isinstance(self._rows, sa.Table) else None
        return None if owner is None else owner.column == CALLER_ID

    def words_of(self, rows: sa.FromClause) -> sa.ColumnElement[Any]:
        """The column that a search looks at."""
        return rows.c[self._collection.search or ""]

    def of_branches(self, shape: Shape) -> list[Sequence[sa.ColumnElement[bool]]]:
        """The conditions of each branch of the collection. Branches are disjoint."""
        listed = self._policy.listed(self._rows, self._extensions)
        return [(condition, *self._of_owner(condition, shape), *self.of_rows(shape)) for condition in listed]

    def of_all_branches(self, shape: Shape) -> list[sa.ColumnElement[bool]]:
        """The same for a statement that cannot have branches, because it locks what it finds."""
        branches = [
            sa.and_(listed, *self._of_owner(listed, shape))
            for listed in self._policy.listed(self._rows, self._extensions)
        ]
        return [sa.or_(*branches), *self.of_rows(shape)]

    def _of_owner(self, listed: sa.ColumnElement[bool], shape: Shape) -> Sequence[sa.ColumnElement[bool]]:
        """Of a search among the caller's own rows: that the word of their owner is among those of a row."""
        if not shape.search or self.own is None or not listed.compare(self.own):
            return ()
        word = sa.func.concat(f"'{OWNED}", CALLER_ID, "'")
        return (self.words_of(self._rows).op("@@")(sa.cast(word, TSQUERY)),)

    def of_rows(self, shape: Shape, rows: sa.FromClause | None = None) -> list[sa.ColumnElement[bool]]:
        """What is asked of the rows of each branch, or of rows with the same columns."""
        rows = self._rows if rows is None else rows
        columns = rows.c
        where = [columns[name] == sa.bindparam(f"scope:{name}", type_=columns[name].type) for name in self._scope]
        where += self._of_deletion(shape.deleted, rows)
        if shape.search:
            where.append(self.words_of(rows).op("@@")(searched()))
        for name in shape.custom:
            condition = self._collection.custom[name].condition
            where.append(condition(rows, sa.bindparam(f"custom:{name}", type_=sa.ARRAY(sa.String()))))
        for n, (name, operator) in enumerate(shape.filters):
            where.append(compared(columns[name], operator, f"filter_{n}"))
        return where

    def _of_deletion(self, deleted: str, rows: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
        if deleted == "exclude":
            return live(rows)
        role = self._policy.role(rows, self._extensions)
        is_deleted = rows.c.deleted_at.is_not(None)
        restorable = sa.and_(is_deleted, self._policy.permits(RESTORE, role))
        return (restorable,) if deleted == "only" else (sa.or_(~is_deleted, restorable),)


def compared(column: sa.ColumnElement[Any], operator: str, name: str) -> sa.ColumnElement[bool]:
    """Whether the operator holds between a column and a parameter."""
    kind = _comparable(column.type)
    value = sa.bindparam(name, type_=sa.ARRAY(kind) if operator == "in" else kind)
    if operator == "contains" and isinstance(kind, sa.ARRAY | sa.JSON):
        return column.op("@>", is_comparison=True)(value)
    return _CONDITIONS[operator](column, value)


def _comparable(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """The type of a value that is compared with a column of this type: one that the column cannot hold is neither
    rounded nor refused.
    """
    match kind:
        case sa.Integer():
            return sa.BigInteger()
        case sa.Numeric():
            return sa.Numeric()
    return kind


_CONDITIONS: Mapping[str, Callable[[sa.ColumnElement[Any], sa.ColumnElement[Any]], sa.ColumnElement[bool]]] = {
    "eq": operators.eq,
    "ne": lambda column, value: column.is_distinct_from(value),
    "in": lambda column, value: column == sa.func.any(value),
    "lt": operators.lt,
    "lte": operators.le,
    "gt": operators.gt,
    "gte": operators.ge,
    "contains": lambda column, value: column.ilike(value),
    "overlaps": lambda column, value: column.op("&&", is_comparison=True)(value),
}


@contextmanager
def searching(shape: Shape) -> Iterator[None]:
    """Raises InvalidInput when a search has more operators than PostgreSQL's stack holds, such as 33 hyphens."""
    try:
        yield
    except InternalError_ as error:
        if not shape.search:
            raise
        raise InvalidInput("This search has too many operators.", parameter="q") from error


def searched() -> sa.ColumnElement[Any]:
    """The query that the parameter `q` is."""
    return sa.func.websearch_to_tsquery(sa.literal_column("'simple'"), sa.bindparam("q", type_=sa.String()))
