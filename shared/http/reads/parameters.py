"""The parameters of a query string, one at a time.

Each function takes its parameter out of those given, so what is left at the end is unknown. Each raises InvalidInput,
which names the parameter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidInput
from shared.reads import DEFAULT_ROWS
from shared.schemas import Text

Given = dict[str, list[str]]
"""The values of each parameter, in the order given."""

MOST_ROWS = 100
MOST_VALUES = 100
"""Of an array, whether separated by commas or repeated."""

_MOST_PARAMETERS = 200


@dataclass(frozen=True)
class Parameter:
    """A query parameter, for the OpenAPI document."""

    name: str
    schema: Mapping[str, Any]
    description: str
    by_comma: bool = False
    """Whether an array is documented with commas; else the parameter is repeated. Both are accepted."""

    def described(self) -> dict[str, Any]:
        """The parameter object (OpenAPI 3.1 §4.8.12)."""
        return {
            "name": self.name,
            "in": "query",
            "required": False,
            "description": self.description,
            "schema": dict(self.schema),
            "style": "form",
            "explode": not self.by_comma,
        }


LIMIT = Parameter(
    "limit",
    {"type": "integer", "minimum": 1, "default": DEFAULT_ROWS},
    f"The most rows to return; above {MOST_ROWS} counts as {MOST_ROWS}.",
)


def parameters_in(raw: bytes) -> Given:
    """The parameters of a raw query string."""
    try:
        # Bytes that are not UTF-8 become halves of surrogate pairs, which no parameter accepts.
        text = raw.decode(errors="surrogateescape")
        pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise InvalidInput("There are too many parameters.", parameter="query") from None
    given: Given = {}
    for name, value in pairs:
        readable = name.encode(errors="surrogateescape").decode(errors="replace")
        given.setdefault(readable, []).append(value)
    return given


def none_left(given: Given) -> None:
    """Refuses what no function has taken."""
    for name in given:
        raise InvalidInput("There is no such parameter.", parameter=name)


def several_in(given: Given, name: str) -> list[str]:
    """The values of an array: separated by commas, repeated, or both."""
    texts = ",".join(given.pop(name)).split(",")
    if len(texts) > MOST_VALUES:
        raise InvalidInput(f"At most {MOST_VALUES} values can be given.", parameter=name)
    return texts


def once_in(given: Given, name: str) -> str:
    """The value of a parameter that is there."""
    texts = given.pop(name)
    if len(texts) > 1:
        raise InvalidInput("This is given more than once.", parameter=name)
    return texts[0]


def text_in(given: Given, name: str, most: int) -> str | None:
    """A text of at most so many characters; None when it is not given."""
    if name not in given:
        return None
    text = once_in(given, name)
    if len(text) > most:
        raise InvalidInput(f"This is longer than {most} characters.", parameter=name)
    valid(_ANY_TEXT, text, name)
    return text


_ANY_TEXT: TypeAdapter[str] = TypeAdapter(Text)


def choice_in(given: Given, name: str, choices: tuple[str, ...]) -> str:
    """One of the choices; the first when the parameter is not given."""
    text = choices[0] if name not in given else once_in(given, name)
    if text not in choices:
        raise InvalidInput(f"This is one of: {', '.join(choices)}.", parameter=name)
    return text


def limit_in(given: Given) -> int:
    """How many rows `limit` asks for."""
    text = str(DEFAULT_ROWS) if "limit" not in given else once_in(given, "limit")
    if not re.fullmatch("[0-9]+", text) or not text.strip("0"):
        raise InvalidInput("This is a whole number from 1 on; more than 100 is taken as 100.", parameter="limit")
    digits = text.lstrip("0")
    # Python refuses to convert thousands of digits.
    return MOST_ROWS if len(digits) > 3 else min(int(digits), MOST_ROWS)


def valid(adapter: TypeAdapter[Any], text: str, name: str) -> Any:
    """The value that a parameter's text stands for."""
    try:
        return adapter.validate_strings(text)
    except ValidationError as error:
        found = error.errors()[0]
        # Pydantic's message about a UUID quotes the input.
        message = "Input should be a valid UUID" if found["type"] == "uuid_parsing" else found["msg"]
        raise InvalidInput(f"{message}.", parameter=name) from None


def several_of(values: list[str]) -> dict[str, Any]:
    """The schema of an array of these."""
    return {"type": "array", "items": {"type": "string", "enum": values}, "uniqueItems": True}
