"""The journal, read: the history of a row, for those who see the row; all of it, for administrators."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, FromClause, Table, Uuid, bindparam, case, false, func, null, select

from shared.auth import CALLER_IS_ADMIN, RESTORE, Policy, Principal, admitted, gate
from shared.extensions import Extensions
from shared.reads.collection import Collection, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.listing import Listing, Page
from shared.reads.projection import Document, Projector
from shared.rows import Action, JournalEntry
from shared.wire import Database, Statement


class HistoryRead(Document, of=JournalEntry):
    """A change of a row, or of a part of it. `before` and `after` have the columns that changed; of a part, all."""

    id: int = Field(description="The number of the change.")
    at: datetime = Field(description="When it happened.")
    action: Action = Field(description="What happened to the row, or to the part.")
    part: str | None = Field(description="The part that changed; null when it is the row itself.")
    actor_id: UUID | None = Field(description="The account that did it; null when that was no account.")
    before: dict[str, Any] | None = Field(description="The former values of the columns; null of what is new.")
    after: dict[str, Any] | None = Field(description="The new values of the columns; null of what was removed.")


class JournalRead(HistoryRead):
    """A change of any row, with the session and the request that it came from."""

    resource: str = Field(description="The resource that changed, or whose part did.")
    subject_id: UUID = Field(description="The id of the resource.")
    session_id: UUID | None = Field(description="The session that it came from; null when there was none.")
    request_id: str | None = Field(description="The request that it came from; null when there was none.")


HISTORY = Collection(HistoryRead, filters=("action", "part", "actor_id", "at"), sorts=(), default_sort=(("at", True),))
JOURNAL = replace(
    HISTORY, document=JournalRead, filters=("resource", "subject_id", "actor_id", "action", "part", "request_id", "at")
)


class History:
    """The history of a row, for those who see it; of a deleted row, for those who may restore it."""

    def __init__(self, rows: Table, policy: Policy, projector: Projector, cursors: Cursors) -> None:
        self._rows = rows
        self._policy = policy
        history = Policy(role=_no_role, listed=self._of_a_visible_row, allowed={})
        self._listing = Listing(HISTORY, history, projector, cursors, scope=("subject_id",))
        visible = self._is_visible(projector.extensions)
        self._visibility = Statement(select(visible).select_from(gate(projector.extensions)))

    async def page(self, database: Database, id: UUID, caller: Principal, query: ListQuery) -> Page | None:
        """A page, newest first; None when the row does not exist, or is not visible to the caller.

        Raises InvalidCursor, and InvalidToken when the caller's session has ended.
        """
        page = await self._listing.page(database, caller, query, subject_id=id)
        if page.items != b"[]":
            return page
        # Past the end, or no entry matches, or the caller does not see the row.
        values = caller.parameters() | {"subject_id": id}
        ((is_visible,),) = admitted(await database.read(self._visibility, values))
        return page if is_visible else None

    def _of_a_visible_row(self, entries: FromClause, extensions: Extensions) -> tuple[ColumnElement[bool]]:
        return ((entries.c.resource == self._rows.name) & self._is_visible(extensions),)

    def _is_visible(self, extensions: Extensions) -> ColumnElement[bool]:
        """Whether the row `:subject_id` is visible. Evaluated once, however many entries there are."""
        rows = self._rows.alias()
        role = self._policy.role(rows, extensions)
        visible = case((rows.c.deleted_at.is_(None), role.is_not(None)), else_=self._policy.permits(RESTORE, role))
        found = select(visible).where(rows.c.id == bindparam("subject_id", type_=Uuid()))
        return func.coalesce(found.scalar_subquery(), false())


class Journal:
    """The whole journal, for administrators."""

    def __init__(self, database: Database, projector: Projector, cursors: Cursors) -> None:
        self._database = database
        administration = Policy(role=_no_role, listed=lambda _entries, _extensions: (CALLER_IS_ADMIN,), allowed={})
        self._listing = Listing(JOURNAL, administration, projector, cursors)

    async def page(self, caller: Principal, query: ListQuery) -> Page:
        """A page, newest first; empty unless the caller is an administrator. Raises InvalidCursor and InvalidToken."""
        return await self._listing.page(self._database, caller, query)


def _no_role(_entries: FromClause, _extensions: Extensions) -> ColumnElement[Any]:
    return null()
