"""Keysets: where a page begins, told by the sort values of the row before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, tuple_


@dataclass(frozen=True)
class Key:
    """A sort value of a row."""

    value: ColumnElement[Any]
    descending: bool
    nullable: bool
    after: ColumnElement[Any]
    """The same value of the row that the page begins after."""

    def ordered(self) -> ColumnElement[Any]:
        """As an ORDER BY has it. A null is greater than all else, as PostgreSQL's indexes have it."""
        return self.value.desc() if self.descending else self.value.asc()

    def beyond(self, after_null: bool) -> ColumnElement[bool]:
        """Whether the row comes later in the order."""
        if after_null:
            return self.value.is_not(None) if self.descending else false()
        if self.descending:
            return self.value < self.after
        return or_(self.value > self.after, self.value.is_(None)) if self.nullable else self.value > self.after

    def same(self, after_null: bool) -> ColumnElement[bool]:
        """Whether the row stands at the same place as far as this value goes."""
        return self.value.is_(None) if after_null else self.value == self.after


def after(keys: Sequence[Key], nulls: Sequence[bool]) -> ColumnElement[bool]:
    """Whether a row comes after the one with these values."""
    directions = {key.descending for key in keys}
    if len(directions) == 1 and not any(key.nullable for key in keys):
        # One comparison of rows, which an index answers by going straight to the place.
        values, others = tuple_(*(key.value for key in keys)), tuple_(*(key.after for key in keys))
        return values < others if directions == {True} else values > others
    pairs = list(zip(keys, nulls, strict=True))
    first, first_null = pairs[0]
    later = [and_(*(k.same(n) for k, n in pairs[:i]), key.beyond(is_null)) for i, (key, is_null) in enumerate(pairs)]
    # The first comparison is implied, but an index can use it.
    return and_(or_(first.beyond(first_null), first.same(first_null)), or_(*later))
