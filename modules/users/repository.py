"""How accounts and sessions are found and kept."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    DateTime,
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
from uuid_utils.compat import uuid7

from modules.users.errors import UserForbidden, UserNotFound
from modules.users.keys.models import is_of_key
from modules.users.models import REUSE_LEEWAY, RefreshToken, Role, User, UserSession
from modules.users.policy import POLICY
from modules.users.schemas import USERS
from shared.rows import frozen, loaded_columns
from shared.values import normalised_email
from shared.wire import Database, Statement
from shared.writes import Change, Repository, Verbs

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

    async def hold(self, change: Change, credentials: Credentials) -> bool:
        """Whether the account may still sign in with these; it is locked then. Checking a password takes a while."""
        values = {"id": credentials.user_id, "password_hash": credentials.password_hash}
        return bool(await change.unit.execute(_HOLD, values))

    async def set_password(self, change: Change, id: UUID, password_hash: str) -> None:
        """Of an account that is held."""
        await change.unit.execute(_SET_PASSWORD, {"id": id, "password_hash": password_hash})

    async def hold_administrators(self, change: Change, id: UUID) -> set[UUID]:
        """If this account is an administrator who can sign in: those who are, and they stay so until the unit of work
        ends. Always in the same order, so that two who demote each other do not wait for each other.
        """
        return {id for (id,) in await change.unit.execute(_HOLD_ADMINISTRATORS, {"id": id})}

    async def promote(self, change: Change, email: str) -> None:
        """Make the live account with this address an administrator. Raises UserNotFound."""
        found = await change.unit.execute(_LOCK_BY_EMAIL, {"email": normalised_email(email) or email})
        if not found:
            raise UserNotFound
        await self.update(change, self._frozen(found[0]), role=Role.ADMIN)


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


_LOCK = Statement(
    select(col(RefreshToken.used_at), func.statement_timestamp(), *loaded_columns(UserSession))
    .join(UserSession, col(UserSession.id) == col(RefreshToken.session_id))
    .join(User, col(User.id) == col(UserSession.user_id))
    .where(col(RefreshToken.digest) == bindparam("digest"), *_MAY_SIGN_IN)
    .with_for_update(of=[RefreshToken, UserSession])
)
_USE = Statement(
    update(RefreshToken)
    .where(col(RefreshToken.digest) == bindparam("token_digest"))
    .values(used_at=bindparam("used_at", type_=DateTime(timezone=True)))
)
_REVOKE_ALL = Statement(
    update(UserSession)
    .where(
        col(UserSession.user_id) == bindparam("of_user", type_=Uuid()),
        col(UserSession.id).is_distinct_from(bindparam("but", type_=Uuid())),
        col(UserSession.revoked_at).is_(None),
        ~is_of_key(col(UserSession.id)),
    )
    .values(revoked_at=bindparam("now", type_=DateTime(timezone=True)))
)
_session = frozen(UserSession)


class LockedSession(NamedTuple):
    """The session of a refresh token, both locked."""

    session: UserSession
    used_at: datetime | None
    """When the token was used the first time."""
    now: datetime


class SessionRepository:
    """Sessions and their refresh tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: Verbs[UserSession] = Verbs(UserSession)

    async def open(self, change: Change, user_id: UUID, at: datetime, expires_at: datetime) -> UUID:
        """Keep a new one: its id."""
        id = uuid7()
        await self._sessions.insert(change, id=id, user_id=user_id, created_at=at, expires_at=expires_at)
        return id

    async def add_token(self, change: Change, digest: bytes, session_id: UUID) -> None:
        """Keep a refresh token, unless it is there already."""
        await change.unit.execute(_ADD_TOKEN, {"digest": digest, "session_id": session_id})

    async def repeated(self, digest: bytes, successor: bytes, longest: timedelta) -> tuple[UUID, UUID] | None:
        """Account and session of a refresh token that was used just now, and whose successor is kept."""
        values = {"digest": digest, "successor": successor, "longest": longest}
        for user_id, session_id in await self._database.read(_REPEATED, values):
            return user_id, session_id
        return None

    async def lock(self, change: Change, digest: bytes) -> LockedSession | None:
        """A refresh token and its session, of an account that may still sign in; and when it was asked for, by the one
        clock that all replicas share: who had to wait for the lock came no later for that.
        """
        for used_at, now, *session in await change.unit.execute(_LOCK, {"digest": digest}):
            return LockedSession(_session(session), used_at, now)
        return None

    async def prolong(
        self, change: Change, digest: bytes, used_at: datetime, session: UserSession, to: datetime
    ) -> None:
        """The token was used then, and its session goes on until another time."""
        await change.unit.execute(_USE, {"token_digest": digest, "used_at": used_at})
        await self._sessions.update(change, session, expires_at=to)

    async def revoke(self, change: Change, session: UserSession) -> None:
        """End a session, unless it has ended."""
        if session.revoked_at is None:
            await self._sessions.update(change, session, revoked_at=datetime.now(UTC))

    async def revoke_all(self, change: Change, user_id: UUID, *, but: UUID | None = None) -> None:
        """End every session of an account, or every other one. Its keys are none."""
        await change.unit.execute(_REVOKE_ALL, {"of_user": user_id, "but": but, "now": datetime.now(UTC)})
