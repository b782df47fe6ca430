"""The change feed: every change of what the caller sees, exactly once, and after the changes it depends on.

The order of the journal's ids does not give that: a slow transaction commits entries with smaller ids than those that
were read already. Nor does the order of transaction ids: a change may depend on one whose transaction began later. So
a cursor is a snapshot of PostgreSQL. An entry is new when the present snapshot sees it and the cursor's did not. Among
new entries, an entry has a greater id than all those it depends on.

The feed is read from the primary: on a standby, `pg_current_snapshot()` does not know which transactions run.
"""

import json
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Principal, admitted, gate
from shared.errors import Gone
from shared.reads import Cursors, Document, Projector
from shared.rows import Action, JournalEntry, Model, table_of
from shared.wire import Database, Statement
from shared.writes import Repository

LATEST = "latest"
"""In place of a cursor: from now on."""

MOST_EXAMINED = 5000
"""Entries that one poll examines, whoever sees them. The next poll goes on after them."""


class CursorExpired(Gone):
    """This cursor is older than the changes that are kept. Take `after=latest`, list everything, then follow."""


class ChangeRead(Document):
    """A change of a resource, or of a part of it. `deleted` without `part`: you can no longer see the resource.
    `created` without `part`: the resource is new to you.
    """

    resource: str
    id: UUID
    action: Action
    part: str | None
    version: int | None
    at: datetime
    actor_id: UUID | None


class Snapshot(NamedTuple):
    """A snapshot as PostgreSQL writes it, which tells the transactions that had ended; taken at seconds since 1970."""

    text: str
    taken_at: int


class Position(NamedTuple):
    """How far a client has read: all that `since` sees, and of what `until` sees the entries up to the id `last`."""

    since: Snapshot | None = None
    until: Snapshot | None = None
    last: int = 0

    def to_json(self) -> bytes:
        """What a cursor holds."""
        return json.dumps(self, separators=(",", ":")).encode()

    @classmethod
    def of(cls, since: Any, until: Any, last: int) -> "Position":
        """From what a cursor holds."""
        return cls(since and Snapshot(*since), until and Snapshot(*until), last)


class ChangePage(NamedTuple):
    """A page of changes."""

    items: Sequence[bytes]
    next_cursor: str
    has_more: bool

    def to_json(self) -> bytes:
        """The body of the answer."""
        has_more = b"true" if self.has_more else b"false"
        parts = (b",".join(self.items), self.next_cursor.encode(), has_more)
        return b'{"items":[%b],"next_cursor":"%b","has_more":%b}' % parts


