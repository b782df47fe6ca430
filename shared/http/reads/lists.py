"""The query string of a list: the one grammar of every collection, parsed and described."""

from dataclasses import replace
from typing import Any

from shared.errors import InvalidInput
from shared.http.reads.filters import demand_sortable
from shared.http.reads.parameters import LIMIT, Given, choice_of, cursor_of, names_of, parameter, view_parameters
from shared.http.reads.selection import Selection
from shared.reads import RELEVANCE, Collection, ListQuery, Shape, Sort

COUNTS = ("none", "estimated", "exact")
LONGEST_CURSOR = 4000

_PAGING = ("limit", "cursor", "sort", "count")


class ListGrammar:
    """What a collection takes in its query string."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        demand_sortable(collection)
        self._rows = Selection(collection)
        self._sorts = [*collection.sorts, *([RELEVANCE] if collection.search else [])]

    def parse(self, raw: bytes) -> ListQuery:
        """What a raw query string asks for. Raises InvalidInput, which names the parameter."""
        given = Given.of(raw)
        paging = [name for name in _PAGING if name in given]
        if paging and not self.collection.paged:
            raise InvalidInput("This has no pages, and no order but that of the ids.", parameter=paging[0])
        view, sort = given.view(self.collection.document), self._sort_in(given)
        cursor, limit, count = given.text("cursor", most=LONGEST_CURSOR), given.limit(), given.choice("count", COUNTS)
        query = self._rows.taken(given, Shape(view, sort, limit=limit, count=count))
        if (RELEVANCE, True) in sort and not query.shape.search:
            raise InvalidInput("Sorting by relevance needs a search: give q.", parameter="sort")
        shown = view if query.shape.deleted == "exclude" else replace(view, trash=True)
        return ListQuery(replace(query.shape, view=shown), query.values, cursor)

    def parameters(self) -> list[dict[str, Any]]:
        """Every parameter that `parse` reads."""
        found = self._paging_parameters() if self.collection.paged else []
        return [*found, *view_parameters(self.collection.document), *self._rows.parameters()]

    def _sort_in(self, given: Given) -> tuple[Sort, ...]:
        if "sort" not in given:
            return self.collection.default_sort
        sort = tuple((name.removeprefix("-"), name.startswith("-")) for name in given.several("sort"))
        names = [name for name, _ in sort]
        if not set(names) <= set(self._sorts) or len(set(names)) < len(names) or (RELEVANCE, False) in sort:
            raise InvalidInput(f"Sort by each of these at most once: {', '.join(self._sorts)}.", parameter="sort")
        return sort

    def _paging_parameters(self) -> list[dict[str, Any]]:
        found = [
            LIMIT,
            parameter("cursor", cursor_of(LONGEST_CURSOR), "`next_cursor` of the previous page."),
            parameter("count", choice_of(COUNTS), "Add `count`, the number of rows on all pages."),
        ]
        if self.collection.sorts:
            named = [written for name in self._sorts for written in (name, f"-{name}") if written != RELEVANCE]
            default = {"default": [f"-{name}" if down else name for name, down in self.collection.default_sort]}
            meaning = "Sort by these, the first one first; `-` sorts in descending order. Name each field once."
            quick = ", ".join(f"`{name}`" for name in self.collection.flat_sorts)
            if set(self.collection.flat_sorts) < set(self.collection.sorts):
                meaning += f" Alone, {quick} cost the same however many rows you have; other sorts cost more with each."
            found.append(parameter("sort", names_of(named) | default, meaning, named[:1], by_comma=True))
        return found
