"""The statements of a list: a page, its count, an export; each compiled for a shape."""

import operator as operators
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    REAL,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import Enum as EnumType
from sqlalchemy.types import TypeEngine

from shared.auth import RESTORE, TRUSTED, Policy, gate
from shared.reads.collection import RELEVANCE, Collection, Shape
from shared.reads.keyset import Key, after
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
        self._policy = policy
        self._projector = projector
        self._scope = scope

    def export(self, shape: Shape) -> Statement:
        """Every document, by id."""
        rows = self._collection.document.rows
        content = self._projector.json(self._collection.document, rows, shape.view)
        # Lateral: which deleted rows are listed depends on the caller's role.
        listed = union_all(*(select(rows.c.id).where(*where) for where in self._wheres(shape))).lateral("listed")
        documents = select(content).select_from(TRUSTED.join(listed, true()).join(rows, rows.c.id == listed.c.id))
        return Statement(documents.order_by(rows.c.id))

    def page(self, shape: Shape) -> Statement:
        """A page: its documents as a JSON array, the last row's sort values if there is a next page, and the count."""
        rows = self._collection.document.rows
        content = self._projector.json(self._collection.document, rows, shape.view)
        keys = self._keys(rows, shape)
        position = func.json_build_array(*(key.value for key in keys), type_=JSON)
        branches = [self._branch(shape, keys, where) for where in self._wheres(shape)]
        if len(branches) == 1 and not shape.search:
            found = branches[0].add_columns(content.label("content"), position.label("position")).subquery()
        else:
            # Each branch reads a page from an index of its own. Documents are built for the merged page alone.
            merged = union_all(*(select(branch.subquery()) for branch in branches)).subquery()
            order = [_order(merged.c[f"key_{n}"], key) for n, key in enumerate(keys)]
            picked = select(merged).order_by(*order).limit(_literal(shape.limit + 1)).subquery()
            order = [_order(picked.c[f"key_{n}"], key) for n, key in enumerate(keys)]
            found = (
                select(content.label("content"), position.label("position"))
                .join_from(picked, rows, rows.c[self._collection.key] == picked.c[f"key_{len(keys) - 1}"])
                .order_by(*order)
                .subquery()
            )
        contents, positions = (
            func.array_agg(column, type_=ARRAY(JSON)) for column in (found.c.content, found.c.position)
        )
        page = select(
            func.array_to_json(contents[_literal(1) : _literal(shape.limit)], type_=JSON).label("items"),
            # One row beyond the limit shows that there is a next page, without counting.
            case((func.count() > _literal(shape.limit), positions[_literal(shape.limit)])).label("last"),
            self._count(shape).label("count"),
        )
        return self._behind_gate(page.select_from(found))

    def estimate(self, shape: Shape) -> Statement:
        """The plan of the whole list, which has an estimate of its rows."""
        rows = self._collection.document.rows
        listed = union_all(
            *(select(_literal(1).label("one")).select_from(rows).where(*where) for where in self._wheres(shape))
        )
        counted = listed.subquery().select().lateral("counted")
        return Statement(
            select(counted).select_from(self._gate().join(counted, true())), prefix="EXPLAIN (FORMAT JSON) "
        )

    def _gate(self) -> FromClause:
        return gate(self._projector.extensions)

    def _behind_gate(self, page: Select[Any]) -> Statement:
        caller = self._gate()
        answer = page.lateral("page")
        return Statement(select(answer).select_from(caller.outerjoin(answer, true())))

    def _wheres(self, shape: Shape) -> list[Sequence[ColumnElement[bool]]]:
        """The conditions of each branch of the collection. Branches are disjoint."""
        rows = self._collection.document.rows
        listed = self._policy.listed(rows, self._projector.extensions)
        return [(condition, *self._where(rows, shape)) for condition in listed]

    def _branch(self, shape: Shape, keys: Sequence[Key], where: Sequence[ColumnElement[bool]]) -> Select[Any]:
        columns = [key.value.label(f"key_{n}") for n, key in enumerate(keys)]
        found = select(*columns).where(*where)
        if shape.search:
            # Find the matches, then sort them. To scan in order until enough rows match would be quick when most rows
            # match, and would read the whole table when few do. The OFFSET keeps PostgreSQL from doing that.
            matches = found.offset(_literal(0)).subquery()
            keys = [replace(key, value=matches.c[f"key_{n}"]) for n, key in enumerate(keys)]
            found = select(*matches.c)
        if shape.after is not None:
            found = found.where(after(keys, shape.after))
        return found.order_by(*(key.ordered() for key in keys)).limit(_literal(shape.limit + 1))

    def _count(self, shape: Shape) -> ColumnElement[Any]:
        if shape.count != "exact":
            return null()
        rows = self._collection.document.rows
        counts = [select(func.count()).select_from(rows).where(*where) for where in self._wheres(shape)]
        return sum((count.scalar_subquery() for count in counts), start=_literal(0))

    def _where(self, rows: FromClause, shape: Shape) -> list[ColumnElement[bool]]:
        where = [rows.c[name] == bindparam(name, type_=rows.c[name].type) for name in self._scope]
        where += self._of_deletion(rows, shape.deleted)
        if shape.search:
            where.append(self._search(rows).op("@@")(_searched()))
        for name in shape.custom:
            where.append(self._collection.custom[name].condition(rows, bindparam(name, type_=ARRAY(String()))))
        for n, (name, operator) in enumerate(shape.filters):
            where.append(_compared(rows.c[name], operator, f"filter_{n}"))
        return where

    def _search(self, rows: FromClause) -> ColumnElement[Any]:
        return rows.c[self._collection.search or ""]

    def _of_deletion(self, rows: FromClause, deleted: str) -> Sequence[ColumnElement[bool]]:
        if deleted == "exclude":
            return live(rows)
        role = self._policy.role(rows, self._projector.extensions)
        restorable = and_(rows.c.deleted_at.is_not(None), self._policy.permits(RESTORE, role))
        return (restorable,) if deleted == "only" else (or_(rows.c.deleted_at.is_(None), restorable),)

    def _keys(self, rows: FromClause, shape: Shape) -> list[Key]:
        sort = (*shape.sort, (self._collection.key, shape.sort[-1][1]))
        keys = []
        for n, (name, descending) in enumerate(sort):
            value = func.ts_rank(self._search(rows), _searched(), type_=REAL) if name == RELEVANCE else rows.c[name]
            after = cast(bindparam(f"after_{n}", type_=String()), value.type)
            nullable = getattr(value, "nullable", False)
            keys.append(Key(value, descending, nullable, after))
        return keys


def _order(column: ColumnElement[Any], key: Key) -> ColumnElement[Any]:
    return column.desc() if key.descending else column.asc()


def _compared(column: ColumnElement[Any], operator: str, name: str) -> ColumnElement[bool]:
    kind: TypeEngine[Any] = String() if isinstance(column.type, EnumType) else column.type
    value = bindparam(name, type_=ARRAY(kind) if operator == "in" else kind)
    return _CONDITIONS[operator](column, value)


_CONDITIONS: Mapping[str, Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]]] = {
    "eq": operators.eq,
    "ne": lambda column, value: column.is_distinct_from(value),
    "in": lambda column, value: column == func.any(value),
    "lt": operators.lt,
    "lte": operators.le,
    "gt": operators.gt,
    "gte": operators.ge,
    "contains": lambda column, value: column.ilike(value),
}


def _searched() -> ColumnElement[Any]:
    return func.websearch_to_tsquery(literal_column("'simple'"), bindparam("q", type_=String()))


def _literal(number: int) -> ColumnElement[int]:
    """A number that the planner sees. With a parameter as LIMIT, it would plan for a tenth of the table."""
    return literal_column(str(number))
