"""Request schemas: their bases, and the types that text and lists in them are made of."""

import re
import unicodedata
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _storable(text: str) -> str:
    """PostgreSQL holds every character but NUL; half of a surrogate pair, which JSON can spell, is none (RFC 8259)."""
    if "\0" in text or _HALF_A_CHARACTER.search(text):
        raise PydanticCustomError("text", "Input should have no NUL character and no half of a surrogate pair")
    return text


def _one_line(text: str) -> str:
    """Control characters and line separators would break a log, a terminal or a page that shows the text."""
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text):
        raise PydanticCustomError("line", "Input should have no line breaks and no control characters")
    return text


def _visible(text: str) -> str:
    """A name of zero-width characters alone would look like none."""
    if all(unicodedata.category(character) in {"Cf", "Zs"} for character in text):
        raise PydanticCustomError("blank", "Input should have a character that can be seen")
    return text


def _iso_date(value: object) -> object:
    """Pydantic takes seconds since 1970 and midnights for dates, too, when it is handed Python objects."""
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        raise PydanticCustomError("date", "Input should be a date like 2026-12-31")
    return value


Text = Annotated[str, AfterValidator(_storable)]
"""Any text that can be stored."""
Key = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable), AfterValidator(_one_line)
]
"""A name that the client gives to its own: 1 to 200 characters exactly as sent, no line breaks or controls."""
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_storable),
    AfterValidator(_one_line),
    AfterValidator(_visible),
]
"""Text on one line: 1 to 200 characters, one of them visible, none a control; white space around them is taken away."""
Date = Annotated[date, BeforeValidator(_iso_date, json_schema_input_type=date)]
"""A full-date of RFC 3339, as text. For a boolean take pydantic's `StrictBool`, which takes no words or numbers."""


class Input(BaseModel):
    """The base of every request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Patch(Input):
    """The base of a JSON Merge Patch (RFC 7396): absent is unchanged, null clears where the type allows it.

    Declare every field as `name: Line = UNCHANGED`.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """The fields that the client sent, by name."""
        return self.model_dump(exclude_unset=True)


UNCHANGED: Any = Field(default=None)
