"""The parameters of a query string: read one by one, each taken out of those given, so that what is left is unknown.

Every function raises InvalidInput, which names the parameter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidInput
from shared.reads.projection import Document, View
from shared.schemas import Text

MOST_ROWS = 100
DEFAULT_ROWS = 20
MOST_VALUES = 100
"""Of an array, by comma and repeated taken together."""


@dataclass(frozen=True)
class Parameter:
    """A query parameter, as the OpenAPI document tells of it."""

    name: str
    schema: Mapping[str, Any]
    description: str
    by_comma: bool = False
    """How an array is best written: by comma, or by repeating the parameter. Both are taken."""


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
    found = [Parameter("fields", several_of(document.selectable()), "Only these members.", by_comma=True)]
    if includable := document.includable():
        found.append(Parameter("include", several_of(includable), "Embed these, too.", by_comma=True))
    return found


def several_of(values: list[str]) -> dict[str, Any]:
    """The schema of an array of these."""
    return {"type": "array", "items": {"type": "string", "enum": values}, "uniqueItems": True}


def _names(given: dict[str, list[str]], parameter: str, allowed: list[str]) -> frozenset[str] | None:
    if parameter not in given:
        return None
    names = frozenset(several_in(given, parameter))
    if not names <= set(allowed):
        raise InvalidInput(f"These can be named: {', '.join(allowed) or 'none'}.", parameter=parameter)
    return names


def several_in(given: dict[str, list[str]], name: str) -> list[str]:
    """The values of an array, by comma, repeated, or both; takes it out of those given."""
    texts = ",".join(given.pop(name)).split(",")
    if len(texts) > MOST_VALUES:
        raise InvalidInput(f"At most {MOST_VALUES} values can be given.", parameter=name)
    return texts


def once_in(given: dict[str, list[str]], name: str) -> str:
    """The value of a parameter that is there; takes it out of those given."""
    texts = given.pop(name)
    if len(texts) > 1:
        raise InvalidInput("This is given more than once.", parameter=name)
    return texts[0]


def text_in(given: dict[str, list[str]], name: str, most: int) -> str | None:
    """A parameter of so many characters at the most; takes it out of those given."""
    if name not in given:
        return None
    text = once_in(given, name)
    if len(text) > most:
        raise InvalidInput(f"This is longer than {most} characters.", parameter=name)
    valid(_ANY_TEXT, text, name)
    return text


_ANY_TEXT: TypeAdapter[str] = TypeAdapter(Text)


def choice_in(given: dict[str, list[str]], name: str, choices: tuple[str, ...]) -> str:
    """Which of these it is, the first where it is not given; takes it out of the parameters."""
    text = choices[0] if name not in given else once_in(given, name)
    if text not in choices:
        raise InvalidInput(f"This is one of: {', '.join(choices)}.", parameter=name)
    return text


def limit_in(given: dict[str, list[str]]) -> int:
    """How many rows `limit` asks for; takes it out of the parameters."""
    text = str(DEFAULT_ROWS) if "limit" not in given else once_in(given, "limit")
    if not re.fullmatch("[0-9]+", text) or not text.strip("0"):
        raise InvalidInput("This is a whole number from 1 on; more than 100 is taken as 100.", parameter="limit")
    digits = text.lstrip("0")
    return MOST_ROWS if len(digits) > 3 else min(int(digits), MOST_ROWS)


def valid(adapter: TypeAdapter[Any], text: str, name: str) -> Any:
    """The value that the text of a parameter means."""
    try:
        return adapter.validate_strings(text)
    except ValidationError as error:
        found = error.errors()[0]
        # What pydantic says of a UUID quotes it.
        message = "Input should be a valid UUID" if found["type"] == "uuid_parsing" else found["msg"]
        raise InvalidInput(f"{message}.", parameter=name) from None
