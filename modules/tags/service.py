"""The rules of tags."""

from uuid_utils.compat import uuid7

from modules.tags.repository import TagRepository
from modules.tags.schemas import TagCreate
from modules.tags.slugs import slugified
from shared.reads import Representation
from shared.writes import Change


class TagService:
    """Makes tags."""

    def __init__(self, tags: TagRepository) -> None:
        self._tags = tags

    async def create(self, change: Change, data: TagCreate) -> Representation:
        """A new tag of the caller's. Raises SlugTaken."""
        id = uuid7()
        slug = data.slug or slugified(data.name) or f"tag-{id.hex[-8:]}"
        return await self._tags.create(change, id=id, name=data.name, slug=slug, color=data.color)
