"""Collections: which fields of a resource filter, sort and search, and how a query string asks for that.

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
from urllib.parse import parse_qsl

from pydantic import AwareDatetime, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError
from sqlalchemy import ColumnElement, FromClause

from shared.errors import InvalidInput
from shared.persistence.projection import Document, View
from shared.schemas import Date, Text

MOST_ROWS = 100
DEFAULT_ROWS = 20
MOST_VALUES = 100
"""Of an array, by comma and repeated taken together."""

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
class Parameter:
    """A query parameter, as the OpenAPI document tells of it."""

    name: str
    schema: Mapping[str, Any]
    description: str
    by_comma: bool = False
    """How an array is best written: by comma, or by repeating the parameter. Both are taken."""


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
            count=_choice(given, "count", ("none", "estimated", "exact")),
        )
        if self._has_trash:
            shape = replace(shape, deleted=_choice(given, "deleted", ("exclude", "only", "include")))
        if shape.deleted != "exclude":
            shape = replace(shape, view=replace(shape.view, trash=True))
        if self.search and (q := text_in(given, "q", most=200)) is not None:
            shape, values["q"] = replace(shape, search=True), q
        elif (RELEVANCE, True) in shape.sort:
            raise InvalidInput("Sorting by relevance needs a search: give q.", parameter="sort")
        for name in sorted(self.custom.keys() & given.keys()):
            values[name] = sorted({_valid(_TEXT, text, name) for text in _several_in(given, name)})
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
        sort = tuple((name.removeprefix("-"), name.startswith("-")) for name in _several_in(given, "sort"))
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
            return [_valid(self._adapters[column], text, name) for text in _several_in(given, name)]
        text = _once(given, name)
        if operator == "contains":
            return "%" + re.sub(r"([\\%_])", r"\\\1", _valid(_TEXT, text, name)) + "%"
        return _valid(self._adapters[column], text, name)

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
            schema = _several([written for name in sorts for written in (name, f"-{name}") if written != RELEVANCE])
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


def parameters_in(raw: bytes) -> dict[str, list[str]]:
    """The parameters of a raw query string, in the order given."""
    try:
        # Bytes that are no UTF-8 become halves of surrogate pairs, which no parameter takes.
        text = raw.decode(errors="surrogateescape")
        pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=200)
    except ValueError:
        raise InvalidInput("There are too many parameters.", parameter="query") from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        readable = name.encode(errors="surrogateescape").decode(errors="replace")
        given.setdefault(readable, []).append(value)
    return given


def view_in(given: dict[str, list[str]], document: type[Document]) -> View:
    """The view that `fields` and `include` ask for; takes them out of the parameters."""
    fields = _names(given, "fields", document.selectable())
    return View(fields, _names(given, "include", document.includable()) or frozenset())


def view_parameters(document: type[Document]) -> list[Parameter]:
    """The parameters that `view_in` reads."""
    found = [Parameter("fields", _several(document.selectable()), "Only these members.", by_comma=True)]
    if includable := document.includable():
        found.append(Parameter("include", _several(includable), "Embed these, too.", by_comma=True))
    return found


def _several(values: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": values}, "uniqueItems": True}


def _names(given: dict[str, list[str]], parameter: str, allowed: list[str]) -> frozenset[str] | None:
    if parameter not in given:
        return None
    names = frozenset(_several_in(given, parameter))
    if not names <= set(allowed):
        raise InvalidInput(f"These can be named: {', '.join(allowed) or 'none'}.", parameter=parameter)
    return names


def _several_in(given: dict[str, list[str]], name: str) -> list[str]:
    """The values of an array, by comma, repeated, or both; takes it out of those given."""
    texts = ",".join(given.pop(name)).split(",")
    if len(texts) > MOST_VALUES:
        raise InvalidInput(f"At most {MOST_VALUES} values can be given.", parameter=name)
    return texts


def _once(given: dict[str, list[str]], name: str) -> str:
    texts = given.pop(name)
    if len(texts) > 1:
        raise InvalidInput("This is given more than once.", parameter=name)
    return texts[0]


def text_in(given: dict[str, list[str]], name: str, most: int) -> str | None:
    """A parameter of so many characters at the most; takes it out of those given."""
    if name not in given:
        return None
    text = _once(given, name)
    if len(text) > most:
        raise InvalidInput(f"This is longer than {most} characters.", parameter=name)
    _valid(_ANY_TEXT, text, name)
    return text


_ANY_TEXT: TypeAdapter[str] = TypeAdapter(Text)


def _choice(given: dict[str, list[str]], name: str, choices: tuple[str, ...]) -> str:
    text = choices[0] if name not in given else _once(given, name)
    if text not in choices:
        raise InvalidInput(f"This is one of: {', '.join(choices)}.", parameter=name)
    return text


def limit_in(given: dict[str, list[str]]) -> int:
    """How many rows `limit` asks for; takes it out of the parameters."""
    text = str(DEFAULT_ROWS) if "limit" not in given else _once(given, "limit")
    if not re.fullmatch("[0-9]+", text) or not text.strip("0"):
        raise InvalidInput("This is a whole number from 1 on; more than 100 is taken as 100.", parameter="limit")
    digits = text.lstrip("0")
    return MOST_ROWS if len(digits) > 3 else min(int(digits), MOST_ROWS)


def _valid(adapter: TypeAdapter[Any], text: str, name: str) -> Any:
    try:
        return adapter.validate_strings(text)
    except ValidationError as error:
        found = error.errors()[0]
        # What pydantic says of a UUID quotes it.
        message = "Input should be a valid UUID" if found["type"] == "uuid_parsing" else found["msg"]
        raise InvalidInput(f"{message}.", parameter=name) from None


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
