"""What other modules may know of accounts. What crosses this border is frozen and small."""

from uuid import UUID

from pydantic import Field

from modules.users.errors import UserNotFound
from modules.users.models import User
from modules.users.repository import UserRepository
from shared.events import Deleted, Restored
from shared.reads import Summary
from shared.writes import Api

__all__ = ["UserDeleted", "UserNotFound", "UserRestored", "UserSummary", "UsersApi"]


class UserSummary(Summary, of=User):
    """An account as other documents embed it."""

    id: UUID
    full_name: str = Field(description="The person's name.")


class UserDeleted(Deleted, of="users"):
    """An account was deleted."""


class UserRestored(Restored, of="users"):
    """An account was restored."""


class UsersApi(Api):
    """What other modules may ask about accounts."""

    resource = UserRepository
