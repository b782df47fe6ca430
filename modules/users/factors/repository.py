"""How second factors are found and kept."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Uuid, any_, bindparam, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from uuid_utils.compat import uuid7

from modules.users.factors.errors import FactorNotFound
from modules.users.factors.models import Factor, FactorKind, FactorUse
from modules.users.factors.schemas import FACTORS, FactorRead
from modules.users.factors.sealing import NAME_BYTES
from modules.users.models import User
from modules.users.repository import MAY_SIGN_IN
from shared.auth import CALLER_ID, Policy, Principal, admitted, gate
from shared.reads import WHOLE, Listing, ListQuery, Page, Tools, View
from shared.rows import table_of
from shared.wire import Run, Statement
from shared.writes import Change, Verbs

BATCH = 1000
"""Secrets that are sealed anew at once."""

_factors, _uses = table_of(Factor), table_of(FactorUse)
_OWN = Policy(
    role=lambda _rows, _extensions: true(),
    listed=lambda rows, _extensions: (rows.c.user_id == CALLER_ID,),
    allowed={},
)
_ID = col(Factor.id) == bindparam("id", type_=Uuid())
_OF_USER = col(Factor.user_id) == bindparam("of_user", type_=Uuid())
_IS_CONFIRMED = col(Factor.expires_at).is_(None)

_HOLD = Statement(
    select(col(User.email))
    .where(col(User.id) == bindparam("of_user", type_=Uuid()), *MAY_SIGN_IN)
    .with_for_update(key_share=True)
)
_OF_ACCOUNT = Statement(
    select(col(Factor.id), col(Factor.kind), col(Factor.key_material), col(FactorUse.counter))
    .join(FactorUse, col(FactorUse.factor_id) == col(Factor.id))
    .where(_OF_USER, _IS_CONFIRMED)
)
_CREDENTIALS = Statement(select(col(Factor.credential_id)).where(_OF_USER, col(Factor.credential_id).is_not(None)))
_COUNT = Statement(select(func.count()).select_from(Factor).where(_OF_USER, _IS_CONFIRMED))
_PENDING = Statement(
    select(col(Factor.name), col(Factor.key_material), col(Factor.expires_at) > func.now()).where(_OF_USER, _ID)
)
_CONFIRM = Statement(update(Factor).where(_ID).values(expires_at=None))
_REMOVED = (col(Factor.name), _IS_CONFIRMED)
_REMOVE = Statement(delete(Factor).where(_OF_USER, _ID).returning(*_REMOVED))
_REMOVE_ALL = Statement(delete(Factor).where(_OF_USER).returning(*_REMOVED))
_REMOVE_PENDING = Statement(delete(Factor).where(_OF_USER, ~_IS_CONFIRMED))
_PASSKEY = Statement(
    select(col(User.id), func.lower(col(User.email)), col(Factor.id), col(Factor.key_material), col(FactorUse.counter))
    .join(User, col(User.id) == col(Factor.user_id))
    .join(FactorUse, col(FactorUse.factor_id) == col(Factor.id))
    .where(col(Factor.credential_id) == bindparam("credential_id"), *MAY_SIGN_IN)
    .with_for_update(key_share=True, of=[User])
)
_key_name = func.substring(col(Factor.key_material), 1, NAME_BYTES, type_=LargeBinary())
_SEALED_BY = Statement(
    select(col(Factor.id), col(Factor.user_id), col(Factor.key_material))
    .where(
        col(Factor.kind) == FactorKind.TOTP,
        _key_name == any_(bindparam("names", type_=ARRAY(LargeBinary()))),
    )
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_SEAL = Statement(update(Factor).where(_ID).values(key_material=bindparam("sealed")))
# Of a factor that was removed while somebody came with it, no use is noted.
_used = insert(FactorUse).from_select(
    ["factor_id", "counter", "used_at"],
    select(col(Factor.id), bindparam("counter", type_=BigInteger()), func.now()).where(_ID),
)
# Of two who come with one code, the second waits for the row, and then sees the counter of the first.
_USE = Statement(
    _used.on_conflict_do_update(
        index_elements=["factor_id"],
        set_={"counter": _used.excluded.counter, "used_at": _used.excluded.used_at},
        where=or_(_uses.c.counter < _used.excluded.counter, (_uses.c.counter == 0) & (_used.excluded.counter == 0)),
    ).returning(_uses.c.factor_id)
)


class Known(NamedTuple):
    """A confirmed factor of an account, as a sign-in looks at it."""

    id: UUID
    kind: str
    key_material: bytes
    counter: int
    """That of its last use."""


class Pending(NamedTuple):
    """An app that waits for its first code."""

    name: str
    key_material: bytes
    is_good: bool | None
    """Whether it is not too late to confirm it; None when it is confirmed."""


class Sealed(NamedTuple):
    """An app's secret."""

    id: UUID
    user_id: UUID
    key_material: bytes


