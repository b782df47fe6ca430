"""The journal, read: the history of a row, for those who see the row; all of it, for administrators."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Interval,
    Numeric,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.auth import CALLER_IS_ADMIN, RESOURCES, RESTORE, Policy, Principal, admitted, gate
from shared.extensions import Extensions
from shared.reads.collection import Collection, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.listing import Listing, Page
from shared.reads.periods import iso_8601
from shared.reads.projection import Derived, Document, Projector
from shared.rows import Action, JournalEntry, Model, table_of
from shared.wire import Database, Statement


def _as_documents_have_it(state: str) -> Callable[[FromClause, Extensions], ColumnElement[Any]]:
    """The values in this column of the journal, with decimal numbers and durations as a document has them."""

    def compute(entries: FromClause, _extensions: Extensions) -> ColumnElement[Any]:
        values, table = entries.c[state], func.coalesce(entries.c.part, entries.c.resource)
        columns = [column for rows in _recorded() for column in rows.c]
        decimals, periods = ([c for c in columns if isinstance(c.type, kind)] for kind in (Numeric, Interval))
        if not decimals and not periods:
            return values
        each = func.jsonb_each(values).table_valued(Column("key", Text), Column("value", JSONB), name="each")
        text = each.c.value.op("#>>")(literal_column("'{}'"))
        told = case(
            (each.c.value == literal_column("'null'::jsonb"), each.c.value),
            (_is_one_of(decimals, table, each.c.key), func.to_jsonb(text)),
            (_is_one_of(periods, table, each.c.key), func.to_jsonb(iso_8601(text))),
            else_=each.c.value,
        )
        rebuilt = select(func.jsonb_object_agg(each.c.key, told)).correlate(entries).scalar_subquery()
        names = sorted({column.table.name for column in (*decimals, *periods)})
        return case((table.in_([literal(name) for name in names]), func.coalesce(rebuilt, values)), else_=values)

    return compute


def _recorded() -> Iterator[Table]:
    """The tables whose rows the journal tells of: those of the resources, and of their parts."""
    yield from (table_of(one.model) for one in RESOURCES.values())
    yield from (table for table in Model.metadata.tables.values() if "recorded_with" in table.info)


def _is_one_of(columns: Sequence[Column[Any]], table: ColumnElement[Any], name: ColumnElement[Any]) -> Any:
    return or_(false(), *((table == literal(one.table.name)) & (name == literal(one.name)) for one in columns))


class HistoryRead(Document, of=JournalEntry):
    """A change of a row, or of a part of it. `before` and `after` have the columns that changed; of a part, all."""

    id: int = Field(description="The number of the change.")
    at: datetime = Field(description="When it happened.")
    action: Action = Field(description="What happened to the row, or to the part.")
    part: str | None = Field(description="The part that changed; null when it is the row itself.")
    actor_id: UUID | None = Field(description="The account that did it; null when that was no account.")
    before: Annotated[dict[str, Any] | None, Derived(_as_documents_have_it("before"))] = Field(
        description="The former values of the columns; null of what is new."
    )
    after: Annotated[dict[str, Any] | None, Derived(_as_documents_have_it("after"))] = Field(
        description="The new values of the columns; null of what was removed."
    )


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
        values = caller.parameters() | {"scope:subject_id": id}
        ((is_visible,),) = admitted(await database.read(self._visibility, values))
        return page if is_visible else None

    def _of_a_visible_row(self, entries: FromClause, extensions: Extensions) -> tuple[ColumnElement[bool]]:
        return ((entries.c.resource == self._rows.name) & self._is_visible(extensions),)

    def _is_visible(self, extensions: Extensions) -> ColumnElement[bool]:
        """Whether the row `:scope:subject_id` is visible. Evaluated once, however many entries there are."""
        rows = self._rows.alias()
        role = self._policy.role(rows, extensions)
        visible = case((rows.c.deleted_at.is_(None), role.is_not(None)), else_=self._policy.permits(RESTORE, role))
        found = select(visible).where(rows.c.id == bindparam("scope:subject_id", type_=Uuid()))
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
