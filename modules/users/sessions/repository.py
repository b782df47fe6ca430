"""How sessions and their refresh tokens are found and kept."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Interval,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased
from sqlmodel import col
from uuid_utils.compat import uuid7

from modules.users.keys.models import is_of_key
from modules.users.models import REUSE_LEEWAY, RefreshToken, User, UserSession
from modules.users.repository import MAY_SIGN_IN
from modules.users.sessions.errors import SessionNotFound
from modules.users.sessions.schemas import SESSIONS, SessionRead
from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Policy, Principal, admitted, gate
from shared.extensions import Extensions
from shared.reads import WHOLE, Listing, ListQuery, Page, Tools, View
from shared.rows import OWNER, frozen, loaded_columns
from shared.wire import Record, Statement
from shared.writes import Change, Verbs


def _role(sessions: FromClause, _: Extensions) -> ColumnElement[Any]:
    return case((sessions.c.user_id == CALLER_ID, OWNER), (CALLER_IS_ADMIN, ADMIN))


def _alive(sessions: FromClause) -> ColumnElement[bool]:
    return and_(sessions.c.revoked_at.is_(None), sessions.c.expires_at > func.now(), ~is_of_key(sessions.c.id))


POLICY = Policy(
    role=_role,
    listed=lambda sessions, _: (and_(_alive(sessions), or_(sessions.c.user_id == CALLER_ID, CALLER_IS_ADMIN)),),
    allowed={},
)
"""Who sees a session, may end it."""

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
        *MAY_SIGN_IN,
    )
)
_LOCK = Statement(
    select(col(RefreshToken.used_at), func.statement_timestamp(), *loaded_columns(UserSession))
    .join(UserSession, col(UserSession.id) == col(RefreshToken.session_id))
    .join(User, col(User.id) == col(UserSession.user_id))
    .where(col(RefreshToken.digest) == bindparam("digest"), *MAY_SIGN_IN)
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
_END = Statement(
    update(UserSession)
    .where(
        col(UserSession.id) == bindparam("id", type_=Uuid()),
        col(UserSession.user_id) == bindparam("of_user", type_=Uuid()),
        col(UserSession.revoked_at).is_(None),
        ~is_of_key(col(UserSession.id)),
        col(UserSession.expires_at) > func.now(),
    )
    .values(revoked_at=bindparam("now", type_=DateTime(timezone=True)))
    .returning(col(UserSession.id))
)
_too_many = (
    select(col(UserSession.id))
    .where(
        col(UserSession.user_id) == bindparam("of_user", type_=Uuid()),
        col(UserSession.revoked_at).is_(None),
        col(UserSession.expires_at) > func.now(),
        ~is_of_key(col(UserSession.id)),
    )
    .order_by(func.coalesce(col(UserSession.used_at), col(UserSession.created_at)).desc(), col(UserSession.id).desc())
    .offset(bindparam("kept", type_=Integer()))
)
_MAKE_ROOM = Statement(
    update(UserSession)
    .where(col(UserSession.id).in_(_too_many))
    .values(revoked_at=bindparam("now", type_=DateTime(timezone=True)))
)
_session = frozen(UserSession)


class LockedSession(NamedTuple):
    """The session of a refresh token, both locked."""

    session: UserSession
    used_at: datetime | None
    """When the token was used the first time."""
    now: datetime


class Client(NamedTuple):
    """Who asks for a session, as far as the request tells."""

    address: str
    program: str
    """What it calls itself."""


class SessionRepository:
    """Sessions and their refresh tokens."""

    def __init__(self, tools: Tools, most: int) -> None:
        """`most` is how many sessions an account may have."""
        self._most = most
        self._database = tools.database
        self._sessions: Verbs[UserSession] = Verbs(UserSession)
        self._listing = Listing(SESSIONS, POLICY, tools.projector, tools.cursors, scope=("user_id",))
        self._projector = tools.projector
        self._document = lru_cache(maxsize=100)(self._compile)

    async def list(self, user_id: UUID, caller: Principal, query: ListQuery) -> Page:
        """A page of the sessions of an account, the newest first. Raises InvalidCursor, and InvalidToken when the
        caller's session has ended.
        """
        return await self._listing.page(self._database, caller, query, user_id=user_id)

    async def get(self, id: UUID, caller: Principal, view: View) -> bytes:
        """The document of a session of the caller's. Raises SessionNotFound, and InvalidToken when the session of the
        request has ended.
        """
        return _content(await self._database.read(self._document(view), caller.parameters() | {"id": id}))

    async def document(self, change: Change, id: UUID, caller: Principal) -> bytes:
        """The same, as the change leaves it."""
        return _content(await change.unit.execute(self._document(WHOLE), caller.parameters() | {"id": id}))

    async def open(self, change: Change, user_id: UUID, client: Client, at: datetime, expires_at: datetime) -> UUID:
        """Keep a new one: its id. The account is held. Too many others end, those that were not used for longest."""
        await change.unit.send(_MAKE_ROOM, {"of_user": user_id, "kept": self._most - 1, "now": at})
        id, address, program = uuid7(), client.address or None, client.program or None
        times = {"created_at": at, "used_at": at, "expires_at": expires_at}
        await self._sessions.insert(change, id=id, user_id=user_id, address=address, client=program, **times)
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
        await self._sessions.update(change, session, expires_at=to, used_at=used_at)

    async def revoke(self, change: Change, session: UserSession) -> None:
        """End a session, unless it has ended."""
        if session.revoked_at is None:
            await self._sessions.update(change, session, revoked_at=datetime.now(UTC))

    async def end(self, change: Change, user_id: UUID, id: UUID | None) -> None:
        """End a session of an account. Raises SessionNotFound."""
        if not await change.unit.execute(_END, {"id": id, "of_user": user_id, "now": datetime.now(UTC)}):
            raise SessionNotFound

    async def revoke_all(self, change: Change, user_id: UUID, *, but: UUID | None = None) -> None:
        """End every session of an account, or every other one. Its keys go on."""
        await change.unit.execute(_REVOKE_ALL, {"of_user": user_id, "but": but, "now": datetime.now(UTC)})

    def _compile(self, view: View) -> Statement:
        rows = SessionRead.rows
        own = (rows.c.id == bindparam("id", type_=Uuid()), rows.c.user_id == CALLER_ID, _alive(rows))
        content = self._projector.json(SessionRead, rows, view).label("content")
        document = select(content).where(*own).lateral("document")
        return Statement(select(document).select_from(gate(self._projector.extensions).outerjoin(document, true())))


def _content(found: Sequence[Record]) -> bytes:
    ((content,),) = admitted(found)
    if content is None:
        raise SessionNotFound
    document: bytes = content
    return document