class Changes:
    """Reads the feed behind the gate, with one statement a poll."""

    def __init__(
        self,
        repositories: Sequence[type[Repository[Any]]],
        database: Database,
        projector: Projector,
        cursors: Cursors,
        retention: timedelta,
        *,
        most_examined: int = MOST_EXAMINED,
    ) -> None:
        """`retention` is how long the journal is kept."""
        self._repositories = repositories
        self._database = database
        self._projector = projector
        self._cursors = cursors
        self._retention = retention
        self._most_examined = most_examined
        self._gate = gate(projector.extensions)
        self._from_the_beginning = self._compile(_VISIBLE)
        self._since = self._compile(sa.and_(_VISIBLE, *_NOT_KNOWN))
        self._latest = Statement(sa.select(sa.cast(sa.func.pg_current_snapshot(), sa.String())).select_from(self._gate))

    async def page(self, caller: Principal, after: str | None, limit: int) -> ChangePage:
        """The changes after a cursor; without one, all that are kept; after LATEST, none yet.

        Raises InvalidCursor, CursorExpired, and InvalidToken when the caller's session has ended.
        """
        context = repr(("changes", caller.user_id))
        now = int(time.time())
        if after == LATEST:
            ((text,),) = admitted(await self._database.read(self._latest, caller.parameters()))
            return ChangePage([], self._cursors.sign(Position(Snapshot(text, now)).to_json(), context), has_more=False)
        position = self._position(after, context, now)
        statement = self._from_the_beginning if position.since is None else self._since
        values = {
            "since": position.since and position.since.text,
            "until": position.until and position.until.text,
            "last": position.last,
            "most": limit + 1,
        }
        rows = admitted(await self._database.read(statement, caller.parameters() | values))
        text, is_known = rows[0][:2]
        if not is_known:
            raise CursorExpired(parameter="after")
        told = [row[2:] for row in rows if row[2] is not None]
        page = told[:limit]
        has_more = len(told) > limit or (bool(page) and page[-1][0] == self._most_examined)
        until = position.until or Snapshot(text, now)
        following = Position(position.since, until, page[-1][1]) if has_more else Position(until)
        items = [item for _, _, item in page if item is not None]
        return ChangePage(items, self._cursors.sign(following.to_json(), context), has_more)

    def _position(self, after: str | None, context: str, now: int) -> Position:
        if after is None:
            return Position()
        position = Position.of(*self._cursors.read(after, context, parameter="after"))
        known = position.since or position.until
        if known is not None and known.taken_at < now - self._retention.total_seconds():
            raise CursorExpired(parameter="after")
        return position

    def _compile(self, new: sa.ColumnElement[bool]) -> Statement:
        told = self._told(self._judged(new))
        answer = sa.select(_UNTIL_TEXT, _IS_KNOWN, told.c.number, told.c.entry_id, told.c.item)
        return Statement(answer.select_from(self._gate.outerjoin(told, sa.true())).order_by(told.c.entry_id))

    def _judged(self, new: sa.ColumnElement[bool]) -> sa.Subquery:
        """The next new entries, whoever sees them, numbered; and whether the caller sees the resource of each."""
        # The ids come first: PostgreSQL finds them in an index alone.
        picked = (
            sa.select(_entries.c.id)
            .where(new, _entries.c.id > sa.bindparam("last", type_=sa.BigInteger()))
            .order_by(_entries.c.id)
            .limit(sa.literal_column(str(self._most_examined)))
            .subquery("picked")
        )
        # Each entry is looked up by its id: a join might scan the journal from its beginning.
        entry = sa.select(_entries).where(_entries.c.id == picked.c.id).limit(sa.literal_column("1")).lateral("entry")
        # With a window function, PostgreSQL judges no entries after the page.
        number = sa.func.row_number().over(order_by=picked.c.id)
        cases = (self._in_the_world(repository, entry) for repository in self._repositories)
        visible = sa.case(*cases, else_=sa.false())
        judged = sa.select(picked.c.id.label("entry_id"), entry, number.label("number"), visible.label("is_visible"))
        return judged.select_from(picked.join(entry, sa.true())).subquery("judged")

    def _in_the_world(
        self, repository: type[Repository[Any]], entry: sa.FromClause
    ) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        """Whether an entry is of this resource, and whether the caller sees the row. What only an administrator's role
        lets them see counts when it is in their list.
        """
        table = table_of(repository.model)
        rows = table.alias()
        extensions = self._projector.extensions
        role = sa.cast(repository.policy.role(rows, extensions), sa.String())
        listed = sa.or_(*repository.policy.listed(rows, extensions))
        visible = sa.select(sa.or_(role != sa.literal(ADMIN, sa.String()), sa.and_(CALLER_IS_ADMIN, listed))).where(
            rows.c.id == entry.c.subject_id
        )
        # A scalar subquery is a look-up for each entry; for an EXISTS, PostgreSQL might scan the table.
        found = sa.func.coalesce(visible.correlate(entry).scalar_subquery(), sa.false())
        return entry.c.resource == table.name, found

    def _told(self, judged: sa.Subquery) -> Any:
        """The entries that the caller is told, and the last one examined: with it, there may be more."""
        was_theirs, is_theirs = _names_the_caller(judged, "before"), _names_the_caller(judged, "after")
        is_lost = sa.and_(sa.not_(judged.c.is_visible), was_theirs, sa.not_(is_theirs))
        version = sa.cast(judged.c.after["version"].astext, sa.Integer())
        is_gained = sa.and_(judged.c.part.is_not(None), judged.c.action == Action.CREATED.value, is_theirs)
        change = sa.select(
            judged.c.entry_id,
            judged.c.number,
            sa.or_(judged.c.is_visible, is_lost).label("is_told"),
            judged.c.resource,
            judged.c.subject_id.label("id"),
            sa.case((is_lost, Action.DELETED.value), else_=judged.c.action).label("action"),
            sa.case((sa.or_(is_lost, is_gained), sa.null()), else_=judged.c.part).label("part"),
            sa.case((judged.c.part.is_(None), version)).label("version"),
            judged.c.at,
            judged.c.actor_id,
        ).subquery("change")
        item = sa.case((change.c.is_told, self._projector.json(ChangeRead, change)))
        told = sa.select(change.c.entry_id, change.c.number, item.label("item"))
        told = told.where(sa.or_(change.c.is_told, change.c.number == sa.literal_column(str(self._most_examined))))
        return told.order_by(change.c.entry_id).limit(sa.bindparam("most", type_=sa.Integer())).lateral("told")


class _PgSnapshot(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "PG_SNAPSHOT"


def _snapshot(name: str) -> sa.ColumnElement[Any]:
    return sa.cast(sa.bindparam(name, type_=_PgSnapshot()), _PgSnapshot())


_entries = table_of(JournalEntry)
_span = sa.select(
    _snapshot("since").label("since"),
    sa.func.coalesce(_snapshot("until"), sa.func.pg_current_snapshot()).label("until"),
).cte("span")
# Scalar subqueries: PostgreSQL evaluates them once, and can look for the value in an index.
_SINCE, _UNTIL = (sa.select(column).scalar_subquery() for column in (_span.c.since, _span.c.until))
_VISIBLE = sa.func.pg_visible_in_snapshot(_entries.c.xid, _UNTIL)
_NOT_KNOWN = (
    sa.not_(sa.func.pg_visible_in_snapshot(_entries.c.xid, _SINCE)),
    # These two use the index.
    _entries.c.xid >= sa.func.pg_snapshot_xmin(_SINCE),
    _entries.c.xid < sa.func.pg_snapshot_xmax(_UNTIL),
)
_UNTIL_TEXT = sa.cast(_UNTIL, sa.String())
_IS_KNOWN = sa.and_(
    # A cluster restored from a dump numbers its transactions anew. Old snapshots mean nothing there.
    sa.func.coalesce(sa.func.pg_snapshot_xmax(_SINCE) <= sa.func.pg_snapshot_xmax(_UNTIL), sa.true()),
    sa.func.pg_snapshot_xmax(_UNTIL) <= sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()),
)


def _names_the_caller(entries: sa.FromClause, state: str) -> sa.ColumnElement[bool]:
    """Whether the row of an entry names the caller in a column that its table marks as SHARER."""
    columns = (column for table in Model.metadata.sorted_tables for column in table.columns if "sharer" in column.info)
    table, caller = sa.func.coalesce(entries.c.part, entries.c.resource), sa.cast(CALLER_ID, sa.String())
    named = (sa.and_(table == column.table.name, entries.c[state][column.name].astext == caller) for column in columns)
    return sa.func.coalesce(sa.or_(sa.false(), *named), sa.false())
