"""The rules of tags."""

from uuid import UUID

from uuid_utils.compat import uuid7

from modules.tags.repository import TagRepository
from modules.tags.schemas import TagCreate, TagUpdate
from modules.tags.slugs import slugified
from modules.users.api import UserDeleted, UserRestored, UsersApi
from shared.reads import Representation
from shared.writes import Change


class TagService:
    """Makes, changes, deletes and restores tags."""

    def __init__(self, tags: TagRepository, users: UsersApi) -> None:
        self._tags = tags
        self._users = users

    async def create(self, change: Change, data: TagCreate) -> tuple[UUID, Representation]:
        """A new tag of the caller's. Raises SlugTaken."""
        id = uuid7()
        slug = data.slug or slugified(data.name) or f"tag-{id.hex[-8:]}"
        owner_id = change.caller.user_id
        await self._tags.add(change, id=id, owner_id=owner_id, name=data.name, slug=slug, color=data.color)
        return id, await self._tags.document(change, id)

    async def change(self, change: Change, id: UUID, data: TagUpdate) -> Representation:
        """Raises TagNotFound, TagForbidden, SlugTaken."""
        tag = await self._tags.lock(change, id, "change")
        await self._tags.change(change, tag, **data.changes())
        return await self._tags.document(change, id)

    async def delete(self, change: Change, id: UUID) -> None:
        """Raises TagNotFound, TagForbidden."""
        await self._tags.lock(change, id, "delete")
        await self._tags.delete(change, id=id)

    async def restore(self, change: Change, id: UUID) -> Representation:
        """Bring a tag back, onto the projects that carried it. Raises TagNotFound, SlugTaken."""
        tag = await self._tags.lock(change, id, "restore", include_deleted=True)
        # A deletion of the account that runs just now would not see the tag. After it, its owner's session has ended.
        await self._users.hold_live(change, [tag.owner_id])
        await self._tags.restore(change, id=id)
        return await self._tags.document(change, id)

    async def delete_owned(self, change: Change, event: UserDeleted) -> None:
        """An owner's tags go along with the account."""
        await self._tags.delete_along(change, "owner_id", event.deletion_id)

    async def restore_owned(self, change: Change, event: UserRestored) -> None:
        """They come back with it, but for those deleted before. Raises SlugTaken."""
        await self._tags.restore(change, deletion_id=event.deletion_id)
