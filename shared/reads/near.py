"""Near rows: what a search finds among the first rows of a list, before it asks the index of words."""

from collections.abc import Sequence

import sqlalchemy as sa

from shared.reads.collection import Collection, Shape
from shared.reads.conditions import Conditions
from shared.reads.keyset import Key, later, order
from shared.rows import live

NEAR = 2000
"""So many of the caller's own rows are searched in the order of the page, before all of them by the index of words. A
word that does not fill a page of 20 there is in one of a hundred rows or less.
"""


def near(
    collection: Collection, conditions: Conditions, shape: Shape, keys: Sequence[Key], listed: sa.ColumnElement[bool]
) -> sa.CTE | None:
    """What a search finds among the first of the caller's own rows, as they are read from the index of the sort: the
    keys of a page, and of one row more. A word that many rows have fills the page there: to find all of these and sort
    them would take seconds. None where no index has the order, or the branch of the list is another.
    """
    own, conditions_of_page = conditions.own, later(keys, shape.after)
    is_flat = len(shape.sort) == 1 and shape.sort[0][0] in collection.flat_sorts
    is_near = shape.search and is_flat and shape.deleted == "exclude" and len(conditions_of_page) == 1
    if not is_near or own is None or not listed.compare(own):
        return None
    table = collection.document.rows
    first = sa.select(table).where(own, *live(table), *conditions_of_page).order_by(*order(keys))
    rows = first.limit(sa.literal_column(str(NEAR))).subquery("first")
    there = [key._replace(value=rows.c[key.value.name]) for key in keys]
    found = sa.select(*(key.value.label(f"key_{n}") for n, key in enumerate(there)))
    asked = found.where(*conditions.of_rows(shape, rows)).order_by(*order(there))
    return asked.limit(sa.literal_column(str(shape.limit + 1))).cte("near")
