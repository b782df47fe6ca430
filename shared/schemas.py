"""Request schemas: their bases, and the types that text and lists in them are made of."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def _storable(text: str) -> str:
    """PostgreSQL holds every character but NUL; half of a surrogate pair, which JSON can spell, is none (RFC 8259)."""
    if "\0" in text or _HALF_A_CHARACTER.search(text):
        raise PydanticCustomError("text", "Input should have no NUL character and no half of a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""Any text that can be stored."""
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_storable)]
"""1 to 200 characters, white space around them taken away."""


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


class PageQuery(Input):
    """The parameters of every list."""

    limit: Annotated[int, Field(ge=1, description="1 to 100; larger is taken as 100.")] = 20
    cursor: Annotated[Text | None, Field(max_length=1000, description="`next_cursor` of the page before.")] = None

    @property
    def size(self) -> int:
        """The limit that holds."""
        return min(self.limit, 100)
