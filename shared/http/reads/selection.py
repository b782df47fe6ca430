"""Which rows of a collection a query string is about: a search, filters, and whether deleted ones are among them."""

from dataclasses import replace
from typing import Any

from shared.errors import InvalidInput
from shared.http.reads.filters import Filters
from shared.http.reads.parameters import Given, choice_of, parameter
from shared.reads import Collection, ListQuery, Shape

TRASH = ("exclude", "only", "include")
LONGEST_SEARCH = 200


class Selection:
    """The parameters that say which rows. `knows_trash` says whether deleted rows can be asked for."""

    def __init__(self, collection: Collection, *, knows_trash: bool = True) -> None:
        self._filters = Filters(collection)
        self._searches = collection.search is not None
        self._knows_trash = knows_trash and collection.has_trash

    def taken(self, given: Given, shape: Shape) -> ListQuery:
        """What is left of the parameters, as a query of this shape. Raises InvalidInput, which names the parameter."""
        deleted = given.choice("deleted", TRASH) if self._knows_trash else "exclude"
        text = given.text("q", most=LONGEST_SEARCH) if self._searches else None
        custom, filters = self._filters.custom_in(given), self._filters.filters_in(given)
        found = tuple(one for one, _ in filters)
        search: dict[str, Any] = {} if text is None else {"q": text}
        asked = replace(shape, filters=found, custom=tuple(custom), search=bool(search), deleted=deleted)
        values = {f"custom:{name}": texts for name, texts in custom.items()}
        values |= {f"filter_{n}": value for n, (_, value) in enumerate(filters)}
        return ListQuery(asked, search | values)

    def demanded(self, given: Given, shape: Shape) -> ListQuery:
        """The same, when all rows cannot be meant."""
        query = self.taken(given, shape)
        if not query.values:
            raise InvalidInput("Say which ones: there is no filter, and no search.", parameter="query")
        return query

    def parameters(self) -> list[dict[str, Any]]:
        """Every parameter that is taken."""
        found = []
        if self._searches:
            words = {"type": "string", "maxLength": LONGEST_SEARCH}
            meaning = 'Words to search for. `-word` excludes one; `"a phrase"` keeps its order.'
            found.append(parameter("q", words, meaning, "launch"))
        if self._knows_trash:
            meaning = "Whether to list the deleted rows that you may restore."
            found.append(parameter("deleted", choice_of(TRASH), meaning))
        return found + self._filters.parameters()
