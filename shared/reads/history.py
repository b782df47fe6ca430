"""The readers of the journal: the history of a row, for who sees the row, and all of it, for administrators."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    String,
    Table,
    Uuid,
    bindparam,
    case,
    false,
    func,
    literal,
    null,
    select,
)

from shared.auth import CALLER_IS_ADMIN, InvalidToken, Policy, Principal, gate
from shared.extensions import Extensions
from shared.reads.collection import Collection, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.listing import Listing, Page
from shared.reads.projection import Document, Projector
from shared.rows import Action, JournalEntry
from shared.wire import Database, Statement


class HistoryRead(Document, of=JournalEntry):
    """A change of a row, or of a part of it; `before` and `after` have the columns that changed, and all of a part."""

    id: int
    at: datetime
    action: Action
    part: str | None
    actor_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class JournalRead(HistoryRead):
    """A change of any row, and where it came from: that is nothing for who merely shares in a project."""

    resource: str
    subject_id: UUID
    session_id: UUID | None
    request_id: str | None


HISTORY = Collection(HistoryRead, filters=("action", "part", "actor_id", "at"), sorts=(), default_sort=(("at", True),))
JOURNAL = Collection(
    JournalRead,
    filters=("resource", "subject_id", "actor_id", "action", "part", "request_id", "at"),
    sorts=(),
    default_sort=(("at", True),),
)


class History:
    """What the journal tells of a row: to whom the row is visible, a deleted one to whom may restore it."""

    def __init__(self, rows: Table, policy: Policy, projector: Projector, cursors: Cursors) -> None:
        self._rows = rows
        self._policy = policy
        history = Policy(role=_no_role, listed=self._of_a_visible_row, allowed={})
        self._listing = Listing(HISTORY, history, projector, cursors, scope=("subject_id",))
        visible = self._is_visible(projector.extensions)
        self._visibility = Statement(select(visible).select_from(gate(projector.extensions)))

    async def page(self, database: Database, id: UUID, caller: Principal, query: ListQuery) -> Page | None:
        """A page, newest first; None when there is no such row, or not for the caller.

        Raises InvalidCursor, and InvalidToken when the caller's session has ended.
        """
        page = await self._listing.page(database, caller, query, subject_id=id)
        if page.items != b"[]":
            return page
        # Past the end, or nothing that the filters match, or of what the caller does not see.
        found = await database.read(self._visibility, caller.parameters() | {"subject_id": id})
        if not found:
            raise InvalidToken
        return page if found[0][0] else None

    def _of_a_visible_row(self, entries: FromClause, extensions: Extensions) -> tuple[ColumnElement[bool]]:
        return ((entries.c.resource == self._rows.name) & self._is_visible(extensions),)

    def _is_visible(self, extensions: Extensions) -> ColumnElement[bool]:
        """Whether the row `:subject_id` is: found once, whatever number of entries there is."""
        rows = self._rows.alias()
        role = self._policy.role(rows, extensions)
        restorable = role == func.any(literal(sorted(self._policy.allowed["restore"]), ARRAY(String())))
        visible = case((rows.c.deleted_at.is_(None), role.is_not(None)), else_=restorable)
        found = select(visible).where(rows.c.id == bindparam("subject_id", type_=Uuid()))
        return func.coalesce(found.scalar_subquery(), false())


class Journal:
    """All that the journal tells, for administrators."""

    def __init__(self, database: Database, projector: Projector, cursors: Cursors) -> None:
        self._database = database
        administration = Policy(role=_no_role, listed=lambda _entries, _extensions: (CALLER_IS_ADMIN,), allowed={})
        self._listing = Listing(JOURNAL, administration, projector, cursors)

    async def page(self, caller: Principal, query: ListQuery) -> Page:
        """A page, newest first; empty for all but administrators. Raises InvalidCursor, and InvalidToken."""
        return await self._listing.page(self._database, caller, query)


def _no_role(_entries: FromClause, _extensions: Extensions) -> ColumnElement[Any]:
    return null()
