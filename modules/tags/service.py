"""The rules of tags."""

from uuid import UUID

from sqlmodel import col
from uuid_utils.compat import uuid7

from modules.tags.models import Tag
from modules.tags.repository import TagRepository
from modules.tags.schemas import TagCreate, TagUpdate
from modules.tags.slugs import slugified
from modules.users.api import UserDeleted, UserRestored
from shared.auth import Principal
from shared.reads import Representation


class TagService:
    """Makes, changes, deletes and restores tags."""

    def __init__(self, tags: TagRepository) -> None:
        self._tags = tags

    async def create(self, data: TagCreate, principal: Principal) -> tuple[UUID, Representation]:
        """A new tag of the caller's. Raises SlugTaken."""
        id = uuid7()
        slug = data.slug or slugified(data.name) or f"tag-{id.hex[-8:]}"
        await self._tags.add(id=id, owner_id=principal.user_id, name=data.name, slug=slug, color=data.color)
        return id, await self._tags.get(id, principal)

    async def change(self, id: UUID, data: TagUpdate, principal: Principal) -> Representation:
        """Raises TagNotFound, TagForbidden, SlugTaken."""
        (await self._tags.lock(id, "change", principal)).sqlmodel_update(data.changes())
        return await self._tags.get(id, principal)

    async def delete(self, id: UUID, principal: Principal) -> None:
        """Raises TagNotFound, TagForbidden."""
        await self._tags.lock(id, "delete", principal)
        await self._tags.delete(col(Tag.id) == id)

    async def restore(self, id: UUID, principal: Principal) -> Representation:
        """Bring a tag back, onto the projects that carried it. Raises TagNotFound, SlugTaken."""
        await self._tags.lock(id, "restore", principal, include_deleted=True)
        await self._tags.restore(col(Tag.id) == id)
        return await self._tags.get(id, principal)

    async def delete_owned(self, event: UserDeleted) -> None:
        """An owner's tags go along with the account."""
        await self._tags.delete(col(Tag.owner_id) == event.user_id, event.deletion_id)

    async def restore_owned(self, event: UserRestored) -> None:
        """They come back with it, but for those deleted before."""
        await self._tags.restore_group(event.deletion_id)
