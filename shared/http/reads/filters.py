"""Filters: `name=x`, `name[operator]=x`. The type of the field decides which operators it has, and parses the value."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError
from sqlalchemy import ARRAY, JSON

from shared.errors import InvalidInput
from shared.exact import Exactly
from shared.http.reads.parameters import Given, parameter, several_of, valid
from shared.reads import RELEVANCE, Collection, plain_type
from shared.schemas import Date, Json, Text

EQUALITY = ("eq", "ne", "in")
ORDER = ("lt", "lte", "gt", "gte")
OF_TEXT, OF_ORDERED = (*EQUALITY, *ORDER, "contains"), (*EQUALITY, *ORDER)
OF_ARRAY, OF_JSON = ("contains", "overlaps"), ("contains",)

RESERVED = {"limit", "cursor", "sort", "count", "q", "deleted", "fields", "include", "group_by", "dry_run"}
"""The other parameters of lists, of their totals, and of changes of all that a query matches."""
LONGEST_TEXT = 200
LONGEST_JSON = 2000
ShortText = Annotated[Text, Field(max_length=LONGEST_TEXT)]
SHORT_TEXT: TypeAdapter[str] = TypeAdapter(ShortText)

_NAME = re.compile(r"(\w+)(?:\[([a-z]+)\])?")

_MEANING = {
    "eq": "`{}` equals this.",
    "ne": "`{}` does not equal this.",
    "in": "`{}` is one of these.",
    "lt": "`{}` is less than this.",
    "lte": "`{}` is at most this.",
    "gt": "`{}` is greater than this.",
    "gte": "`{}` is at least this.",
    "contains": "`{}` contains this text, in upper or lower case.",
    "overlaps": "`{}` has one of these, or more.",
}
_CONTAINS = {
    OF_ARRAY: "`{}` has all of these.",
    OF_JSON: "`{}` has the members of this JSON object, with these values; an array has these elements among others.",
}
"""What `contains` means of other types than text."""

_EXAMPLES: Mapping[str, Any] = {
    "integer": 1,
    "number": 0.5,
    "boolean": True,
    "date": "2026-12-31",
    "date-time": "2026-01-01T00:00:00Z",
    "time-local": "12:30:00",
    "duration": "PT1H30M",
    "decimal": "12.50",
    "uuid": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
}
"""By format, or else by type."""


class Filters:
    """The filters of a collection, custom ones included."""

    def __init__(self, collection: Collection) -> None:
        for name in RESERVED & {*collection.filters, *collection.custom}:
            document = collection.document.__name__
            raise TypeError(f"{document} cannot be filtered by {name}: every list has a parameter of that name.")
        types = {name: _kind_of(collection, name) for name in collection.filters}
        self._operators = {name: _operators(kind) for name, kind in types.items()}
        self._adapters = {name: _adapter_of(kind) for name, kind in types.items()}
        self._custom = collection.custom

    def custom_in(self, given: Given) -> dict[str, list[str]]:
        """The values of each custom filter; takes them out of the parameters. Raises InvalidInput."""
        return {
            name: sorted({valid(SHORT_TEXT, text, name) for text in given.several(name)})
            for name in sorted(self._custom.keys() & given.keys())
        }

    def filters_in(self, given: Given) -> list[tuple[tuple[str, str], Any]]:
        """Field, operator and value of each filter. Whatever is still given must be one. Raises InvalidInput."""
        return [(found := self._filter(name), self._value(found, given, name)) for name in sorted(given)]

    def parameters(self) -> list[dict[str, Any]]:
        """The parameters that `custom_in` and `filters_in` read."""
        texts = several_of({"type": "string", "maxLength": LONGEST_TEXT})
        found = [parameter(name, texts, one.description, [one.example]) for name, one in self._custom.items()]
        for field, adapter in self._adapters.items():
            operators = self._operators[field]
            one, example = _JSON_TEXT if operators is OF_JSON else _words(adapter)
            for operator in operators:
                name = field if operator == "eq" else f"{field}[{operator}]"
                told = _CONTAINS.get(operators, _MEANING[operator]) if operator == "contains" else _MEANING[operator]
                meaning = told.format(field)
                if operator == "in" or operators is OF_ARRAY:
                    found.append(parameter(name, several_of(one), meaning, [example], by_comma=True))
                else:
                    found.append(parameter(name, one, meaning, example))
        return found

    def _filter(self, name: str) -> tuple[str, str]:
        match = _NAME.fullmatch(name)
        field, operator = (match[1], match[2] or "eq") if match else (name, "eq")
        if field not in self._operators:
            known = ", ".join([*self._operators, *self._custom]) or "none"
            raise InvalidInput(f"There is no such parameter; filters are: {known}.", parameter=name)
        if operator not in self._operators[field]:
            allowed = ", ".join(self._operators[field])
            raise InvalidInput(f"There is no such operator; this field has: {allowed}.", parameter=name)
        return field, operator

    def _value(self, found: tuple[str, str], given: Given, name: str) -> Any:
        field, operator = found
        adapter, operators = self._adapters[field], self._operators[field]
        if operator == "in" or operators is OF_ARRAY:
            return [valid(adapter, text, name) for text in given.several(name)]
        text = given.once(name)
        if operators is OF_JSON:
            return _json(text, name)
        if operator == "contains":
            return "%" + re.sub(r"([\\%_])", r"\\\1", valid(SHORT_TEXT, text, name)) + "%"
        return valid(adapter, text, name)


def demand_sortable(collection: Collection) -> None:
    """Raises TypeError for a sort whose field has no order, or no column, or the name of a sort of its own."""
    for name in collection.sorts:
        if name == RELEVANCE:
            raise TypeError(f"{collection.document.__name__} cannot be sorted by {name}: a search sorts by that.")
        column = collection.document.rows.c.get(name)
        if column is None or isinstance(column.type, ARRAY | JSON):
            why = "has no column" if column is None else "is a list or an object, which has no order"
            raise TypeError(f"{collection.document.__name__} cannot be sorted by {name}: it {why}.")


def _kind_of(collection: Collection, name: str) -> Any:
    """The type of a field. Raises TypeError for one that cannot be a filter."""
    document = collection.document
    kind = plain_type(document.model_fields[name].annotation) if name in document.model_fields else None
    if kind is None or name not in document.rows.c or _operators(kind) is None:
        raise TypeError(
            f"{document.__name__} cannot be filtered by {name}: a filter is a field with a column of its own, which is "
            "a text, a number, a time, a boolean, a UUID, an enumeration, a list of texts or of an enumeration, or an "
            "object."
        )
    return kind


def _operators(kind: Any) -> Any:
    """The operators of a type; None for one that has none."""
    if kind is str:
        return OF_TEXT
    if kind in {int, float, Decimal, date, datetime, time, timedelta}:
        return OF_ORDERED
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return OF_ARRAY if item is str or _is_enumeration(item) else None
    if get_origin(kind) is dict:
        return OF_JSON
    return EQUALITY if kind in {bool, UUID} or get_origin(kind) is Literal or _is_enumeration(kind) else None


def _is_enumeration(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


@cache
def _adapter_of(kind: Any) -> TypeAdapter[Any]:
    """Of a filter's value; for a list, of one of several. To make one takes half a millisecond, and fields have few
    types.
    """
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    return TypeAdapter(_BOUNDED.get(kind, kind))


@cache
def _words(adapter: TypeAdapter[Any]) -> tuple[dict[str, Any], Any]:
    """The schema of a value, and an example."""
    schema = adapter.json_schema()
    one = {key: schema[key] for key in schema if key not in {"$defs", "title", "description"}}
    return one, _EXAMPLES.get(one.get("format", one["type"]), one.get("enum", ["x"])[0])


_JSON: TypeAdapter[dict[str, Any]] = TypeAdapter(Json)
_JSON_TEXT = {"type": "string", "contentMediaType": "application/json", "maxLength": LONGEST_JSON}, '{"key": "value"}'


def _json(text: str, name: str) -> Any:
    """The JSON object that a text is. Raises InvalidInput."""
    if len(text) > LONGEST_JSON:
        raise InvalidInput(f"This is longer than {LONGEST_JSON} characters.", parameter=name)
    try:
        return _JSON.validate_python(json.loads(text))
    except (ValueError, RecursionError):
        raise InvalidInput("This is a JSON object.", parameter=name) from None


def _no_number(text: str) -> str:
    """Pydantic would read a number as seconds since 1970."""
    if not re.match(r"\d{4}-", text):
        raise PydanticCustomError("datetime", "Input should be a date and time like 2026-12-31T12:00:00Z")
    return text


def _in_utc(instant: datetime) -> datetime:
    """PostgreSQL takes no offset beyond 16 hours in the text of an instant. One that leads out of the years 1 to 9999
    of UTC is compared as the first or the last instant there: no row is beyond.
    """
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if instant.year == 1 else datetime.max.replace(tzinfo=UTC)


def _truth(text: str) -> str:
    """Pydantic would also read `yes`, `on` and `1`."""
    if text not in {"true", "false"}:
        raise PydanticCustomError("bool", "Input should be true or false")
    return text


_BOUNDED: Mapping[Any, Any] = {
    str: ShortText,
    int: Annotated[int, Field(ge=-(2**63), lt=2**63)],
    datetime: Annotated[AwareDatetime, BeforeValidator(_no_number), AfterValidator(_in_utc)],
    date: Date,
    bool: Annotated[bool, BeforeValidator(_truth)],
    **{kind: Annotated[kind, Exactly] for kind in (float, Decimal, time, timedelta)},
}
"""The type of a filter's value where the field's allows more than PostgreSQL can compare with the column."""
