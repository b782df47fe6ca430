"""What other modules may know of accounts. What crosses this border is frozen and small."""

from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, ScalarSelect, func, select

from modules.users.errors import UserNotFound
from modules.users.models import User
from modules.users.repository import UserRepository
from shared.events import Deleted, Restored
from shared.reads import Summary
from shared.rows import live, table_of
from shared.writes import Api

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


def address_of(user_id: ColumnElement[UUID]) -> ScalarSelect[str]:
    """The e-mail address of a live account, in lower case, as addresses are compared. For conditions: no document shows
    it.
    """
    users = table_of(User).alias()
    return select(func.lower(users.c.email)).where(users.c.id == user_id, *live(users)).scalar_subquery()
