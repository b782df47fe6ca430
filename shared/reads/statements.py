"""The statements of a list: a page, its count, an export; each compiled for a shape."""

import operator as operators
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from shared.auth import RESTORE, TRUSTED, Policy, gate
from shared.reads.collection import RELEVANCE, Collection, Shape
from shared.reads.keyset import Key, after, order
from shared.reads.projection import Projector
from shared.rows import live
from shared.wire import Statement


class ListStatements:
    """Compiles the statements of a collection. Conditions of the policy are in them: what the caller may not see is not
    read.
    """

    def __init__(self, collection: Collection, policy: Policy, projector: Projector, scope: Sequence[str]) -> None:
        """`scope` names columns that every request gives a value for."""
        self._collection = collection
        self._rows = collection.document.rows
        self._policy = policy
        self._projector = projector
        self._gate = gate(projector.extensions)
        self._scope = scope

    def export(self, shape: Shape) -> Statement:
        """Every document, by id."""
        rows = self._rows
        content = self._projector.json(self._collection.document, rows, shape.view)
        # Lateral: which deleted rows are listed depends on the caller's role.
        listed = sa.union_all(*(sa.select(rows.c.id).where(*where) for where in self._wheres(shape))).lateral("listed")
        documents = sa.select(content).select_from(TRUSTED.join(listed, sa.true()).join(rows, rows.c.id == listed.c.id))
        return Statement(documents.order_by(rows.c.id))

    def page(self, shape: Shape) -> Statement:
        """A page: its documents as a JSON array, the last row's sort values if there is a next page, and the count."""
        keys = self._keys(shape)
        content = self._projector.json(self._collection.document, self._rows, shape.view).label("content")
        position = sa.func.json_build_array(*(key.value for key in keys), type_=sa.JSON).label("position")
        branches = [self._branch(shape, keys, where) for where in self._wheres(shape)]
        if len(branches) == 1 and not shape.search:
            found = branches[0].add_columns(content, position).subquery()
        else:
            # Each branch reads a page from an index of its own. Documents are built for the merged page alone.
            merged = sa.union_all(*(sa.select(branch.subquery()) for branch in branches)).subquery()
            picked = (
                sa.select(merged).order_by(*order(_keys_in(merged, keys))).limit(_literal(shape.limit + 1)).subquery()
            )
            keys = _keys_in(picked, keys)
            is_same = self._rows.c[self._collection.key] == keys[-1].value
            found = (
                sa.select(content, position).join_from(picked, self._rows, is_same).order_by(*order(keys)).subquery()
            )
        contents = sa.func.array_agg(found.c.content, type_=sa.ARRAY(sa.JSON))
        positions = sa.func.array_agg(found.c.position, type_=sa.ARRAY(sa.JSON))
        page = sa.select(
            sa.func.array_to_json(contents[_literal(1) : _literal(shape.limit)], type_=sa.JSON).label("items"),
            # One row beyond the limit shows that there is a next page, without counting.
            sa.case((sa.func.count() > _literal(shape.limit), positions[_literal(shape.limit)])).label("last"),
            self._count(shape).label("count"),
        )
        answer = page.select_from(found).lateral("page")
        return Statement(sa.select(answer).select_from(self._gate.outerjoin(answer, sa.true())))

    def estimate(self, shape: Shape) -> Statement:
        """The plan of the whole list, which has an estimate of its rows."""
        one = sa.select(_literal(1).label("one")).select_from(self._rows)
        listed = sa.union_all(*(one.where(*where) for where in self._wheres(shape)))
        counted = listed.subquery().select().lateral("counted")
        explained = sa.select(counted).select_from(self._gate.join(counted, sa.true()))
        return Statement(explained, prefix="EXPLAIN (FORMAT JSON) ")

    def _wheres(self, shape: Shape) -> list[Sequence[sa.ColumnElement[bool]]]:
        """The conditions of each branch of the collection. Branches are disjoint."""
        listed = self._policy.listed(self._rows, self._projector.extensions)
        return [(condition, *self._where(shape)) for condition in listed]

    def _branch(self, shape: Shape, keys: Sequence[Key], where: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
        found = sa.select(*(key.value.label(f"key_{n}") for n, key in enumerate(keys))).where(*where)
        if shape.search:
            # Find the matches, then sort them. To scan in order until enough rows match would be quick when most rows
            # match, and would read the whole table when few do. The OFFSET keeps PostgreSQL from doing that.
            matches = found.offset(_literal(0)).subquery()
            keys = _keys_in(matches, keys)
            found = sa.select(*matches.c)
        if shape.after is not None:
            found = found.where(after(keys, shape.after))
        return found.order_by(*order(keys)).limit(_literal(shape.limit + 1))

    def _count(self, shape: Shape) -> sa.ColumnElement[Any]:
        if shape.count != "exact":
            return sa.null()
        counted = sa.select(sa.func.count()).select_from(self._rows)
        counts = [counted.where(*where).scalar_subquery() for where in self._wheres(shape)]
        return sum(counts, start=_literal(0))

    def _where(self, shape: Shape) -> list[sa.ColumnElement[bool]]:
        columns = self._rows.c
        where = [columns[name] == sa.bindparam(name, type_=columns[name].type) for name in self._scope]
        where += self._of_deletion(shape.deleted)
        if shape.search:
            where.append(self._words().op("@@")(_searched()))
        for name in shape.custom:
            condition = self._collection.custom[name].condition
            where.append(condition(self._rows, sa.bindparam(name, type_=sa.ARRAY(sa.String()))))
        for n, (name, operator) in enumerate(shape.filters):
            where.append(_compared(columns[name], operator, f"filter_{n}"))
        return where

    def _of_deletion(self, deleted: str) -> Sequence[sa.ColumnElement[bool]]:
        if deleted == "exclude":
            return live(self._rows)
        role = self._policy.role(self._rows, self._projector.extensions)
        is_deleted = self._rows.c.deleted_at.is_not(None)
        restorable = sa.and_(is_deleted, self._policy.permits(RESTORE, role))
        return (restorable,) if deleted == "only" else (sa.or_(~is_deleted, restorable),)

    def _keys(self, shape: Shape) -> list[Key]:
        keys = []
        for n, (name, descending) in enumerate((*shape.sort, (self._collection.key, shape.sort[-1][1]))):
            is_rank = name == RELEVANCE
            value = sa.func.ts_rank(self._words(), _searched(), type_=sa.REAL) if is_rank else self._rows.c[name]
            other = sa.cast(sa.bindparam(f"after_{n}", type_=sa.String()), value.type)
            keys.append(Key(value, descending, getattr(value, "nullable", False), other))
        return keys

    def _words(self) -> sa.ColumnElement[Any]:
        return self._rows.c[self._collection.search or ""]


def _keys_in(found: sa.FromClause, keys: Sequence[Key]) -> list[Key]:
    return [key._replace(value=found.c[f"key_{n}"]) for n, key in enumerate(keys)]


def _compared(column: sa.ColumnElement[Any], operator: str, name: str) -> sa.ColumnElement[bool]:
    kind: sa.types.TypeEngine[Any] = sa.String() if isinstance(column.type, sa.Enum) else column.type
    value = sa.bindparam(name, type_=sa.ARRAY(kind) if operator == "in" else kind)
    return _CONDITIONS[operator](column, value)


_CONDITIONS: Mapping[str, Callable[[sa.ColumnElement[Any], sa.ColumnElement[Any]], sa.ColumnElement[bool]]] = {
    "eq": operators.eq,
    "ne": lambda column, value: column.is_distinct_from(value),
    "in": lambda column, value: column == sa.func.any(value),
    "lt": operators.lt,
    "lte": operators.le,
    "gt": operators.gt,
    "gte": operators.ge,
    "contains": lambda column, value: column.ilike(value),
}


def _searched() -> sa.ColumnElement[Any]:
    return sa.func.websearch_to_tsquery(sa.literal_column("'simple'"), sa.bindparam("q", type_=sa.String()))


def _literal(number: int) -> sa.ColumnElement[int]:
    """A number that the planner sees. With a parameter as LIMIT, it would plan for a tenth of the table."""
    return sa.literal_column(str(number))
