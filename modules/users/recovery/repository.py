"""How wishes that a mail has to confirm are kept, found and used up, each by one statement."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Interval,
    LargeBinary,
    SQLColumnExpression,
    String,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import aliased
from sqlmodel import col
from uuid_utils.compat import uuid7

from modules.users.models import User
from modules.users.recovery.models import Confirmation, Purpose
from modules.users.repository import MAY_SIGN_IN, ONE_ROW
from shared.rows import frozen, loaded_columns, table_of
from shared.wire import Database, Statement
from shared.writes import Change

ON_ITS_WAY = cast(timedelta(days=1), Interval())
"""How long a wish waits for its mail to be sent. From then on its link is good as long as settings say."""


def _state_with(password_hash: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    return func.sha256(func.convert_to(func.concat(password_hash, " ", func.lower(col(User.email))), "UTF8"))


_state = _state_with(col(User.password_hash))
_is_waiting = col(Confirmation.expires_at) > func.now()
_is_of_token = and_(col(Confirmation.digest) == bindparam("digest", type_=LargeBinary()), _is_waiting)
_id, _email = bindparam("id", type_=Uuid()), bindparam("email", type_=String())


def _asking(purpose: Purpose, of: ColumnElement[bool]) -> Statement:
    """Keeps a wish about the account `of` which this holds; one about none where there is no such account."""
    row: dict[str, Any] = {
        "id": _id,
        "purpose": literal(purpose.value),
        "user_id": col(User.id),
        "email": func.coalesce(_email, col(User.email)),
        "state": _state,
        "expires_at": func.now() + ON_ITS_WAY,
    }
    found = select(*row.values()).select_from(ONE_ROW).outerjoin(User, and_(of, *MAY_SIGN_IN))
    return Statement(insert(table_of(Confirmation)).from_select([*row], found))


_ASK_RESET = _asking(Purpose.RESET, func.lower(col(User.email)) == func.lower(_email))
_ASK_ADDRESS = _asking(Purpose.ADDRESS, col(User.id) == bindparam("user_id", type_=Uuid()))
_ASK_REGISTRATION = Statement(
    insert(Confirmation).values(
        id=_id,
        purpose=Purpose.REGISTRATION,
        email=_email,
        full_name=bindparam("full_name", type_=String()),
        password_hash=bindparam("password_hash", type_=String()),
        expires_at=func.now() + ON_ITS_WAY,
    )
)
_other = aliased(User)
_DUE = Statement(
    select(col(Confirmation.purpose), col(Confirmation.email), col(User.email), col(_other.email))
    .select_from(Confirmation)
    .outerjoin(User, and_(col(User.id) == col(Confirmation.user_id), *MAY_SIGN_IN))
    .outerjoin(
        _other,
        and_(
            func.lower(col(_other.email)) == func.lower(col(Confirmation.email)),
            col(_other.id).is_distinct_from(col(Confirmation.user_id)),
            col(_other.deleted_at).is_(None),
        ),
    )
    .where(col(Confirmation.id) == _id, _is_waiting)
)
_ISSUE = Statement(
    update(Confirmation)
    .where(col(Confirmation.id) == bindparam("of_id", type_=Uuid()))
    .values(
        digest=bindparam("new_digest", type_=LargeBinary()),
        expires_at=func.now() + cast(bindparam("lifetime"), Interval()),
    )
)
_RESET_ACCOUNT = Statement(
    select(func.lower(col(User.email)), col(User.full_name))
    .join(Confirmation, col(Confirmation.user_id) == col(User.id))
    .where(_is_of_token, col(Confirmation.purpose) == Purpose.RESET, col(Confirmation.state) == _state, *MAY_SIGN_IN)
)
_REGISTRATION = Statement(
    select(col(Confirmation.password_hash)).where(_is_of_token, col(Confirmation.purpose) == Purpose.REGISTRATION)
)
_USE_RESET, _USE_OTHER = (
    Statement(delete(Confirmation).where(_is_of_token, is_meant).returning(*loaded_columns(Confirmation)))
    for is_meant in (col(Confirmation.purpose) == Purpose.RESET, col(Confirmation.purpose) != Purpose.RESET)
)
_LOCK_ACCOUNT = Statement(
    select(*loaded_columns(User))
    .where(col(User.id) == _id, _state == bindparam("state", type_=LargeBinary()), *MAY_SIGN_IN)
    .with_for_update(key_share=True)
)
_KEEP_GOOD = Statement(
    update(Confirmation)
    .where(
        col(Confirmation.user_id) == col(User.id),
        col(User.id) == bindparam("of_user", type_=Uuid()),
        col(Confirmation.state) == _state,
    )
    .values(state=_state_with(bindparam("new_hash", type_=String())))
)
_confirmation, _user = frozen(Confirmation), frozen(User)


class Due(NamedTuple):
    """What a mail is to be about."""

    purpose: Purpose
    email: str | None
    """That is to become the account's, or stay it."""
    owner: str | None
    """The address of the account that it is about, if that may sign in."""
    taken_by: str | None
    """The same address as another account writes it."""


