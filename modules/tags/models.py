"""The table of tags."""

from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from shared.rows import SHARER, Model, Resource, deletion_group, deletion_time, live_unique, searchable


class Tag(Model, Resource, table=True):
    """A label on projects. Its owner and members of the owner's projects use it."""

    __tablename__ = "tags"
    __table_args__ = (
        live_unique("uq_tags_owner_id_slug", "owner_id", "slug"),
        Index("ix_tags_owner_id_created_at_id", "owner_id", text("created_at DESC"), text("id DESC")),
        deletion_group("ix_tags_deletion_id"),
        deletion_time("ix_tags_deleted_at"),
    )

    owner_id: UUID = Field(foreign_key="users.id", sa_column_kwargs=SHARER)
    name: str = Field(max_length=50)
    slug: str = Field(max_length=50)
    color: str = Field(max_length=7)


searchable(Tag, "name", "slug")
