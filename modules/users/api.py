"""What other modules may know of accounts. What crosses this border is frozen and small."""

from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, ScalarSelect, Uuid, bindparam, func, select

from modules.users.errors import UserNotFound
from modules.users.models import User
from modules.users.repository import UserRepository
from shared.events import Deleted, Restored
from shared.reads import Summary
from shared.rows import live, table_of
from shared.wire import Statement
from shared.writes import Api, Change

__all__ = ["UserDeleted", "UserNotFound", "UserRestored", "UserSummary", "UsersApi", "address_of"]


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

    async def has_verified_address(self, change: Change, id: UUID) -> bool:
        """Whether the address of this account is known to be the person's."""
        return bool(await change.unit.execute(_VERIFIED, {"id": id}))


def address_of(user_id: ColumnElement[UUID]) -> ScalarSelect[str]:
    """The e-mail address of a live account, in lower case, as addresses are compared. For conditions: no document shows
    it.
    """
    users = table_of(User).alias()
    return select(func.lower(users.c.email)).where(users.c.id == user_id, *live(users)).scalar_subquery()


_users = table_of(User)
_VERIFIED = Statement(
    select(_users.c.id).where(_users.c.id == bindparam("id", type_=Uuid()), _users.c.email_verified, *live(_users))
)
