"""How accounts are found and kept."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Integer, Select, String, Uuid, and_, bindparam, column, exists, func, or_, select, update, values
from sqlalchemy.orm import aliased
from sqlmodel import col

from modules.users.errors import UserForbidden, UserNotFound
from modules.users.models import Role, User, UserSession
from modules.users.policy import POLICY
from modules.users.schemas import USERS
from shared.rows import loaded_columns
from shared.values import normalised_email
from shared.wire import Statement
from shared.writes import Change, Repository

_owner = aliased(User)
LIVE_SESSION: Select[bool, datetime] = (
    select((col(User.role) == Role.ADMIN).label("is_admin"), col(UserSession.created_at).label("signed_in_at"))
    .join(UserSession, col(UserSession.user_id) == col(User.id))
    .where(
        col(UserSession.id) == bindparam("session_id", type_=Uuid()),
        col(User.id) == bindparam("caller_id", type_=Uuid()),
        col(UserSession.revoked_at).is_(None),
        col(UserSession.expires_at) > func.now(),
        col(User.deleted_at).is_(None),
        col(User.is_active),
        or_(
            col(User.owner_id).is_(None),
            exists().where(
                col(_owner.id) == col(User.owner_id), col(_owner.deleted_at).is_(None), col(_owner.is_active)
            ),
        ),
    )
)
"""Contributed to `shared.auth.authentication.live_sessions`. A service acts while its owner may."""


class Credentials(NamedTuple):
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str
    email: str
    full_name: str


MAY_SIGN_IN = (col(User.deleted_at).is_(None), col(User.is_active), col(User.owner_id).is_(None))
"""The person of a live account. Nobody signs in to a service."""
"""The conditions of an account that may."""
_CREDENTIALS = (col(User.id), col(User.password_hash), col(User.email), col(User.full_name))
# PostgreSQL folds the case of both sides, as its index does.
_FOLDED = func.lower(bindparam("email", type_=String()))
ONE_ROW = values(column("n", Integer()), name="one").data([(1,)])
"""To join with what may not be there."""
_FOLD = Statement(select(_FOLDED))
_CREDENTIALS_BY_EMAIL = Statement(
    select(_FOLDED, *_CREDENTIALS)
    .select_from(ONE_ROW)
    .outerjoin(User, and_(func.lower(col(User.email)) == _FOLDED, *MAY_SIGN_IN))
)
_CREDENTIALS_BY_ID = Statement(
    select(func.lower(col(User.email)), *_CREDENTIALS).where(
        col(User.id) == bindparam("id", type_=Uuid()), *MAY_SIGN_IN
    )
)
_SET_PASSWORD = Statement(
    update(User)
    .where(col(User.id) == bindparam("id", type_=Uuid()))
    .values(password_hash=bindparam("password_hash", type_=String()))
)
_LOCK_BY_EMAIL = Statement(
    select(*loaded_columns(User))
    .where(func.lower(col(User.email)) == _FOLDED, col(User.deleted_at).is_(None))
    .with_for_update()
)
# Whoever deletes the account locks it before.
_HOLD_LIVE = Statement(
    select(col(User.id))
    .where(col(User.id) == bindparam("id", type_=Uuid()), col(User.deleted_at).is_(None))
    .with_for_update(read=True, key_share=True)
)
_LOCK_SERVICES = Statement(
    select(*loaded_columns(User))
    .where(col(User.owner_id) == bindparam("owner_id", type_=Uuid()), col(User.deleted_at).is_(None))
    .order_by(col(User.id))
    .with_for_update()
)
_HOLD = Statement(
    select(*_CREDENTIALS)
    .where(col(User.id) == bindparam("id", type_=Uuid()), *MAY_SIGN_IN)
    .with_for_update(key_share=True)
)

_ADMINISTERS = (col(User.role) == Role.ADMIN, *MAY_SIGN_IN)
_is_one = select(col(User.id)).where(col(User.id) == bindparam("id", type_=Uuid()), *_ADMINISTERS).exists()
_HOLD_ADMINISTRATORS = Statement(
    select(col(User.id)).where(*_ADMINISTERS, _is_one).order_by(col(User.id)).with_for_update(key_share=True)
)


class UserRepository(Repository[User]):
    """Accounts."""

    model = User
    collection = USERS
    policy = POLICY
    absent = UserNotFound
    denied = UserForbidden

    async def folded(self, email: str) -> str:
        """The address as it is compared. No other folding gives the same: Python's makes ss of ß, for example."""
        ((folded,),) = await self._database.read(_FOLD, {"email": email})
        return str(folded)

    async def credentials(self, email: str) -> tuple[str, Credentials | None]:
        """The address as it is compared, and what the account with it signs in with, if it may."""
        rows = await self._database.read(_CREDENTIALS_BY_EMAIL, {"email": normalised_email(email) or email})
        folded, *found = rows[0]
        return folded, None if found[0] is None else Credentials(*found)

    async def credentials_of(self, id: UUID) -> tuple[str, Credentials] | None:
        """The same of the account with this id, if it may sign in."""
        for folded, *found in await self._database.read(_CREDENTIALS_BY_ID, {"id": id}):
            return folded, Credentials(*found)
        return None

    async def hold(
        self, change: Change, known: Credentials, matches: Callable[[str], Awaitable[bool]]
    ) -> Credentials | None:
        """What the account signs in with by now, if it may still do so with the same password; it is locked then.
        Checking a password takes a while, in which another sign-in may have hashed the same one anew: of a hash that is
        not the `known` one, `matches` says whether it is that password's.
        """
        for row in await change.unit.execute(_HOLD, {"id": known.user_id}):
            held = Credentials(*row)
            if held.password_hash == known.password_hash or await matches(held.password_hash):
                return held
        return None

    async def hold_live(self, change: Change, id: UUID) -> bool:
        """Whether the account is live; it stays so until the unit of work ends."""
        return bool(await change.unit.execute(_HOLD_LIVE, {"id": id}))

    async def set_password(self, change: Change, id: UUID, password_hash: str) -> None:
        """Of an account that is held."""
        await change.unit.execute(_SET_PASSWORD, {"id": id, "password_hash": password_hash})

    async def hold_administrators(self, change: Change, id: UUID) -> set[UUID]:
        """If this account is an administrator who can sign in: those who are, and they stay so until the unit of work
        ends. Always in the same order, so that two who demote each other do not wait for each other.
        """
        return {id for (id,) in await change.unit.execute(_HOLD_ADMINISTRATORS, {"id": id})}

    async def lock_services(self, change: Change, owner_id: UUID) -> list[User]:
        """The live services of an account."""
        return [self._frozen(row) for row in await change.unit.execute(_LOCK_SERVICES, {"owner_id": owner_id})]

    async def promote(self, change: Change, email: str) -> None:
        """Make the live account with this address an administrator. Raises UserNotFound."""
        found = await change.unit.execute(_LOCK_BY_EMAIL, {"email": normalised_email(email) or email})
        if not found:
            raise UserNotFound
        await self.update(change, self._frozen(found[0]), role=Role.ADMIN)
