"""Keysets: a page begins after the sort values of the last row of the page before."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, false, or_, true, tuple_


class Key(NamedTuple):
    """A sort value of a row."""

    value: ColumnElement[Any]
    descending: bool
    nullable: bool
    after: ColumnElement[Any]
    """This value in the row that the page begins after."""

    def beyond(self, after_null: bool) -> ColumnElement[bool]:
        """Whether the row comes later by this value. `after_null`: the value it is compared with is null."""
        if after_null:
            return self.value.is_not(None) if self.descending else false()
        if self.descending:
            return self.value < self.after
        return or_(self.value > self.after, self.value.is_(None)) if self.nullable else self.value > self.after

    def same(self, after_null: bool) -> ColumnElement[bool]:
        """Whether the row has the same value."""
        return self.value.is_(None) if after_null else self.value == self.after


def order(keys: Sequence[Key]) -> list[ColumnElement[Any]]:
    """The terms of the ORDER BY. Null is greater than every value, as in PostgreSQL's indexes."""
    return [key.value.desc() if key.descending else key.value.asc() for key in keys]


def after(keys: Sequence[Key], nulls: Sequence[bool]) -> list[ColumnElement[bool]]:
    """Whether a row comes after the one with these values: disjoint conditions, of which one holds. An index goes
    straight to the place of each, where there is one sort value.
    """
    (value, id), is_null = keys[-2:], nulls[0]
    if len(keys) > 2 or value.descending is not id.descending or not value.nullable:
        return [_after(keys, nulls)]
    if is_null:
        rest = and_(value.value.is_(None), id.beyond(after_null=False))
        return [rest, value.value.is_not(None)] if value.descending else [rest]
    rest = _after([key._replace(nullable=False) for key in keys], nulls)
    return [rest] if value.descending else [rest, value.value.is_(None)]


def _after(keys: Sequence[Key], nulls: Sequence[bool]) -> ColumnElement[bool]:
    directions = {key.descending for key in keys}
    if len(directions) == 1 and not any(key.nullable for key in keys):
        # One row comparison: an index goes straight to the place.
        values, others = tuple_(*(key.value for key in keys)), tuple_(*(key.after for key in keys))
        return values < others if directions == {True} else values > others
    pairs = list(zip(keys, nulls, strict=True))
    first, first_null = pairs[0]
    beyond = [and_(*(k.same(n) for k, n in pairs[:i]), key.beyond(is_null)) for i, (key, is_null) in enumerate(pairs)]
    # The first condition is implied by the second, but an index can use it.
    return and_(or_(first.beyond(first_null), first.same(first_null)), or_(*beyond))


def later(keys: Sequence[Key], after_null: Sequence[bool] | None) -> list[ColumnElement[bool]]:
    """The same of a page that may be the first, which None says."""
    return [true()] if after_null is None else after(keys, after_null)
