"""What a module publishes of a resource in its `api.py`: others refer to its rows without statements of their own."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Uuid, bindparam, false, func, select, true

from shared.auth import CHANGE, READ, TRUSTED, InvalidToken, gate, role_on
from shared.extensions import Extensions
from shared.reads import Reader
from shared.rows import belongings, live, table_of
from shared.wire import Statement
from shared.writes.change import Change


class Api:
    """What other modules may ask about the rows of a resource: `class UsersApi(Api)`.

    A row that is held stays live until the unit of work ends. Rows are held in the order of their ids, so that two
    changes that hold the same ones do not wait for each other.
    """

    resource: ClassVar[type[Reader[Any]]]

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self._gate = gate(extensions)
        self._rows = table_of(self.resource.model)
        self._live = Statement(self._holding())
        self._allowed = lru_cache(maxsize=100)(self._compile_allowed)

    @classmethod
    def role_on(cls, id: ColumnElement[UUID], extensions: Extensions) -> ColumnElement[Any]:
        """The caller's role on the live row with the id in this column: for the policy of what belongs to that row.
        NULL when it is deleted or invisible.
        """
        return role_on(cls.resource.resource(), id, extensions)

    async def hold_live(self, change: Change, ids: Collection[UUID]) -> bool:
        """Hold the live rows among these. Whether each of them is live."""
        return len(await self._held(change, self._live, ids)) == len(set(ids))

    async def allowed(self, change: Change, ids: Collection[UUID], action: str) -> frozenset[UUID]:
        """Hold the live rows among these on which the caller may do the action, and give their ids.

        It is one of the policy's actions, or READ. Raises InvalidToken when the session has ended.
        """
        source = TRUSTED if change.caller.session_id is None else self._gate
        found = await self._held(change, self._allowed(source, action), ids, **change.caller.parameters())
        if not found:
            raise InvalidToken
        allowed = found - {None}
        for id in sorted(allowed):
            change.allow(self.resource.resource(), action, id)
        return allowed

    async def demand(self, change: Change, id: UUID, action: str, pointer: str | None = None) -> None:
        """Hold a live row on which the caller may do the action. Raises the errors of its resource, which point to its
        place in the body, and InvalidToken.
        """
        if id not in await self.allowed(change, [id], action):
            is_seen = id in await self.allowed(change, [id], READ)
            raise (self.resource.denied if is_seen else self.resource.absent)(pointer=pointer)

    async def _held(
        self, change: Change, statement: Statement, ids: Collection[UUID], /, **values: Any
    ) -> frozenset[UUID]:
        """The ids that a statement over `_holding` gives; `values` are the parameters of its conditions."""
        return frozenset(id for (id,) in await change.unit.execute(statement, {"ids": [*ids], **values}))

    def _holding(self, *conditions: ColumnElement[bool]) -> Select[UUID]:
        """Holds the live rows among `:ids` that meet the conditions, and gives their ids."""
        named = self._rows.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid())))
        found = select(self._rows.c.id).where(named, *live(self._rows), *conditions).order_by(self._rows.c.id)
        # A row that is deleted only after `lock` is held by FOR KEY SHARE, which lets other updates pass. One that is
        # deleted along with others needs more, because that deletion locks nothing first.
        is_locked_first = not belongings(self._rows)
        return found.with_for_update(read=True, key_share=is_locked_first, of=self._rows)

    def _compile_allowed(self, source: FromClause, action: str) -> Statement:
        """It gives no row when the session has ended, and a NULL when nothing is allowed."""
        policy = self.resource.policy
        role = policy.role(self._rows, self._extensions)
        if action == CHANGE and CHANGE not in policy.allowed:
            permitted: ColumnElement[bool] = false()  # What nobody changes has no parts.
        else:
            permitted = role.is_not(None) if action == READ else policy.permits(action, role)
        held = self._holding(permitted).lateral("held")
        return Statement(select(held.c.id).select_from(source.outerjoin(held, true())))
