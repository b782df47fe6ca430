"""The table of tags."""

from uuid import UUID

from sqlmodel import Field

from modules.tags.errors import SlugTaken
from shared.rows import Model, Resource, live_unique, owned_by, searchable


class Tag(Model, Resource, table=True):
    """A label on projects. Its owner and members of the owner's projects use it."""

    __tablename__ = "tags"
    __table_args__ = (live_unique("owner_id", "slug", raises=SlugTaken),)

    owner_id: UUID = owned_by("users")
    name: str = Field(max_length=50)
    slug: str = Field(max_length=50)
    color: str = Field(max_length=7)


searchable(Tag, "name", "slug")
