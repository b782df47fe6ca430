"""Quotas: how many rows of a table one account may have, parallel changes included."""

import hashlib
from collections.abc import Callable
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, Uuid, bindparam, func, literal_column, select
from sqlmodel import SQLModel

from shared.errors import DomainError
from shared.rows import table_of
from shared.wire import Statement
from shared.writes.change import Change


class Quota:
    """At most so many rows of one account.

    `SESSIONS = Quota(UserSession, "user_id", TooManySessions, sessions.c.revoked_at.is_(None))`, and before the row is
    inserted `await SESSIONS.demand(change, user_id, most)`. It takes an index that begins with the account.
    """

    def __init__(
        self, model: type[SQLModel], account: str, refusal: Callable[[], DomainError], *counted: ColumnElement[bool]
    ) -> None:
        """`account` names the column; of its rows, those that are `counted` take room."""
        rows = table_of(model)
        self._name = rows.name.encode()
        self._refusal = refusal
        # No more are counted than matter, however many there are.
        some = (
            select(literal_column("1").label("one"))
            .where(rows.c[account] == _ACCOUNT, *counted)
            .limit(_ENOUGH)
            .subquery("some")
        )
        self._count = Statement(select(func.count()).select_from(some))

    async def demand(self, change: Change, account: UUID, most: int, *, more: int = 1) -> None:
        """There is room for `more` rows of the account; with 0, for those that the change has just added. Raises the
        refusal when there is not.

        Until the unit of work ends, others who ask for the same account wait: a row that is inserted meanwhile is
        counted by them. So two statements, and not one: the second one sees what was committed while the first waited.
        """
        await change.unit.send(_LOCK, {"lock": self._lock(account)})
        ((present,),) = await change.unit.execute(self._count, {"account": account, "enough": most + 1})
        if present + more > most:
            raise self._refusal()

    def _lock(self, account: UUID) -> int:
        digest = hashlib.blake2b(account.bytes + self._name, digest_size=8).digest()
        return int.from_bytes(digest, signed=True)


_ACCOUNT: ColumnElement[UUID] = bindparam("account", type_=Uuid())
_ENOUGH: ColumnElement[int] = bindparam("enough", type_=Integer())
_LOCK = Statement(select(func.pg_advisory_xact_lock(bindparam("lock", type_=BigInteger()))))
