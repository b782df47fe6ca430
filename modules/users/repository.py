"""How accounts and sessions are found and kept."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, bindparam, func, select, update
from sqlmodel import col

from modules.users.errors import UserForbidden, UserNotFound
from modules.users.models import RefreshToken, Role, User, UserSession
from modules.users.policy import POLICY
from modules.users.schemas import UserRead, normalised_email
from shared.persistence.database import Database
from shared.persistence.repository import Repository

LIVE_SESSION: Select[bool] = (
    select(col(User.role) == Role.ADMIN)
    .join(UserSession, col(UserSession.user_id) == col(User.id))
    .where(
        col(UserSession.id) == bindparam("session_id", type_=Uuid()),
        col(User.id) == bindparam("user_id", type_=Uuid()),
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


class UserRepository(Repository[User]):
    """Accounts."""

    model = User
    document = UserRead
    policy = POLICY
    absent = UserNotFound
    denied = UserForbidden

    async def credentials(self, who: ColumnElement[bool]) -> Credentials | None:
        """Of the account that matches and may sign in."""
        statement = select(col(User.id), col(User.password_hash)).where(
            who, col(User.deleted_at).is_(None), col(User.is_active)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return Credentials(*row) if row else None

    async def hold(self, credentials: Credentials) -> User | None:
        """The account, locked, if it may still sign in with these: checking a password takes a while."""
        statement = select(User).where(
            col(User.id) == credentials.user_id,
            col(User.password_hash) == credentials.password_hash,
            col(User.is_active),
        )
        user: User | None = await self.session.scalar(statement.with_for_update(key_share=True))
        return user

    async def by_email(self, email: str) -> User:
        """The live account with this address. Raises UserNotFound."""
        user = await self.session.scalar(select(User).where(has_email(email)).with_for_update())
        if user is None:
            raise UserNotFound
        return user

    async def are_live(self, ids: Collection[UUID]) -> bool:
        """Whether each is the id of a live account."""
        count = await self.session.scalar(select(func.count()).select_from(User).where(col(User.id).in_(ids)))
        return count == len(set(ids))


def has_email(email: str) -> ColumnElement[bool]:
    """The account with this address, however it is spelled. PostgreSQL folds the case of both, as its index does."""
    return func.lower(col(User.email)) == func.lower(normalised_email(email) or email)


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
