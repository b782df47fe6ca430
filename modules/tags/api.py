"""What other modules may know of tags. What crosses this border is frozen and small."""

from collections.abc import Collection
from uuid import UUID

from modules.tags.errors import TagNotFound
from modules.tags.extension_points import project_counts, sharing
from modules.tags.models import Tag
from modules.tags.repository import TagRepository
from shared.reads import Document

__all__ = ["TagNotFound", "TagSummary", "TagsApi", "project_counts", "sharing"]


class TagSummary(Document, of=Tag):
    """A tag as other documents embed it."""

    id: UUID
    name: str
    slug: str
    color: str


class TagsApi:
    """What other modules may ask of this one."""

    def __init__(self, tags: TagRepository) -> None:
        self._tags = tags

    async def attachable(self, ids: Collection[UUID], owner_ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of these are live tags of one of these owners; held as such until the unit of work ends."""
        return await self._tags.held(ids, owner_ids)
