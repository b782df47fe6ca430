"""The totals of a collection over HTTP: which groups a request asks for, and what the answer looks like."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field, create_model

from shared.errors import InvalidInput
from shared.exact import Told
from shared.http.reads.parameters import MOST_ROWS, Given, limit_of, names_of, parameter
from shared.http.reads.selection import Selection
from shared.reads import WHOLE, Collection, ListQuery, Shape, plain_type

ADDED = (int, Decimal, timedelta)
"""The types that have sums. That of floats would depend on the order in which they are added."""


class TotalsGrammar:
    """What the totals of a collection take in their query string."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._rows = Selection(collection)
        demand_totals(collection)

    def parse(self, raw: bytes) -> ListQuery:
        """What a raw query string asks for. Raises InvalidInput, which names the parameter."""
        given = Given.of(raw)
        groups, limit = self._groups_in(given), given.limit(default=MOST_ROWS)
        return self._rows.taken(given, Shape(WHOLE, self._collection.default_sort, groups=groups, limit=limit))

    def parameters(self) -> list[dict[str, Any]]:
        """Every parameter that `parse` reads."""
        found = [limit_of(MOST_ROWS, MOST_ROWS, "The most groups to return, the largest first")]
        if self._collection.groups:
            meaning = "Count the rows with the same values in these fields."
            found.append(parameter("group_by", names_of([*self._collection.groups]), meaning, by_comma=True))
        return found + self._rows.parameters()

    def _groups_in(self, given: Given) -> tuple[str, ...]:
        names = tuple(given.several("group_by")) if self._collection.groups and "group_by" in given else ()
        if not set(names) <= set(self._collection.groups) or len(set(names)) < len(names):
            allowed = ", ".join(self._collection.groups)
            raise InvalidInput(f"Group by each of these at most once: {allowed}.", parameter="group_by")
        return names


def demand_totals(collection: Collection) -> None:
    """Raises TypeError for a group that is no filter with one value, or a sum of what cannot be added up."""
    document = collection.document
    kinds = {name: plain_type(field.annotation) for name, field in document.model_fields.items()}
    for name in collection.groups:
        if name not in collection.filters or getattr(kinds[name], "__origin__", None) in {list, dict}:
            raise TypeError(f"{document.__name__} cannot be grouped by {name}: a group is a filter with one value.")
    for name in collection.sums:
        if kinds.get(name) not in ADDED or name not in document.rows.c:
            raise TypeError(
                f"The {name} of {document.__name__} cannot be added up: a sum is of a column with whole numbers, "
                "decimal numbers or durations."
            )


def totals_of(collection: Collection) -> type[BaseModel]:
    """The schema of the totals: `ProjectTotals` of `ProjectRead`."""
    fields, name = collection.document.model_fields, collection.document.__name__.removesuffix("Read")
    words = "The values that its rows have in common: of the fields that `group_by` names."
    by = {key: (fields[key].annotation, Field(None, description=fields[key].description)) for key in collection.groups}
    sums = {key: (plain_type(fields[key].annotation), Field(description="The sum.")) for key in collection.sums}
    figures: dict[str, Any] = {"count": (int, Field(description="How many rows there are."))}
    if sums:
        added = _model(f"{name}Sums", "Sums of rows. What a row does not have counts as zero.", sums)
        figures["sums"] = (added, Field(description="Their sums."))
    groups: dict[str, Any] = {"by": (_model(f"{name}GroupKey", words, by), Field(description=words)), **figures}
    group: Any = list[_model(f"{name}Group", "Rows that have something in common.", groups)]  # type: ignore[misc]
    return _model(
        f"{name}Totals",
        f"How many rows match{', and their sums' if sums else ''}.",
        {
            **figures,
            "groups": (group, Field(description="Without `group_by` there are none.")),
            "has_more": (bool, Field(description="Whether there are more groups than these.")),
        },
    )


class _Figures(Told, BaseModel):
    """The base of what totals consist of."""


def _model(name: str, words: str, fields: dict[str, Any]) -> type[BaseModel]:
    made: type[BaseModel] = create_model(name, __base__=_Figures, __doc__=words, **fields)
    return made
