"""What other modules may know of accounts. What crosses this border is frozen and small."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from modules.users.errors import UserNotFound
from modules.users.models import User
from modules.users.repository import UserRepository
from shared.events import Event
from shared.reads import Document

__all__ = ["UserDeleted", "UserNotFound", "UserRestored", "UserSummary", "UsersApi"]


class UserSummary(Document, of=User):
    """An account as other documents embed it."""

    id: UUID
    full_name: str


@dataclass(frozen=True)
class UserDeleted(Event):
    """An account was deleted. What belongs to it goes along, under the same deletion."""

    user_id: UUID
    deletion_id: UUID


@dataclass(frozen=True)
class UserRestored(Event):
    """An account is back, and so is what that deletion took along."""

    user_id: UUID
    deletion_id: UUID


class UsersApi:
    """What other modules may ask of this one."""

    def __init__(self, users: UserRepository) -> None:
        self._users = users

    async def hold_live(self, ids: Collection[UUID]) -> bool:
        """Whether each is the id of a live account; those that are cannot be deleted until the unit of work ends."""
        return await self._users.hold_live(ids)
