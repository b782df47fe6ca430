"""Request schemas: their base classes, and the types of what is in them."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from shared import values
from shared.errors import InvalidInput
from shared.exact import Exactly

Text = Annotated[str, AfterValidator(values.storable)]
"""Any text that can be stored."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(values.one_line)]
"""A client's own key for a resource: 1 to 200 characters exactly as sent, no line breaks or control characters."""
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(values.visible)
]
"""Text on one line: 1 to 200 characters, at least one visible, no control characters. White space around is removed."""
Email = Annotated[
    Text,
    Field(max_length=values.LONGEST_EMAIL, json_schema_extra={"format": "email"}),
    AfterValidator(values.email),
]
"""An e-mail address, in its normal form."""
Url = Annotated[
    Text, Field(max_length=values.LONGEST_URL, json_schema_extra={"format": "uri"}), AfterValidator(values.url)
]
"""An http or https URL, in its normal form."""
Instant = Annotated[datetime, WrapValidator(values.instant)]
"""A date-time of RFC 3339, as text, in the years 1 to 9999 of UTC, to which it is converted."""
Date = Annotated[date, WrapValidator(values.date)]
"""A full-date of RFC 3339, as text."""
SmallInt = Annotated[int, Field(ge=-(2**15), lt=2**15)]
"""What SMALLINT holds."""
BigInt = Annotated[int, Field(ge=-(2**63), lt=2**63, json_schema_extra={"format": "int64"})]
"""What BIGINT holds. Some clients read numbers beyond 2**53 as floats."""
Json = Annotated[dict[str, Any], AfterValidator(values.bounded_json)]
"""A JSON object of at most 100,000 bytes and 50 levels; its column has the type `json_object()`."""


class Input(Exactly, BaseModel):
    """The base of every request body: unknown fields are refused.

    A plain type has one spelling in JSON, and takes only what its column can hold: a `datetime` is an Instant, a `date`
    a Date; a `time` is `12:30:00`, a `timedelta` is `P1DT2H30M`, a Decimal is a string, `"12.50"`; an `int` fits into
    INTEGER, a `float` is finite, a `str` is a Text. What no column holds, and what would not be checked like this, is
    refused when the class is made: TypeError.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class MergePatch(dict[str, Any]):
    """A change of a JSON object (RFC 7396): its members replace those of the same name, null removes one."""

    def onto(self, present: Any, name: str) -> dict[str, Any]:
        """What the object in the field becomes. Raises InvalidInput when that is larger than a Json."""
        try:
            return values.bounded_json(_merged(present, self))
        except PydanticCustomError as error:
            raise InvalidInput(f"{error.message()}.", pointer=f"/{name}") from None


class Patch(Input):
    """The base of a JSON Merge Patch (RFC 7396): absent is unchanged, null clears where the type allows it, an object
    is merged into the one that is there.

    Declare every field as `name: Line = UNCHANGED`.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """The fields that the client sent, by name."""
        sent = self.model_dump(exclude_unset=True)
        return {name: MergePatch(value) if isinstance(value, dict) else value for name, value in sent.items()}


UNCHANGED: Any = Field(default=None)


def _merged(present: Any, patch: Any) -> Any:
    """MergePatch of RFC 7396 §2."""
    if not isinstance(patch, dict):
        return patch
    kept = present if isinstance(present, dict) else {}
    merged = {name: _merged(kept.get(name), value) for name, value in patch.items() if value is not None}
    return {name: value for name, value in kept.items() if name not in patch} | merged
