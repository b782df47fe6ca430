"""The change feed: every change of what the caller sees, exactly once, and after the changes it depends on.

The order of the journal's ids does not give that: a slow transaction commits entries with smaller ids than those that
were read already. Nor does the order of transaction ids: a change may depend on one whose transaction began later. So
a cursor is a snapshot of PostgreSQL. An entry is new when the present snapshot sees it and the cursor's did not. Among
new entries, an entry has a greater id than all those it depends on.

The feed is read from the primary: on a standby, `pg_current_snapshot()` does not know which transactions run.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from shared.auth import CALLER_IS_ADMIN, Principal, admitted, gate
from shared.errors import Gone
from shared.feed.clusters import NUMBERING, RESTORATION
from shared.feed.positions import NOT_KNOWN, VISIBLE, Position, Snapshot
from shared.feed.statements import FeedStatements
from shared.reads import Cursors, Projector
from shared.wire import Database, Statement
from shared.writes import Repository

LATEST = "latest"
"""In place of a cursor: from now on."""

MOST_EXAMINED = 5000
"""Entries that one poll examines, whoever sees them. The next poll goes on after them."""


class CursorExpired(Gone):
    """This cursor is older than your role, or than the changes that are kept. Take `after=latest`, list all, follow."""


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
        self._database = database
        self._cursors = cursors
        self._retention = retention
        self._most_examined = most_examined
        self._statements = FeedStatements(repositories, projector, most_examined)
        now = sa.cast(sa.func.pg_current_snapshot(), sa.String())
        self._latest = Statement(
            sa.select(now, CALLER_IS_ADMIN, NUMBERING, RESTORATION).select_from(gate(projector.extensions))
        )

    def prepare(self) -> None:
        """Compile the statements, which takes a second with fifty modules. Else the first polls do."""
        _ = self._since, self._from_the_beginning

    @cached_property
    def _since(self) -> Statement:
        return self._statements.poll(sa.and_(VISIBLE, *NOT_KNOWN))

    @cached_property
    def _from_the_beginning(self) -> Statement:
        return self._statements.poll(VISIBLE)

    async def page(self, caller: Principal, after: str | None, limit: int) -> ChangePage:
        """The changes after a cursor; without one, all that are kept; after LATEST, none yet.

        Raises InvalidCursor, CursorExpired, and InvalidToken when the caller's session has ended.
        """
        context = repr(("changes", caller.user_id))
        now = int(time.time())
        if after == LATEST:
            ((text, *reader),) = admitted(await self._database.read(self._latest, caller.parameters(), at_primary=True))
            latest = Position(Snapshot(text, now), None, 0, "", *reader)
            return ChangePage([], self._cursors.sign(latest.to_json(), context), has_more=False)
        position = self._position(after, context, now)
        statement = self._from_the_beginning if position.since is None else self._since
        values = caller.parameters() | position.parameters() | {"most": limit + 1}
        # A replica's snapshot tells nothing of the transactions that are under way.
        rows = admitted(await self._database.read(statement, values, at_primary=True))
        text, is_known, is_admin, numbering, restoration = rows[0][:5]
        if not (is_known and position.holds(is_admin, numbering, restoration)):
            raise CursorExpired(parameter="after")
        told = [row[5:] for row in rows if row[5] is not None]
        page = told[:limit]
        has_more = len(told) > limit or (bool(page) and page[-1][0] == self._most_examined)
        until = position.until or Snapshot(text, now)
        reached = Position(position.since, until, *page[-1][1:3]) if has_more else Position(until)
        following = reached._replace(is_admin=is_admin, numbering=numbering, restoration=restoration)
        items = [row[3] for row in page if row[3] is not None]
        return ChangePage(items, self._cursors.sign(following.to_json(), context), has_more)

    def _position(self, after: str | None, context: str, now: int) -> Position:
        if after is None:
            return Position()
        position = Position.of(*self._cursors.read(after, context, parameter="after"))
        known = position.since or position.until
        if known is not None and known.taken_at < now - self._retention.total_seconds():
            raise CursorExpired(parameter="after")
        return position
