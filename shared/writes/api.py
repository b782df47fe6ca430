"""What a module publishes of a resource in its `api.py`: others refer to its rows without statements of their own."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, FromClause, Select, Uuid, bindparam, func, select, true

from shared.auth import READ, TRUSTED, InvalidToken, gate
from shared.extensions import Extensions
from shared.rows import live, table_of
from shared.wire import Statement
from shared.writes.change import Change
from shared.writes.repository import Repository


class Api:
    """What other modules may ask about the rows of a resource: `class UsersApi(Api)`.

    A row that is held stays live until the unit of work ends. Rows are held in the order of their ids, so that two
    changes that hold the same ones do not wait for each other.
    """

    resource: ClassVar[type[Repository[Any]]]
    locked_before_deletion: ClassVar[bool] = False
    """Whether rows are deleted only after `lock`, which waits for FOR KEY SHARE. That lets other updates pass. A row
    that is deleted along with others is held FOR SHARE, because that deletion locks nothing first.
    """

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
        rows = table_of(cls.resource.model).alias()
        role = select(cls.resource.policy.role(rows, extensions)).where(rows.c.id == id, *live(rows))
        return role.correlate(id.table).scalar_subquery()

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

    async def _held(
        self, change: Change, statement: Statement, ids: Collection[UUID], **values: Any
    ) -> frozenset[UUID]:
        """The ids that a statement over `_holding` gives; `values` are the parameters of its conditions."""
        return frozenset(id for (id,) in await change.unit.execute(statement, {"ids": [*ids], **values}))

    def _holding(self, *conditions: ColumnElement[bool]) -> Select[UUID]:
        """Holds the live rows among `:ids` that meet the conditions, and gives their ids."""
        named = self._rows.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid())))
        found = select(self._rows.c.id).where(named, *live(self._rows), *conditions).order_by(self._rows.c.id)
        return found.with_for_update(read=True, key_share=self.locked_before_deletion, of=self._rows)

    def _compile_allowed(self, source: FromClause, action: str) -> Statement:
        """It gives no row when the session has ended, and a NULL when nothing is allowed."""
        policy = self.resource.policy
        role = policy.role(self._rows, self._extensions)
        permitted = role.is_not(None) if action == READ else policy.permits(action, role)
        held = self._holding(permitted).lateral("held")
        return Statement(select(held.c.id).select_from(source.outerjoin(held, true())))
