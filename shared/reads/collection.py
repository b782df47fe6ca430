"""Collections: which fields of a resource filter, sort and search, and what a query string asks of them.

What a request asks for has a shape (which filters with which operators, which sort, which fields) and values. A shape
is compiled to a statement once; the values are its parameters.
"""

import re
from collections.abc import Callable, Mapping
from collections.abc import Collection as Names
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, Self, get_args

from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError
from sqlalchemy import ColumnElement, FromClause

from shared.errors import InvalidInput
from shared.reads.parameters import (
    DEFAULT_ROWS,
    MOST_VALUES,
    Parameter,
    choice_in,
    limit_in,
    once_in,
    parameters_in,
    several_in,
    several_of,
    text_in,
    valid,
    view_in,
    view_parameters,
)
from shared.reads.projection import Document, View
from shared.schemas import Date, Text

EQUALITY = ("eq", "ne", "in")
ORDER = ("lt", "lte", "gt", "gte")
RELEVANCE = "relevance"

Sort = tuple[str, bool]
"""A field, and whether it descends."""


@dataclass(frozen=True)
class Shape:
    """What a statement is compiled for."""

    view: View
    sort: tuple[Sort, ...]
    filters: tuple[tuple[str, str], ...] = ()
    """Field and operator of each filter; the value is the parameter `filter_<n>`."""
    custom: tuple[str, ...] = ()
    """The custom filters; the values of each are the parameter of its name."""
    search: bool = False
    """Whether there is a parameter `q`."""
    limit: int = DEFAULT_ROWS
    count: str = "none"
    deleted: str = "exclude"
    after: tuple[bool, ...] | None = None
    """On a further page: which of the sort values that it begins after are null."""


@dataclass(frozen=True)
class ListQuery:
    """A request for a page."""

    shape: Shape
    values: Mapping[str, Any]
    cursor: str | None
    context: str
    """What its cursor is bound to: all that decides which rows there are and in which order."""


@dataclass(frozen=True)
class CustomFilter:
    """A filter that is no column's, repeatable: all that are given must match."""

    condition: Callable[[FromClause, ColumnElement[Any]], ColumnElement[bool]]
    """Takes the rows, and the different values that were given as an array of text."""
    description: str


