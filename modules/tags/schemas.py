"""Requests and documents of tags."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError
from sqlalchemy import ColumnElement, FromClause, Integer, literal

from modules.tags.extension_points import project_counts
from modules.tags.models import Tag
from modules.tags.slugs import LONGEST, normalised_slug
from shared.extensions import Extensions
from shared.reads import Collection, Derived, Document, flat
from shared.schemas import UNCHANGED, Input, Line, Patch, Text

Name = Annotated[Line, Field(max_length=50, description="What it says, on one line.", examples=["To do"])]


def _slug(text: str) -> str:
    slug = normalised_slug(text)
    if slug is None:
        raise PydanticCustomError("slug", "Input should be letters and digits, joined by single hyphens; at most 50")
    return slug


Slug = Annotated[
    Text,
    AfterValidator(_slug),
    Field(description="Letters and digits of any script, joined by single hyphens; kept in lower case."),
    Field(examples=["to-do"], json_schema_extra={"minLength": 1, "maxLength": LONGEST}),
]
Color = Annotated[
    str,
    StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$"),
    AfterValidator(str.lower),
    Field(description="Red, green and blue in hexadecimal; kept in lower case.", examples=["#2e7d32"]),
]

DEFAULT_COLOR = "#808080"


def _project_count(tags: FromClause, extensions: Extensions) -> ColumnElement[Any]:
    return sum((count(tags) for count in extensions[project_counts]), start=literal(0, Integer()))


class TagRead(Document, of=Tag):
    """A tag."""

    id: UUID
    owner_id: UUID = Field(description="The account that it belongs to.")
    name: str = Field(description="What it says.")
    slug: str = Field(description="Its name in links and filters, unique among the live tags of its owner.")
    color: str = Field(description="Red, green and blue in hexadecimal, such as `#2e7d32`.")
    project_count: Annotated[int, Derived(_project_count)] = Field(
        description="How many projects that you see carry it."
    )
    created_at: datetime
    updated_at: datetime
    version: int


TAGS = Collection(
    TagRead,
    filters=("id", "owner_id", "name", "slug", "color", "created_at", "updated_at"),
    sorts=("created_at", "updated_at", flat("name"), "slug"),
    search="search",
)


class TagCreate(Input):
    """A new tag."""

    name: Name
    slug: Annotated[Slug | None, Field(description="Made from the name unless given.", examples=["to-do"])] = None
    color: Color = DEFAULT_COLOR


class TagUpdate(Patch):
    """A change of a tag. A new name does not change the slug, since there may be links to it."""

    name: Name = UNCHANGED
    slug: Slug = UNCHANGED
    color: Color = UNCHANGED
