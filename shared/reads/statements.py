"""The statements of a list: a page, its count, an export; each compiled for a shape."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from shared.auth import TRUSTED, Policy, gate
from shared.reads.collection import RELEVANCE, Collection, Shape
from shared.reads.conditions import Conditions, compared, searched
from shared.reads.keyset import Key, later, order
from shared.reads.near import near
from shared.reads.projection import Projector, written
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
        self._conditions = Conditions(collection, policy, projector, scope)

    def export(self, shape: Shape) -> Statement:
        """Every document, by id."""
        rows = self._rows
        content = self._projector.json(self._collection.document, rows, shape.view)
        # Lateral: which deleted rows are listed depends on the caller's role.
        branches = (sa.select(rows.c.id).where(*where) for where in self._conditions.of_branches(shape))
        listed = sa.union_all(*branches).lateral("listed")
        documents = sa.select(content).select_from(TRUSTED.join(listed, sa.true()).join(rows, rows.c.id == listed.c.id))
        return Statement(documents.order_by(rows.c.id))

    def page(self, shape: Shape) -> Statement:
        """A page: its documents as a JSON array, the last row's sort values if there is a next page, and the count."""
        keys = self._keys(shape)
        content = self._projector.json(self._collection.document, self._rows, shape.view).label("content")
        position = _position(keys).label("position")
        branches = self._branches(shape, keys)
        if len(branches) == 1 and not shape.search and self._policy.parents is None:
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
        listed = sa.union_all(*(one.where(*where) for where in self._conditions.of_branches(shape)))
        counted = listed.subquery().select().lateral("counted")
        explained = sa.select(counted).select_from(self._gate.join(counted, sa.true()))
        return Statement(explained, prefix="EXPLAIN (FORMAT JSON) ")

    def _branches(self, shape: Shape, keys: Sequence[Key]) -> list[sa.Select[Any]]:
        """The keys of a page of each branch; a page that begins after a row can have several parts."""
        if self._policy.parents is not None and not shape.search:
            return self._by_parent(shape, keys)
        found: list[sa.Select[Any]] = []
        for listed, *where in self._conditions.of_branches(shape):
            first = near(self._collection, self._conditions, shape, keys, listed)
            if first is not None:
                fills_page = sa.select(sa.func.count() > _literal(shape.limit)).select_from(first).scalar_subquery()
                found.append(sa.select(*first.c).where(fills_page))
                where.append(~fills_page)
            found += self._parts(shape, keys, [listed, *where])
        return found

    def _by_parent(self, shape: Shape, keys: Sequence[Key]) -> list[sa.Select[Any]]:
        """The rows that those of the list are part of and whose first row comes first: none of the others has a row on
        the page. Then a page of each of these, and of those the page. All are read from one index.
        """
        assert self._policy.parents is not None
        column, ids = self._policy.parents(self._rows, self._projector.extensions)
        for n, asked in enumerate(shape.filters):
            if asked == (column.name, "eq"):
                ids = ids.where(compared(ids.selected_columns[0], "eq", f"filter_{n}"))
        parents, most = ids.subquery("parents"), _literal(shape.limit + 1)

        def parts(of: sa.FromClause) -> list[sa.Select[Any]]:
            return [*self._parts(shape, keys, [column == of.c.id, *self._conditions.of_rows(shape)])]

        pages = []
        for n, rows in enumerate(parts(parents)):
            first = rows.correlate(parents).limit(_literal(1)).lateral("first")
            firsts = sa.select(parents.c.id).select_from(parents.join(first, sa.true()))
            chosen = firsts.order_by(*order(_keys_in(first, keys))).limit(most).subquery("chosen")
            each = parts(chosen)[n].correlate(chosen).lateral("each")
            page = sa.select(*each.c).select_from(chosen.join(each, sa.true()))
            pages.append(page.order_by(*order(_keys_in(each, keys))).limit(most))
        return pages

    def _parts(
        self, shape: Shape, keys: Sequence[Key], where: Sequence[sa.ColumnElement[bool]]
    ) -> Iterator[sa.Select[Any]]:
        found = sa.select(*(key.value.label(f"key_{n}") for n, key in enumerate(keys))).where(*where)
        if shape.search:
            # Find the matches, then sort them. To scan in order until enough rows match would be quick when most rows
            # match, and would read the whole table when few do. The OFFSET keeps PostgreSQL from doing that.
            matches = found.offset(_literal(0)).subquery()
            keys = _keys_in(matches, keys)
            found = sa.select(*matches.c)
        for condition in later(keys, shape.after):
            yield found.where(condition).order_by(*order(keys)).limit(_literal(shape.limit + 1))

    def _count(self, shape: Shape) -> sa.ColumnElement[Any]:
        if shape.count != "exact":
            return sa.null()
        counted = sa.select(sa.func.count()).select_from(self._rows)
        counts = [counted.where(*where).scalar_subquery() for where in self._conditions.of_branches(shape)]
        return sum(counts, start=_literal(0))

    def _keys(self, shape: Shape) -> list[Key]:
        keys = []
        for n, (name, descending) in enumerate((*shape.sort, (self._collection.key, shape.sort[-1][1]))):
            value = self._rank() if name == RELEVANCE else self._rows.c[name]
            other = sa.cast(sa.bindparam(f"after_{n}", type_=sa.String()), value.type)
            keys.append(Key(value, descending, getattr(value, "nullable", False), other))
        return keys

    def _rank(self) -> sa.ColumnElement[Any]:
        return sa.func.ts_rank(self._conditions.words_of(self._rows), searched(), type_=sa.REAL)


def _position(keys: Sequence[Key]) -> sa.ColumnElement[Any]:
    """The sort values of a row, for a cursor: with all digits of a decimal number."""
    values = (written(key.value, Decimal) if isinstance(key.value.type, sa.Numeric) else key.value for key in keys)
    return sa.func.json_build_array(*values, type_=sa.JSON)


def _keys_in(found: sa.FromClause, keys: Sequence[Key]) -> list[Key]:
    return [key._replace(value=found.c[f"key_{n}"]) for n, key in enumerate(keys)]


def _literal(number: int) -> sa.ColumnElement[int]:
    """A number that the planner sees. With a parameter as LIMIT, it would plan for a tenth of the table."""
    return sa.literal_column(str(number))
