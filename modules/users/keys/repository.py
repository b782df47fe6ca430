"""How keys are found and kept."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Interval,
    Select,
    Uuid,
    bindparam,
    cast,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    true,
    update,
)
from uuid_utils.compat import uuid7

from modules.users.keys.errors import KeyNotFound, TooManyKeys
from modules.users.keys.models import ApiKey
from modules.users.keys.schemas import ALIVE, KEYS, KeyRead
from modules.users.models import UserSession
from shared.auth import CALLER_ID, CALLER_IS_ADMIN, SHOWN, Policy, Principal, admitted, digest_of, gate
from shared.reads import WHOLE, Listing, ListQuery, Page, Tools, View
from shared.rows import table_of
from shared.wire import Statement
from shared.writes import Change, Quota, Verbs

NOTED_EVERY = timedelta(minutes=30)
"""A use within this time of the last one that was noted is not noted. Each process asks once an hour."""

_keys, _sessions = table_of(ApiKey), table_of(UserSession)
KEYS_MADE = Quota(ApiKey, "owner_id", TooManyKeys, exists().where(_sessions.c.id == _keys.c.id, *ALIVE))
"""How many good ones an account may have made."""
_used = (
    update(_sessions)
    .where(
        _sessions.c.id == _keys.c.id,
        _keys.c.digest == bindparam("digest"),
        or_(_sessions.c.used_at.is_(None), _sessions.c.used_at < func.now() - cast(NOTED_EVERY, Interval())),
        *ALIVE,
    )
    .values(used_at=func.now())
    .cte("used")
)
KNOWN_KEY: Select[UUID, UUID, list[str]] = (
    select(_sessions.c.user_id, _keys.c.id, _keys.c.scopes)
    .join_from(_keys, _sessions, _sessions.c.id == _keys.c.id)
    .where(_keys.c.digest == bindparam("digest"))
    .add_cte(_used)
)
"""Contributed to `shared.auth.api_keys.known_keys`."""

_of_user = bindparam("of_user", type_=Uuid())


def _revoking(*which: ColumnElement[bool]) -> Statement:
    """Ends the sessions of keys, and removes these."""
    ended = (
        update(_sessions)
        .where(_sessions.c.id == _keys.c.id, _sessions.c.revoked_at.is_(None), *which)
        .values(revoked_at=bindparam("now", type_=DateTime(timezone=True)))
        .returning(_sessions.c.id)
        .cte("ended")
    )
    return Statement(delete(_keys).where(_keys.c.id.in_(select(ended.c.id))).returning(_keys.c.id))


_REVOKE_ALL = _revoking(or_(_keys.c.owner_id == _of_user, _sessions.c.user_id == _of_user))
_REVOKE = _revoking(_keys.c.id == bindparam("key_id", type_=Uuid()), _keys.c.owner_id == _of_user, *ALIVE)


def _listed(own: bool) -> Policy:
    def listed(keys: FromClause, _: Any) -> tuple[Any]:
        return (keys.c.owner_id == CALLER_ID if own else CALLER_IS_ADMIN,)

    return Policy(role=lambda _keys, _: null(), listed=listed, allowed={})


class KeyRepository:
    """API keys."""

    def __init__(self, tools: Tools) -> None:
        self._database = tools.database
        self._keys: Verbs[ApiKey] = Verbs(ApiKey)
        self._sessions: Verbs[UserSession] = Verbs(UserSession)
        self._own = Listing(KEYS, _listed(own=True), tools.projector, tools.cursors)
        self._of_any = Listing(KEYS, _listed(own=False), tools.projector, tools.cursors, scope=("owner_id",))
        self._projector = tools.projector
        self._documents = lru_cache(maxsize=100)(self._compile)

    async def list(self, caller: Principal, query: ListQuery) -> Page:
        """A page of the caller's keys, the newest first. Raises InvalidCursor, and InvalidToken when the caller's
        session has ended.
        """
        return await self._own.page(self._database, caller, query)

    async def list_of(self, owner_id: UUID, caller: Principal, query: ListQuery) -> Page:
        """The same of any account, for administrators."""
        return await self._of_any.page(self._database, caller, query, owner_id=owner_id)

    async def get(self, id: UUID, caller: Principal, view: View = WHOLE) -> bytes:
        """The document of a key of the caller's. Raises KeyNotFound, and InvalidToken when the caller's session has
        ended.
        """
        values = caller.parameters() | {"key_id": id}
        ((content,),) = admitted(await self._database.read(self._documents(view), values))
        if content is None:
            raise KeyNotFound
        document: bytes = content
        return document

    async def add(
        self, change: Change, key: str, account_id: UUID, expires_at: datetime, **columns: Any
    ) -> tuple[UUID, bytes]:
        """Keep a key of the caller's, which acts as the account: its id and its document. Raises InvalidToken when the
        caller's session has ended meanwhile.
        """
        id, caller = uuid7(), change.caller
        times = {"created_at": datetime.now(UTC), "expires_at": expires_at}
        await self._sessions.insert(change, id=id, user_id=account_id, **times)
        kept = columns | {"owner_id": caller.user_id, "digest": digest_of(key), "first_characters": key[:SHOWN]}
        await self._keys.insert(change, id=id, **kept)
        values = caller.parameters() | {"key_id": id}
        ((document,),) = admitted(await change.unit.execute(self._documents(WHOLE), values))
        return id, document

    async def revoke(self, change: Change, id: UUID, owner_id: UUID) -> None:
        """End a key that this account made. Raises KeyNotFound."""
        values = {"key_id": id, "of_user": owner_id, "now": datetime.now(UTC)}
        if not await change.unit.execute(_REVOKE, values):
            raise KeyNotFound

    async def revoke_all(self, change: Change, owner_id: UUID) -> None:
        """End every key that an account made, those of its services included, and those that act as it."""
        await change.unit.execute(_REVOKE_ALL, {"of_user": owner_id, "now": datetime.now(UTC)})

    def _compile(self, view: View) -> Statement:
        rows = KeyRead.rows
        content = self._projector.json(KeyRead, rows, view).label("content")
        own = (rows.c.id == bindparam("key_id", type_=Uuid()), rows.c.owner_id == CALLER_ID)
        document = select(content).where(*own).lateral("document")
        return Statement(select(document).select_from(gate(self._projector.extensions).outerjoin(document, true())))
