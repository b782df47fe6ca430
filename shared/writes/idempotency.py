"""Idempotency keys: the answer to a change is kept in its transaction, and given again to a client that repeats it."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, FromClause, Interval, Text, Uuid, bindparam, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import Field

from shared.auth import TRUSTED, InvalidToken, Principal, gate
from shared.errors import Conflict, Contended, Invalid
from shared.extensions import Extensions
from shared.keys import Keys
from shared.rows import Model, expiring, table_of
from shared.wire import Database, Run, Statement, UnitOfWork
from shared.writes.change import Permission
from shared.writes.room import Room

LIFETIME = timedelta(hours=24)


class IdempotencyKeyReused(Invalid):
    """This idempotency key was used for another request."""


class IdempotencyInProgress(Conflict):
    """A request with this idempotency key is still running. Ask again shortly."""

    retryable = True


class KeptAnswer(Model, table=True):
    """The outcome of a request with an idempotency key."""

    __tablename__ = "idempotency_keys"

    scope: UUID = Field(primary_key=True)
    """The caller's account; for a request without a caller, a digest of the request."""
    key: str = Field(primary_key=True, max_length=255)
    at: datetime = Field(default=None, nullable=False, index=True, sa_column_kwargs={"server_default": func.now()})
    fingerprint: bytes
    status: int
    headers: list[list[str]] = Field(sa_type=JSONB)
    content: bytes
    permissions: list[list[str]] = Field(sa_type=JSONB)
    """Resource, action and id of all that the request was allowed: checked again before a replay."""


@dataclass(frozen=True)
class Answer:
    """An answer to a client, and what the request was allowed."""

    status: int
    headers: Sequence[tuple[str, str]]
    content: bytes
    permissions: Sequence[Permission] = ()


@dataclass(frozen=True)
class Keyed:
    """A request with an idempotency key."""

    key: str
    caller: Principal | None
    fingerprints: Sequence[bytes]
    """HMACs of method, path and body: a plain digest would betray a weak password to whoever reads the table. One for
    each key of the server."""
    scopes: Sequence[UUID] = field(init=False)

    def __post_init__(self) -> None:
        unnamed = [UUID(bytes=fingerprint[:16]) for fingerprint in self.fingerprints]
        object.__setattr__(self, "scopes", [self.caller.user_id] if self.caller else unnamed)

    @property
    def lock(self) -> int:
        """The number of the advisory lock for this key."""
        digest = hashlib.blake2b(self.scopes[0].bytes + self.key.encode(), digest_size=8).digest()
        return int.from_bytes(digest, signed=True)


class Idempotency:
    """Finds and keeps answers by their keys."""

    def __init__(self, database: Database, extensions: Extensions, keys: Keys, bytes_per_account: int) -> None:
        self._database = database
        self._keys = keys
        self._room = Room(bytes_per_account, LIFETIME)
        self._find = Statement(_find(gate(extensions)))
        self._find_unnamed = Statement(_find(TRUSTED))

    def keyed(self, key: str, caller: Principal | None, *parts: bytes) -> Keyed:
        """A request that consists of these parts, and of the scopes of an API key: what those allowed is not given
        again to who has others.
        """
        scopes = () if caller is None or caller.scopes is None else sorted(caller.scopes)
        parts = (*parts, *(scope.encode() for scope in scopes))
        return Keyed(key, caller, [_fingerprint(one, parts) for one in self._keys])

    async def begin(self, unit: UnitOfWork, request: Keyed) -> Answer | None:
        """The answer that was kept, or None: then no other request with this key runs until the unit of work ends.

        Raises IdempotencyInProgress, IdempotencyKeyReused, and InvalidToken when the caller's session has ended.
        """
        return await self._find_by(unit.execute, request)

    async def look(self, request: Keyed) -> Answer | None:
        """The answer that was kept, or None, without a lock. Raises as `begin` does."""
        return await self._find_by(self._database.read, request)

    async def _find_by(self, run: Run, request: Keyed) -> Answer | None:
        statement, caller = self._find_unnamed, {"caller_is_admin": False}
        if request.caller is not None:
            statement, caller = self._find, request.caller.parameters()
        values = caller | {"scopes": request.scopes, "key": request.key, "lock": request.lock}
        found = await run(statement, values)
        if not found:
            raise InvalidToken
        is_ours, fingerprint, status, headers, content, permissions = found[0]
        if fingerprint is not None and bytes(fingerprint) not in request.fingerprints:
            raise IdempotencyKeyReused
        if status is not None:
            allowed = [Permission(resource, action, UUID(id)) for resource, action, id in json.loads(permissions)]
            return Answer(status, [(name, value) for name, value in json.loads(headers)], content, allowed)
        if not is_ours:
            raise IdempotencyInProgress
        return None

    async def keep(self, unit: UnitOfWork, request: Keyed, answer: Answer) -> None:
        """Keep the answer, in the unit of work. Raises Contended when another answer was kept meanwhile, and
        TooMuchKept.
        """
        if request.caller is not None:
            await self._room.demand(unit.execute, request.scopes[0], len(answer.content))
        values: Mapping[str, Any] = {
            "scope": request.scopes[0],
            "key": request.key,
            "fingerprint": request.fingerprints[0],
            "status": answer.status,
            "headers": json.dumps(answer.headers),
            "content": answer.content,
            "permissions": json.dumps([(resource, action, str(id)) for resource, action, id in answer.permissions]),
        }
        if not await unit.execute(_KEEP, values):
            raise Contended


_answers = table_of(KeptAnswer)
expiring(KeptAnswer, _answers.c.at, lambda _: LIFETIME)
_LIFETIME = cast(LIFETIME, Interval())


def _find(caller: FromClause) -> Any:
    kept = (
        select(_answers)
        .where(
            _answers.c.scope == func.any(bindparam("scopes", type_=ARRAY(Uuid()))),
            _answers.c.key == bindparam("key"),
            _answers.c.at > func.now() - _LIFETIME,
        )
        .subquery("kept")
    )
    columns = (kept.c.fingerprint, kept.c.status, cast(kept.c.headers, Text()), kept.c.content)
    is_ours = func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger()))
    return select(is_ours, *columns, cast(kept.c.permissions, Text())).select_from(caller.outerjoin(kept, true()))


def _fingerprint(key: bytes, parts: Sequence[bytes]) -> bytes:
    digest = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.digest()


_COLUMNS = ("scope", "key", "fingerprint", "status", "headers", "content", "permissions")
_kept = insert(_answers).values({name: bindparam(name) for name in _COLUMNS})
# An answer that was kept between our look and our lock stays. An expired one is replaced.
_KEEP = Statement(
    _kept.on_conflict_do_update(
        index_elements=["scope", "key"],
        set_={name: _kept.excluded[name] for name in _COLUMNS} | {"at": func.now()},
        where=_answers.c.at <= func.now() - _LIFETIME,
    ).returning(_answers.c.status)
)