@dataclass(frozen=True)
class Collection:
    """A resource's collection: what a module declares of it."""

    document: type[Document]
    filters: Names[str] = ()
    sorts: Names[str] = ("created_at",)
    default_sort: tuple[Sort, ...] = (("created_at", True),)
    key: str = "id"
    """The column that breaks ties; unique among rows that are equal in the rest."""
    search: str | None = None
    """The tsvector column that `q` searches."""
    custom: Mapping[str, CustomFilter] = field(default_factory=dict)
    paged: bool = True

    def __post_init__(self) -> None:
        types = {name: _plain_type(self.document.model_fields[name].annotation) for name in self.filters}
        operators = {name: _operators(kind) for name, kind in types.items()}
        adapters = {name: TypeAdapter(_bounded(kind)) for name, kind in types.items()}
        object.__setattr__(self, "_operators", operators)
        object.__setattr__(self, "_adapters", adapters)
        # Most requests of a client repeat a query string that was parsed before.
        object.__setattr__(self, "parse", lru_cache(maxsize=1000)(self._parse))

    parse: Callable[[bytes], ListQuery] = field(init=False, repr=False, compare=False)
    """What a raw query string asks for. Raises InvalidInput, which names the parameter."""
    _operators: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _adapters: Mapping[str, TypeAdapter[Any]] = field(init=False, repr=False, compare=False)

    def _parse(self, raw: bytes) -> ListQuery:
        given = parameters_in(raw)
        for name in () if self.paged else ("limit", "cursor", "sort", "count"):
            if name in given:
                raise InvalidInput("This has no pages, and no order but that of the ids.", parameter=name)
        values: dict[str, Any] = {}
        shape = Shape(view_in(given, self.document), self._sort(given))
        cursor = text_in(given, "cursor", most=4000)
        shape = replace(
            shape,
            limit=limit_in(given),
            count=choice_in(given, "count", ("none", "estimated", "exact")),
        )
        if self._has_trash:
            shape = replace(shape, deleted=choice_in(given, "deleted", ("exclude", "only", "include")))
        if shape.deleted != "exclude":
            shape = replace(shape, view=replace(shape.view, trash=True))
        if self.search and (q := text_in(given, "q", most=200)) is not None:
            shape, values["q"] = replace(shape, search=True), q
        elif (RELEVANCE, True) in shape.sort:
            raise InvalidInput("Sorting by relevance needs a search: give q.", parameter="sort")
        for name in sorted(self.custom.keys() & given.keys()):
            values[name] = sorted({valid(_TEXT, text, name) for text in several_in(given, name)})
            shape = replace(shape, custom=(*shape.custom, name))
        for name in sorted(given):
            found = self._filter(name)
            values[f"filter_{len(shape.filters)}"] = self._value(found, given, name)
            shape = replace(shape, filters=(*shape.filters, found))
        context = repr((shape.sort, shape.filters, shape.custom, shape.deleted, sorted(values.items())))
        return ListQuery(shape, values, cursor, context)

    def _sort(self, given: dict[str, list[str]]) -> tuple[Sort, ...]:
        if "sort" not in given:
            return self.default_sort
        sort = tuple((name.removeprefix("-"), name.startswith("-")) for name in several_in(given, "sort"))
        allowed = [*self.sorts, *([RELEVANCE] if self.search else [])]
        names = [name for name, _ in sort]
        if not set(names) <= set(allowed) or len(set(names)) < len(names) or (RELEVANCE, False) in sort:
            raise InvalidInput(f"Sort by each of these at most once: {', '.join(allowed)}.", parameter="sort")
        return sort

    def _filter(self, name: str) -> tuple[str, str]:
        match = re.fullmatch(r"([a-z_]+)(?:\[([a-z]+)\])?", name)
        column, operator = (match[1], match[2] or "eq") if match else (name, "eq")
        if column not in self._operators:
            known = [*self.filters, *self.custom]
            raise InvalidInput(
                f"There is no such parameter; filters are: {', '.join(known) or 'none'}.", parameter=name
            )
        if operator not in self._operators[column]:
            allowed = ", ".join(self._operators[column])
            raise InvalidInput(f"There is no such operator; this field has: {allowed}.", parameter=name)
        return column, operator

    def _value(self, found: tuple[str, str], given: dict[str, list[str]], name: str) -> Any:
        column, operator = found
        if operator == "in":
            return [valid(self._adapters[column], text, name) for text in several_in(given, name)]
        text = once_in(given, name)
        if operator == "contains":
            return "%" + re.sub(r"([\\%_])", r"\\\1", valid(_TEXT, text, name)) + "%"
        return valid(self._adapters[column], text, name)

    @property
    def _has_trash(self) -> bool:
        return "deleted_at" in self.document.rows.c

    def without_pages(self) -> Self:
        """The same in one piece, for an export."""
        return replace(self, paged=False)

    def parameters(self) -> list[Parameter]:
        """Every parameter that the collection takes."""
        found = self._page_parameters() if self.paged else []
        if self.search:
            found.append(
                Parameter("q", {"type": "string", "maxLength": 200}, 'Words to search for; -word, "a phrase".')
            )
        if self._has_trash:
            trash = {"type": "string", "enum": ["exclude", "only", "include"], "default": "exclude"}
            found.append(Parameter("deleted", trash, "Deleted rows; what you may restore."))
        found += [
            Parameter(name, {"type": "array", "items": {"type": "string"}}, custom.description)
            for name, custom in self.custom.items()
        ]
        return [*found, *view_parameters(self.document), *self._filter_parameters()]

    def _page_parameters(self) -> list[Parameter]:
        counts = {"type": "string", "enum": ["none", "estimated", "exact"], "default": "none"}
        found = [
            Parameter("limit", {"type": "integer", "minimum": 1, "default": DEFAULT_ROWS}, "More than 100 is 100."),
            Parameter("cursor", {"type": "string"}, "`next_cursor` of the page before."),
            Parameter("count", counts, "Adds `count`, the number of rows on all pages."),
        ]
        sorts = [*self.sorts, *([RELEVANCE] if self.search else [])]
        if self.sorts:
            schema = several_of([written for name in sorts for written in (name, f"-{name}") if written != RELEVANCE])
            default = {"default": _written(self.default_sort)}
            found.append(Parameter("sort", schema | default, "By these, in this order; `-` descends.", by_comma=True))
        return found

    def _filter_parameters(self) -> list[Parameter]:
        found = []
        for column, adapter in self._adapters.items():
            one: dict[str, Any] = adapter.json_schema()
            one.pop("$defs", None)
            for operator in self._operators[column]:
                name = column if operator == "eq" else f"{column}[{operator}]"
                schema = {"type": "array", "items": one, "maxItems": MOST_VALUES} if operator == "in" else one
                found.append(Parameter(name, schema, _MEANING[operator].format(column), by_comma=operator == "in"))
        return found


_TEXT: TypeAdapter[str] = TypeAdapter(Annotated[Text, Field(max_length=200)])

_MEANING = {
    "eq": "`{}` is this.",
    "ne": "`{}` is not this.",
    "in": "`{}` is one of these, by comma or repeated.",
    "lt": "`{}` is less.",
    "lte": "`{}` is less or equal.",
    "gt": "`{}` is greater.",
    "gte": "`{}` is greater or equal.",
    "contains": "`{}` contains this, whatever the case of its letters.",
}


def _plain_type(annotation: Any) -> Any:
    """`str` of `str | None`."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if kinds else annotation


def _operators(kind: Any) -> tuple[str, ...]:
    if kind is str:
        return (*EQUALITY, *ORDER, "contains")
    return (*EQUALITY, *ORDER) if kind in {int, float, date, datetime} else EQUALITY


def _bounded(kind: Any) -> Any:
    if kind is str:
        return Annotated[Text, Field(max_length=200)]
    if kind is int:
        return Annotated[int, Field(ge=-(2**63), lt=2**63)]
    if kind is datetime:
        return Annotated[AwareDatetime, BeforeValidator(_no_number)]
    return Date if kind is date else kind


def _no_number(text: str) -> str:
    """Pydantic would take a number for seconds since 1970."""
    if not re.match(r"\d{4}-", text):
        raise PydanticCustomError("datetime", "Input should be a date and time like 2026-12-31T12:00:00Z")
    return text


def _written(sort: tuple[Sort, ...]) -> list[str]:
    return [f"-{name}" if descending else name for name, descending in sort]
