"""How tags are found and kept."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from modules.tags.errors import TagForbidden, TagNotFound
from modules.tags.models import Tag
from modules.tags.policy import POLICY
from modules.tags.schemas import TAGS
from shared.writes import Repository


class TagRepository(Repository[Tag]):
    """Tags."""

    model = Tag
    collection = TAGS
    policy = POLICY
    absent = TagNotFound
    denied = TagForbidden

    async def held(self, ids: Collection[UUID], owner_ids: Collection[UUID]) -> frozenset[UUID]:
        """Which of these are live tags of these owners. They are kept from deletion until the unit of work ends."""
        statement = (
            select(col(Tag.id))
            .where(col(Tag.id).in_(ids), col(Tag.owner_id).in_(owner_ids))
            .order_by(col(Tag.id))
            .with_for_update(read=True)
        )
        return frozenset(await self.session.scalars(statement))
