"""What other modules may know of tags. What crosses this border is frozen and small."""

from collections.abc import Collection
from uuid import UUID

from pydantic import Field
from sqlalchemy import ARRAY, Uuid, bindparam, func

from modules.tags.errors import TagNotFound
from modules.tags.extension_points import project_counts, sharing
from modules.tags.models import Tag
from modules.tags.repository import TagRepository
from shared.extensions import Extensions
from shared.reads import Summary
from shared.rows import table_of
from shared.wire import Statement
from shared.writes import Api, Change

__all__ = ["TagNotFound", "TagSummary", "TagsApi", "project_counts", "sharing"]


class TagSummary(Summary, of=Tag):
    """A tag as other documents embed it."""

    id: UUID
    name: str = Field(description="What it says.")
    slug: str = Field(description="Its name in links and filters.")
    color: str = Field(description="Red, green and blue in hexadecimal.")


class TagsApi(Api):
    """What other modules may ask about tags."""

    resource = TagRepository

    def __init__(self, extensions: Extensions) -> None:
        super().__init__(extensions)
        owner_ids = bindparam("owner_ids", type_=ARRAY(Uuid()))
        self._attachable = Statement(self._holding(table_of(Tag).c.owner_id == func.any(owner_ids)))

    async def attachable(self, change: Change, ids: Collection[UUID], owner_ids: Collection[UUID]) -> frozenset[UUID]:
        """Hold the live tags among these that belong to one of the owners, and give their ids."""
        return await self._held(change, self._attachable, ids, owner_ids=[*owner_ids])
