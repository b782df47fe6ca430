"""Filters: `name=x`, `name[operator]=x`. The type of the field decides which operators it has, and parses the value."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from shared.errors import InvalidInput
from shared.http.reads.parameters import Given, parameter, several_of, valid
from shared.reads import Collection
from shared.schemas import Date, Text

EQUALITY = ("eq", "ne", "in")
ORDER = ("lt", "lte", "gt", "gte")

LONGEST_TEXT = 200
ShortText = Annotated[Text, Field(max_length=LONGEST_TEXT)]
SHORT_TEXT: TypeAdapter[str] = TypeAdapter(ShortText)

_NAME = re.compile(r"([a-z_]+)(?:\[([a-z]+)\])?")

_MEANING = {
    "eq": "`{}` equals this.",
    "ne": "`{}` does not equal this.",
    "in": "`{}` is one of these.",
    "lt": "`{}` is less than this.",
    "lte": "`{}` is at most this.",
    "gt": "`{}` is greater than this.",
    "gte": "`{}` is at least this.",
    "contains": "`{}` contains this text, in upper or lower case.",
}


_EXAMPLES: Mapping[str, Any] = {
    "integer": 1,
    "boolean": True,
    "date": "2026-12-31",
    "date-time": "2026-01-01T00:00:00Z",
    "uuid": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
}
"""By format, or else by type."""


class Filters:
    """The filters of a collection, custom ones included."""

    def __init__(self, collection: Collection) -> None:
        types = {name: _plain_type(collection.document.model_fields[name].annotation) for name in collection.filters}
        self._operators = {name: _operators(kind) for name, kind in types.items()}
        self._adapters = {name: TypeAdapter(_BOUNDED.get(kind, kind)) for name, kind in types.items()}
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
            schema: dict[str, Any] = adapter.json_schema()
            one = {key: schema[key] for key in schema if key not in {"$defs", "title", "description"}}
            example = _EXAMPLES.get(one.get("format", one["type"]), one.get("enum", ["x"])[0])
            for operator in self._operators[field]:
                name, meaning = field if operator == "eq" else f"{field}[{operator}]", _MEANING[operator].format(field)
                if operator == "in":
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
        if operator == "in":
            return [valid(self._adapters[field], text, name) for text in given.several(name)]
        text = given.once(name)
        if operator == "contains":
            return "%" + re.sub(r"([\\%_])", r"\\\1", valid(SHORT_TEXT, text, name)) + "%"
        return valid(self._adapters[field], text, name)


def _plain_type(annotation: Any) -> Any:
    """`str` of `str | None`."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    return kinds[0] if kinds else annotation


def _operators(kind: Any) -> tuple[str, ...]:
    if kind is str:
        return (*EQUALITY, *ORDER, "contains")
    return (*EQUALITY, *ORDER) if kind in {int, float, date, datetime} else EQUALITY


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
}
"""The type of a filter's value where the field's allows more than PostgreSQL can compare with the column."""
