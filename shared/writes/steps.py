"""Steps: what the operations of a repository are made of. A service that has more to say takes them itself."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import FromClause, select, true
from uuid_utils.compat import uuid7

from shared.auth import CHANGE, READ, TRUSTED, InvalidToken
from shared.errors import Conflict, Contended
from shared.reads import WHOLE, ListQuery, Reader, Representation, Tools
from shared.rows import OWNER, Resource, belongs_to, frozen, live, loaded_columns, table_of
from shared.wire import Statement
from shared.writes.change import Change
from shared.writes.groups import Group
from shared.writes.matching import Matched, Matching
from shared.writes.parents import ParentDeleted, Parents
from shared.writes.preconditions import PreconditionFailed
from shared.writes.verbs_on_many import VerbsOnMany

M = TypeVar("M", bound=Resource)


class Steps(Reader[M]):
    """The steps of a change of one row, within what the policy allows."""

    orphaned: ClassVar[type[Conflict] | None] = ParentDeleted
    """Raised for a row that cannot come back, because what it belongs to is deleted. None: it can."""

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._verbs: VerbsOnMany[M] = VerbsOnMany(self.model)
        self._frozen: Callable[[Sequence[Any]], M] = frozen(self.model)
        self._lock = lru_cache(maxsize=4)(self._compile_lock)
        self._matching: Matching[M] = Matching(self, tools.projector)
        self._group = Group(self.resource(), tools.events)
        self._parents = Parents(table_of(self.model), tools.projector.extensions)

    async def document(self, change: Change, id: UUID) -> Representation:
        """The document as the change leaves it. It is read behind the gate, after all locks are held, so that a session
        that ended meanwhile changes nothing. Raises InvalidToken, and `absent` where the caller has lost sight of the
        row, meanwhile or before the answer is asked for again under an idempotency key.
        """
        change.allow(self.resource(), READ, id)
        return await self._document(change, id)

    async def lock(self, change: Change, id: UUID, action: str, *, include_deleted: bool = False) -> M:
        """The row, frozen, and locked until the unit of work ends.

        Raises `absent`, or `denied` when the caller's role does not allow the action; a deleted row that one may not
        restore is absent. Raises InvalidToken when the session has ended. The role is that of the moment of asking: a
        change that had to wait for the lock is not judged again. Raises VersionMismatch, AlreadyThere and
        PreconditionRequired where the change's precondition is about this row.
        """
        statement = self._lock(TRUSTED if change.caller.session_id is None else self._gate, include_deleted)
        found = await change.unit.execute(statement, change.caller.parameters() | {"id": id})
        if not found:
            raise InvalidToken
        *values, role = found[0]
        if role is None:
            raise self.absent
        row = self._frozen(values)
        self.policy.demand(action, role, self.denied if row.deleted_at is None else self.absent)
        change.allow(self.resource(), action, id)
        if id == change.target:
            await self._demand_version(change, row)
        return row

    async def lock_all(self, change: Change, matching: ListQuery, action: str, /, **columns: Any) -> Matched[M]:
        """The rows of the collection that match and on which the caller may do this: locked, by id, at most as many as
        the query's limit. With columns, only rows that have other values there. Raises InvalidInput, and InvalidToken
        when the session has ended.
        """
        found = await self._matching.lock(change, matching, action, columns)
        for row in found.rows:
            change.allow(self.resource(), action, row.id)
        return found

    async def add(self, change: Change, /, **columns: Any) -> UUID:
        """Store a new row. Its id. The next statement raises the error of a constraint that the row breaks."""
        id: UUID = columns.setdefault("id", uuid7())
        await self._verbs.insert(change, **columns)
        return id

    async def update(self, change: Change, row: M, /, **columns: Any) -> bool:
        """Give a locked row these columns: whether it did not have them; see `Verbs.update`."""
        return await self._verbs.update(change, row, **columns)

    async def touch(self, change: Change, row: M) -> None:
        """Give a locked row a new version; see `Verbs.touch`."""
        await self._verbs.touch(change, row)

    async def upsert(self, change: Change, by: Sequence[str], /, **columns: Any) -> tuple[UUID, bool]:
        """Insert, or update the live row with the same values in `by`, which has a unique rule and includes the owner:
        the id, and whether it is new. Raises the error of a constraint that it breaks, PreconditionFailed,
        VersionMismatch, AlreadyThere, PreconditionRequired, and Contended.
        """
        precondition = change.precondition
        if precondition is not None and not change.is_settled:
            present = await self._verbs.find(change, **{name: columns[name] for name in by})
            if present is not None:
                try:
                    await self.lock(change.about(present.id), present.id, CHANGE)
                except self.absent:
                    raise Contended from None  # Another change deleted it since we looked.
            elif precondition.wants_one:
                raise PreconditionFailed
        id, is_new = await self._verbs.upsert(change, by, **{"id": uuid7()} | columns)
        if precondition is not None and not change.is_settled and not is_new:
            raise Contended  # Another change inserted it since we looked.
        change.allow(self.resource(), READ if is_new else CHANGE, id)
        return id, is_new

    async def delete(self, change: Change, row: M) -> None:
        """Delete a locked row, and what goes along with it, as one group."""
        await self._group.delete(change, [await self._verbs.delete(change, id=row.id)])

    async def restore(self, change: Change, row: M) -> None:
        """Bring back a locked row, with what went along. One that is not deleted stays as it is. Raises `orphans`, and
        `rules_of_group` with the row in the way.
        """
        # A deletion of what it belongs to that runs just now would not see the row.
        if not await self._parents.hold_live(change, row):
            if belongs_to(table_of(self.model), OWNER) is None:
                raise self.absent  # As a part is whose parent was deleted before.
            if self.orphaned is not None:
                raise self.orphaned
        await self._verbs.restore(change, id=row.id)
        if row.deletion_id is not None:
            await self._group.restore(change, row.deletion_id)

    async def _document(self, change: Change, id: UUID) -> Representation:
        source = TRUSTED if change.caller.session_id is None else self._gate
        statement = self._documents(WHOLE, source)
        values = change.caller.parameters() | {"id": id}
        return self._represented(id, await change.unit.execute(statement, values))

    async def _demand_version(self, change: Change, row: M) -> None:
        precondition = change.precondition
        if precondition is None or change.is_settled:
            return
        change.is_settled = True
        if not precondition.allows(row.version):
            content = None if row.deleted_at is not None else (await self._document(change, row.id)).content
            raise precondition.refusal(row.version, content)

    def _compile_lock(self, source: FromClause, include_deleted: bool) -> Statement:
        rows = table_of(self.model)
        role = self.policy.role(rows, self._projector.extensions)
        visible = [rows.c.id == self._id, role.is_not(None), *(() if include_deleted else live(rows))]
        found = select(*loaded_columns(self.model), role.label("caller:role")).where(*visible)
        locked = found.with_for_update(of=rows).lateral("locked")
        return Statement(select(locked).select_from(source.outerjoin(locked, true())))
