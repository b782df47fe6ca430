"""Request schemas: their base classes, and the types of text, times and dates in them."""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError, core_schema

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _storable(text: str) -> str:
    """PostgreSQL stores every character but NUL. Half of a surrogate pair is no character, but JSON can spell it."""
    if "\0" in text or _LONE_SURROGATE.search(text):
        raise PydanticCustomError("text", "Input should have no NUL character and no half of a surrogate pair")
    return text


def _one_line(text: str) -> str:
    """Control characters and line separators would break a log, a terminal or a page that shows the text."""
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in _storable(text)):
        raise PydanticCustomError("line", "Input should have no line breaks and no control characters")
    return text


def _visible(text: str) -> str:
    """A name of invisible characters would look empty."""
    if all(unicodedata.category(character) in {"Cf", "Zs"} for character in _one_line(text)):
        raise PydanticCustomError("blank", "Input should have a character that can be seen")
    return text


def _iso_date(value: object) -> object:
    """Pydantic would also take seconds since 1970, and datetimes at midnight."""
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        raise PydanticCustomError("date", "Input should be a date like 2026-12-31")
    return value


def _instant(value: object, handler: ValidatorFunctionWrapHandler) -> datetime:
    """Pydantic would also take seconds since 1970, and offsets that lead beyond year 9999: PostgreSQL stores those, and
    Python cannot read them.
    """
    try:
        if isinstance(value, str) and _RFC_3339.fullmatch(value):
            found: datetime = handler(value)
            return found.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", "Input should be in the years 1 to 9999 of UTC") from None
    except ValidationError:
        pass  # Such as the 30th of February, or a leap second.
    raise PydanticCustomError("instant", "Input should be a date and time like 2026-12-31T12:00:00Z")


Text = Annotated[str, AfterValidator(_storable)]
"""Any text that can be stored."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
"""A client's own key for a resource: 1 to 200 characters exactly as sent, no line breaks or control characters."""
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_visible)]
"""Text on one line: 1 to 200 characters, at least one visible, no control characters. White space around is removed."""
Instant = Annotated[datetime, WrapValidator(_instant)]
"""A date-time of RFC 3339, as text, in the years 1 to 9999 of UTC, to which it is converted."""
Date = Annotated[date, BeforeValidator(_iso_date, json_schema_input_type=date)]
"""A full-date of RFC 3339, as text. For booleans use pydantic's `StrictBool`, which takes no words or numbers."""


def _with_instants(schema: Any) -> Any:
    """The schema with an Instant for each `datetime`, so that no module can forget it."""
    if isinstance(schema, list):
        return [_with_instants(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "function-wrap" and schema["function"]["function"] is _instant:
        return schema
    if schema.get("type") == "datetime":
        return core_schema.no_info_wrap_validator_function(_instant, cast("core_schema.DatetimeSchema", schema))
    return {name: part if name in {"default", "metadata"} else _with_instants(part) for name, part in schema.items()}


class Input(BaseModel):
    """The base of every request body: unknown fields are refused, and a `datetime` is an Instant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema: core_schema.CoreSchema = _with_instants(handler(source))
        return schema


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
