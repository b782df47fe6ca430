"""Totals: how many rows of a collection a query matches, and the sums of their values, whole and by group."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from psycopg.errors import DatetimeFieldOverflow
from sqlalchemy.dialects.postgresql import aggregate_order_by

from shared.auth import Policy, Principal, admitted, gate
from shared.errors import Invalid, InvalidInput
from shared.reads.collection import Collection, ListQuery, Shape
from shared.reads.conditions import Conditions, searching
from shared.reads.projection import Projector, plain_type, written
from shared.wire import Database, Statement

Columns = Mapping[str, sa.ColumnElement[Any]]


class Totals:
    """The totals of a collection, behind the gate. Rows that the caller may not see are not counted."""

    def __init__(self, collection: Collection, policy: Policy, projector: Projector) -> None:
        self._collection = collection
        self._rows = collection.document.rows
        self._gate = gate(projector.extensions)
        self._conditions = Conditions(collection, policy, projector, ())
        self._statement = lru_cache(maxsize=500)(self._compile)

    async def read(self, database: Database, caller: Principal, query: ListQuery) -> bytes:
        """A JSON object with `count`, `sums` if the collection declares any, `groups`, the largest first and at most as
        many as the limit, and `has_more`, which tells whether there are other groups.

        Raises InvalidInput when durations add up to more than PostgreSQL's intervals hold, and InvalidToken when the
        caller's session has ended.
        """
        try:
            with searching(query.shape):
                found = await database.read(self._statement(query.shape), {**caller.parameters(), **query.values})
        except Invalid as error:
            if not isinstance(error.__cause__, DatetimeFieldOverflow):
                raise
            raise InvalidInput("These rows add up to more than a duration can be.", parameter="query") from error
        ((content,),) = admitted(found)
        return bytes(content)

    def _compile(self, shape: Shape) -> Statement:
        groups, sums = shape.groups, tuple(self._collection.sums)
        named = {**{f"group_{n}": name for n, name in enumerate(groups)}, **{f"sum_{n}": s for n, s in enumerate(sums)}}
        matching = sa.select(_ONE, *(self._rows.c[name].label(label) for label, name in named.items()))
        listed = sa.union_all(*(matching.where(*where) for where in self._conditions.of_branches(shape))).subquery()

        keys = [listed.c[f"group_{n}"] for n, _ in enumerate(groups)]
        count = sa.func.count()
        added = [self._added(listed, n, name) for n, name in enumerate(sums)]
        place = sa.func.row_number().over(order_by=[count.desc(), *keys]).label("place")
        grouped = sa.select(*keys, count.label("count"), *added, place).group_by(*keys).select_from(listed).subquery()

        group = {
            "by": self._object(grouped, {name: grouped.c[f"group_{n}"] for n, name in enumerate(groups)}),
            "count": grouped.c.count,
            **self._sums(grouped),
        }
        told = sa.select(*grouped.c, _object(grouped, group).label("told")).subquery()
        whole = sa.select(
            sa.func.coalesce(sa.cast(sa.func.sum(told.c.count), sa.BigInteger()), _ZERO).label("count"),
            *(self._added(told, n, name) for n, name in enumerate(sums)),
            *self._groups(told, shape),
        ).subquery()
        members = {"count": whole.c.count, **self._sums(whole), "groups": whole.c.groups, "has_more": whole.c.has_more}
        answer = sa.select(_object(whole, members).label("content")).select_from(whole).lateral("totals")
        return Statement(sa.select(answer).select_from(self._gate.outerjoin(answer, sa.true())))

    def _groups(self, told: sa.FromClause, shape: Shape) -> list[sa.ColumnElement[Any]]:
        """The largest groups as a JSON array, and whether there are more."""
        if not shape.groups:
            return [sa.cast(sa.literal_column("'[]'"), sa.JSON).label("groups"), sa.false().label("has_more")]
        limit: sa.ColumnElement[Any] = sa.literal_column(str(shape.limit))
        listed = sa.func.array_agg(aggregate_order_by(told.c.told, told.c.place), type_=sa.ARRAY(sa.JSON))
        groups = sa.func.array_to_json(
            sa.func.coalesce(listed.filter(told.c.place <= limit), sa.literal_column("'{}'")), type_=sa.JSON
        )
        return [groups.label("groups"), (sa.func.count() > limit).label("has_more")]

    def _added(self, rows: sa.FromClause, n: int, name: str) -> sa.ColumnElement[Any]:
        """The sum of a field; of no rows, zero."""
        zero = sa.literal_column("interval '0'") if self._kind(name) is timedelta else _ZERO
        return sa.func.coalesce(sa.func.sum(rows.c[f"sum_{n}"]), zero).label(f"sum_{n}")

    def _sums(self, rows: sa.FromClause) -> Columns:
        sums = {name: rows.c[f"sum_{n}"] for n, name in enumerate(self._collection.sums)}
        return {"sums": self._object(rows, sums)} if sums else {}

    def _object(self, rows: sa.FromClause, values: Columns) -> sa.ColumnElement[Any]:
        """A JSON object of fields, each written as it is in a document."""
        if not values:
            return sa.cast(sa.literal_column("'{}'"), sa.JSON)
        return _object(rows, {name: written(value, self._kind(name)) for name, value in values.items()})

    def _kind(self, name: str) -> Any:
        return plain_type(self._collection.document.model_fields[name].annotation)


_ONE: sa.ColumnElement[Any] = sa.literal_column("1").label("one")
_ZERO: sa.ColumnElement[Any] = sa.literal_column("0")


def _object(rows: sa.FromClause, values: Columns) -> sa.ColumnElement[Any]:
    """A JSON object with these members of a row, without white space."""
    row = sa.select(*(value.label(name) for name, value in values.items())).correlate(rows).subquery()
    return sa.select(sa.func.row_to_json(row.table_valued(), type_=sa.JSON)).scalar_subquery()
