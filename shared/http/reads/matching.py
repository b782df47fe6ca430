"""Changes of all rows that a query matches: what they take in their query string."""

from typing import Any

from shared.http.reads.parameters import Given, limit_of
from shared.http.reads.selection import Selection
from shared.reads import WHOLE, Collection, ListQuery, Shape

MOST_AFFECTED = 1000
"""Rows of one request: so many are locked, changed and journalled within its time."""


class MatchingGrammar:
    """What a change of all that match takes in its query string. A query that matches all rows is refused: a client
    that lost its filter on the way would lose its rows.
    """

    def __init__(self, collection: Collection) -> None:
        self._sort = collection.default_sort
        self._rows = Selection(collection, knows_trash=False)

    def parse(self, raw: bytes) -> ListQuery:
        """What a raw query string asks for. Raises InvalidInput, which names the parameter."""
        given = Given.of(raw)
        given.pop("dry_run", None)  # A wish, which is looked at before.
        limit = given.limit(MOST_AFFECTED, MOST_AFFECTED)
        return self._rows.demanded(given, Shape(WHOLE, self._sort, limit=limit))

    def parameters(self) -> list[dict[str, Any]]:
        """Every parameter that `parse` reads."""
        return [limit_of(MOST_AFFECTED, MOST_AFFECTED, "The most rows to change"), *self._rows.parameters()]