class Removed(NamedTuple):
    """What a factor was that is removed."""

    name: str
    was_confirmed: bool


class PasskeyOwner(NamedTuple):
    """Whose a passkey is; the account is locked."""

    user_id: UUID
    account: str
    """The folded e-mail address."""
    id: UUID
    key_material: bytes
    sign_count: int


class FactorRepository:
    """Second factors, each visible to its owner alone."""

    def __init__(self, tools: Tools) -> None:
        self._database = tools.database
        self._rows: Verbs[Factor] = Verbs(Factor)
        self._listing = Listing(FACTORS, _OWN, tools.projector, tools.cursors)
        self._projector = tools.projector
        self._document = lru_cache(maxsize=100)(self._compiled)

    async def page(self, caller: Principal, query: ListQuery) -> Page:
        """A page of the caller's. Raises InvalidCursor, and InvalidToken when the caller's session has ended."""
        return await self._listing.page(self._database, caller, query)

    async def get(self, caller: Principal, id: UUID, view: View = WHOLE, read: Run | None = None) -> bytes:
        """The document of one of the caller's. Raises FactorNotFound, and InvalidToken when the session has ended."""
        read = read or self._database.read
        ((content,),) = admitted(await read(self._document(view), caller.parameters() | {"id": id}))
        if content is None:
            raise FactorNotFound
        return bytes(content)

    async def hold(self, change: Change, user_id: UUID) -> str | None:
        """The address of an account that may sign in. Until the unit of work ends, nobody else changes its factors."""
        for (email,) in await change.unit.execute(_HOLD, {"of_user": user_id}):
            return str(email)
        return None

    async def of_account(self, change: Change, user_id: UUID) -> list[Known]:
        """The confirmed ones."""
        return [Known(*row) for row in await change.unit.execute(_OF_ACCOUNT, {"of_user": user_id})]

    async def credentials(self, change: Change, user_id: UUID) -> list[bytes]:
        """What the passkeys of an account are found by."""
        return [id for (id,) in await change.unit.execute(_CREDENTIALS, {"of_user": user_id})]

    async def count(self, change: Change, user_id: UUID) -> int:
        """How many confirmed ones an account has."""
        ((count,),) = await change.unit.execute(_COUNT, {"of_user": user_id})
        return int(count)

    async def add(self, change: Change, **columns: object) -> UUID:
        """A new one: its id. The next statement raises PasskeyKnown."""
        id = uuid7()
        await self._rows.insert(change, id=id, **columns)
        return id

    async def pending(self, change: Change, user_id: UUID, id: UUID) -> Pending | None:
        """One of an account, which may be confirmed already."""
        for row in await change.unit.execute(_PENDING, {"of_user": user_id, "id": id}):
            return Pending(*row)
        return None

    async def sealed_by(self, change: Change, names: Sequence[bytes]) -> list[Sealed]:
        """Some whose secret was sealed with keys of these names, locked."""
        return [Sealed(*row) for row in await change.unit.execute(_SEALED_BY, {"names": names})]

    async def seal(self, change: Change, id: UUID, sealed: bytes) -> None:
        """Keep the same secret, sealed otherwise."""
        await change.unit.execute(_SEAL, {"id": id, "sealed": sealed})

    async def confirm(self, change: Change, id: UUID) -> None:
        """It waits for no code any more."""
        await change.unit.execute(_CONFIRM, {"id": id})

    async def remove_pending(self, change: Change, user_id: UUID) -> None:
        """Those that were never confirmed."""
        await change.unit.execute(_REMOVE_PENDING, {"of_user": user_id})

    async def remove(self, change: Change, user_id: UUID, id: UUID) -> Removed | None:
        """One of an account, for good."""
        for row in await change.unit.execute(_REMOVE, {"of_user": user_id, "id": id}):
            return Removed(*row)
        return None

    async def remove_all(self, change: Change, user_id: UUID) -> list[Removed]:
        """All of an account, for good."""
        return [Removed(*row) for row in await change.unit.execute(_REMOVE_ALL, {"of_user": user_id})]

    async def passkey(self, change: Change, credential_id: bytes) -> PasskeyOwner | None:
        """The one that is found by this, of an account that may sign in."""
        for row in await change.unit.execute(_PASSKEY, {"credential_id": credential_id}):
            return PasskeyOwner(*row)
        return None

    async def use(self, change: Change, id: UUID, counter: int) -> bool:
        """Whether the factor is there, and nobody came with this counter, or a higher one, before; from now on somebody
        did.
        """
        return bool(await change.unit.execute(_USE, {"id": id, "counter": counter}))

    def _compiled(self, view: View) -> Statement:
        content = self._projector.json(FactorRead, _factors, view)
        own = select(content.label("content")).where(_ID, _factors.c.user_id == CALLER_ID).lateral("document")
        return Statement(select(own).select_from(gate(self._projector.extensions).outerjoin(own, true())))