class ConfirmationRepository:
    """Wishes that wait for their links to be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask_reset(self, change: Change, email: str) -> UUID:
        """Keep that the account with this address wants another password, or that nobody does: its id."""
        return await self._ask(change, _ASK_RESET, email=email)

    async def ask_address(self, change: Change, user_id: UUID, email: str | None) -> UUID:
        """Keep that the account wants this address, or to show that it has its present one: its id."""
        return await self._ask(change, _ASK_ADDRESS, user_id=user_id, email=email)

    async def ask_registration(self, change: Change, email: str, full_name: str, password_hash: str) -> UUID:
        """Keep that somebody wants an account: its id."""
        values = {"email": email, "full_name": full_name, "password_hash": password_hash}
        return await self._ask(change, _ASK_REGISTRATION, **values)

    async def _ask(self, change: Change, statement: Statement, **values: object) -> UUID:
        id = uuid7()
        await change.unit.execute(statement, {"id": id, **values})
        return id

    async def due(self, id: UUID) -> Due | None:
        """What the mail of a wish is to be about; None when it has waited for too long, or was fulfilled."""
        for purpose, *addresses in await self._database.read(_DUE, {"id": id}, at_primary=True):
            return Due(Purpose(purpose), *addresses)
        return None

    async def issue(self, change: Change, id: UUID, digest: bytes, lifetime: timedelta) -> None:
        """Keep the digest of the token in the newest mail."""
        await change.unit.execute(_ISSUE, {"of_id": id, "new_digest": digest, "lifetime": lifetime})

    async def keep_good(self, change: Change, user_id: UUID, password_hash: str) -> None:
        """The same password is about to have another hash: what waits for a link is not void for that."""
        await change.unit.execute(_KEEP_GOOD, {"of_user": user_id, "new_hash": password_hash})

    async def reset_account(self, digest: bytes) -> tuple[str, str] | None:
        """Address, folded, and name of the account whose password this token may set."""
        for email, full_name in await self._database.read(_RESET_ACCOUNT, {"digest": digest}, at_primary=True):
            return email, full_name
        return None

    async def registration(self, digest: bytes) -> str | None:
        """The hash of the password of an account that this token makes; None when it makes none."""
        for (password_hash,) in await self._database.read(_REGISTRATION, {"digest": digest}, at_primary=True):
            return str(password_hash)
        return None

    async def use_reset(self, change: Change, digest: bytes) -> User | None:
        """Use a token up: the account whose password it may set, locked."""
        used = await self._used(change, _USE_RESET, digest)
        return None if used is None else await self.lock_account(change, used)

    async def use(self, change: Change, digest: bytes) -> Confirmation | None:
        """Use up any other token: what it confirms. Of several at once, one gets it."""
        return await self._used(change, _USE_OTHER, digest)

    async def _used(self, change: Change, statement: Statement, digest: bytes) -> Confirmation | None:
        for row in await change.unit.execute(statement, {"digest": digest}):
            return _confirmation(row)
        return None

    async def lock_account(self, change: Change, confirmation: Confirmation) -> User | None:
        """The account that it is about, locked, if that may sign in and has the password and the address of then."""
        values = {"id": confirmation.user_id, "state": confirmation.state}
        for row in await change.unit.execute(_LOCK_ACCOUNT, values):
            return _user(row)
        return None
