"""How accounts and sessions are found and kept."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, String, Uuid, bindparam, func, select, update
from sqlmodel import col

from modules.users.errors import UserForbidden, UserNotFound
from modules.users.models import RefreshToken, Role, User, UserSession
from modules.users.policy import POLICY
from modules.users.schemas import USERS, normalised_email
from shared.persistence.database import Database
from shared.persistence.repository import Repository
from shared.persistence.statements import Statement

LIVE_SESSION: Select[bool] = (
    select((col(User.role) == Role.ADMIN).label("is_admin"))
    .join(UserSession, col(UserSession.user_id) == col(User.id))
    .where(
        col(UserSession.id) == bindparam("session_id", type_=Uuid()),
        col(User.id) == bindparam("caller_id", type_=Uuid()),
        col(UserSession.revoked_at).is_(None),
        col(UserSession.expires_at) > func.now(),
        col(User.deleted_at).is_(None),
        col(User.is_active),
    )
)
"""Contributed to `shared.auth.authentication.live_sessions`."""


class Credentials(NamedTuple):
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str


_MAY_SIGN_IN = (col(User.deleted_at).is_(None), col(User.is_active))
_CREDENTIALS = select(col(User.id), col(User.password_hash)).where(*_MAY_SIGN_IN)
_CREDENTIALS_BY_EMAIL = Statement(
    _CREDENTIALS.where(func.lower(col(User.email)) == func.lower(bindparam("email", type_=String())))
)
_CREDENTIALS_BY_ID = Statement(_CREDENTIALS.where(col(User.id) == bindparam("id", type_=Uuid())))


class UserRepository(Repository[User]):
    """Accounts."""

    model = User
    collection = USERS
    policy = POLICY
    absent = UserNotFound
    denied = UserForbidden

    async def credentials(self, email: str) -> Credentials | None:
        """Of the account with this address, if it may sign in."""
        # PostgreSQL folds the case of both sides, as its index does.
        rows = await self._database.read(_CREDENTIALS_BY_EMAIL, {"email": normalised_email(email) or email})
        return Credentials(*rows[0]) if rows else None

    async def credentials_of(self, id: UUID) -> Credentials | None:
        """Of the account with this id, if it may sign in."""
        rows = await self._database.read(_CREDENTIALS_BY_ID, {"id": id})
        return Credentials(*rows[0]) if rows else None

    async def hold(self, credentials: Credentials) -> User | None:
        """The account, locked, if it may still sign in with these: checking a password takes a while."""
        same = (col(User.id) == credentials.user_id, col(User.password_hash) == credentials.password_hash)
        user: User | None = await self.session.scalar(
            select(User).where(*same, *_MAY_SIGN_IN).with_for_update(key_share=True)
        )
        return user

    async def hold_live(self, ids: Collection[UUID]) -> bool:
        """Whether each is the id of a live account; those that are cannot be deleted until the unit of work ends."""
        held = select(col(User.id)).where(col(User.id).in_(ids)).order_by(col(User.id))
        found = await self.session.scalars(held.with_for_update(read=True, key_share=True))
        return len(found.all()) == len(set(ids))

    async def promote(self, email: str) -> None:
        """Make the live account with this address an administrator. Raises UserNotFound."""
        has_email = func.lower(col(User.email)) == func.lower(normalised_email(email) or email)
        user = await self.session.scalar(select(User).where(has_email).with_for_update())
        if user is None:
            raise UserNotFound
        user.role = Role.ADMIN


class SessionRepository:
    """Sessions and their refresh tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: UserSession | RefreshToken) -> None:
        """Keep a new one, now: a token's row names its session's."""
        self._database.session.add(row)
        await self._database.session.flush()

    async def lock(self, digest: bytes) -> tuple[RefreshToken, UserSession] | None:
        """A refresh token and its session, of an account that may still sign in."""
        statement = (
            select(RefreshToken, UserSession)
            .join(UserSession, col(UserSession.id) == col(RefreshToken.session_id))
            .join(User, col(User.id) == col(UserSession.user_id))
            .where(col(RefreshToken.digest) == digest, col(User.is_active))
            .with_for_update(of=[RefreshToken, UserSession])
        )
        row = (await self._database.session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """End every session of an account, or every other one."""
        ended = update(UserSession).where(
            col(UserSession.user_id) == user_id,
            col(UserSession.id).is_distinct_from(but),
            col(UserSession.revoked_at).is_(None),
        )
        await self._database.session.execute(ended.values(revoked_at=datetime.now(UTC)))
