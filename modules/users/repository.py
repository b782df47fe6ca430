"""How accounts and sessions are found and kept."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    Integer,
    Interval,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import col

from modules.users.errors import UserForbidden, UserNotFound
from modules.users.models import REUSE_LEEWAY, RefreshToken, Role, User, UserSession
from modules.users.policy import POLICY
from modules.users.schemas import USERS, normalised_email
from shared.wire import Database, Statement
from shared.writes import Repository

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
_CREDENTIALS = (col(User.id), col(User.password_hash))
# PostgreSQL folds the case of both sides, as its index does.
_FOLDED = func.lower(bindparam("email", type_=String()))
_ONE_ROW = values(column("n", Integer()), name="one").data([(1,)])
_CREDENTIALS_BY_EMAIL = Statement(
    select(_FOLDED, *_CREDENTIALS)
    .select_from(_ONE_ROW)
    .outerjoin(User, and_(func.lower(col(User.email)) == _FOLDED, *_MAY_SIGN_IN))
)
_CREDENTIALS_BY_ID = Statement(
    select(func.lower(col(User.email)), *_CREDENTIALS).where(
        col(User.id) == bindparam("id", type_=Uuid()), *_MAY_SIGN_IN
    )
)
_HOLD = Statement(
    select(col(User.id))
    .where(
        col(User.id) == bindparam("id", type_=Uuid()),
        col(User.password_hash) == bindparam("password_hash", type_=String()),
        *_MAY_SIGN_IN,
    )
    .with_for_update(key_share=True)
)

_ADMINISTERS = (col(User.role) == Role.ADMIN, *_MAY_SIGN_IN)
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

    async def credentials(self, email: str) -> tuple[str, Credentials | None]:
        """The address as it is compared, and what the account with it signs in with, if it may."""
        rows = await self._database.read(_CREDENTIALS_BY_EMAIL, {"email": normalised_email(email) or email})
        folded, id, password_hash = rows[0]
        return folded, None if id is None else Credentials(id, password_hash)

    async def credentials_of(self, id: UUID) -> tuple[str, Credentials] | None:
        """The same of the account with this id, if it may sign in."""
        for folded, *found in await self._database.read(_CREDENTIALS_BY_ID, {"id": id}):
            return folded, Credentials(*found)
        return None

    async def hold(self, credentials: Credentials) -> User | None:
        """The account, locked, if it may still sign in with these: checking a password takes a while."""
        values = {"id": credentials.user_id, "password_hash": credentials.password_hash}
        if not await self._database.execute(_HOLD, values):
            return None
        return await self.session.get_one(User, credentials.user_id)

    async def hold_administrators(self, id: UUID) -> set[UUID]:
        """If this account is an administrator who can sign in: those who are, and they stay so until the unit of work
        ends. Always in the same order, so that two who demote each other do not wait for each other.
        """
        return {id for (id,) in await self._database.execute(_HOLD_ADMINISTRATORS, {"id": id})}

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


_ADD_TOKEN = Statement(
    insert(RefreshToken)
    .values(digest=bindparam("digest"), session_id=bindparam("session_id", type_=Uuid()))
    .on_conflict_do_nothing()
)

_used, _next = aliased(RefreshToken), aliased(RefreshToken)
_REPEATED = Statement(
    select(col(User.id), col(UserSession.id))
    .join(UserSession, col(UserSession.user_id) == col(User.id))
    .join(_used, col(_used.session_id) == col(UserSession.id))
    .join(_next, col(_next.session_id) == col(UserSession.id))
    .where(
        col(_used.digest) == bindparam("digest"),
        col(_used.used_at) > func.statement_timestamp() - cast(REUSE_LEEWAY, Interval()),
        col(_next.digest) == bindparam("successor"),
        col(UserSession.revoked_at).is_(None),
        col(UserSession.expires_at) > func.now(),
        col(UserSession.created_at) > func.now() - cast(bindparam("longest"), Interval()),
        *_MAY_SIGN_IN,
    )
)


class SessionRepository:
    """Sessions and their refresh tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session: UserSession) -> None:
        """Keep a new one, now: a token's row names it."""
        self._database.session.add(session)
        await self._database.session.flush()

    async def add_token(self, digest: bytes, session: UserSession) -> None:
        """Keep a refresh token, unless it is there already."""
        await self._database.execute(_ADD_TOKEN, {"digest": digest, "session_id": session.id})

    async def repeated(self, digest: bytes, successor: bytes, longest: timedelta) -> tuple[UUID, UUID] | None:
        """Account and session of a refresh token that was used just now, and whose successor is kept."""
        values = {"digest": digest, "successor": successor, "longest": longest}
        for user_id, session_id in await self._database.read(_REPEATED, values):
            return user_id, session_id
        return None

    async def lock(self, digest: bytes) -> tuple[RefreshToken, UserSession, datetime] | None:
        """A refresh token and its session, of an account that may still sign in; and when it was asked for, by the one
        clock that all replicas share: who had to wait for the lock came no later for that.
        """
        statement = (
            select(RefreshToken, UserSession, func.statement_timestamp())
            .join(UserSession, col(UserSession.id) == col(RefreshToken.session_id))
            .join(User, col(User.id) == col(UserSession.user_id))
            .where(col(RefreshToken.digest) == digest, col(User.is_active))
            .with_for_update(of=[RefreshToken, UserSession])
        )
        row = (await self._database.session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """End every session of an account, or every other one."""
        ended = update(UserSession).where(
            col(UserSession.user_id) == user_id,
            col(UserSession.id).is_distinct_from(but),
            col(UserSession.revoked_at).is_(None),
        )
        await self._database.session.execute(ended.values(revoked_at=datetime.now(UTC)))
