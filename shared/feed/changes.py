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
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from shared.auth import CALLER_IS_ADMIN, Principal, admitted, gate
from shared.errors import Gone
from shared.feed.clusters import NUMBERING, RESTORATION
from shared.feed.positions import Position, Snapshot
from shared.feed.statements import FeedStatements
from shared.reads import Cursors, Projector
from shared.rows import table_of
from shared.wire import Database, Record, Statement
from shared.writes import Repository

LATEST = "latest"
"""In place of a cursor: from now on."""

MOST_EXAMINED = 1000
"""Entries that one poll examines, whoever sees them. The next poll goes on after them."""
FEW = 4
"""So many resources have a statement of their own, compiled when these have changed together for the first time. More
are judged by the statement of all.
"""


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
    """Reads the feed behind the gate: one statement finds out what there is anything new of, a second one reads it."""

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
        self._all = frozenset(table_of(repository.model).name for repository in repositories)
        statements = FeedStatements(repositories, projector, most_examined)
        self._look = {goes_on: statements.look(goes_on=goes_on) for goes_on in (False, True)}
        self._poll = lru_cache(maxsize=200)(statements.poll)
        now = sa.cast(sa.func.pg_current_snapshot(), sa.String())
        self._latest = Statement(
            sa.select(now, CALLER_IS_ADMIN, NUMBERING, RESTORATION).select_from(gate(projector.extensions))
        )

    def prepare(self) -> None:
        """Compile the statements of all resources, which takes a second with fifty modules. Else the first polls do."""
        for goes_on in (False, True):
            self._poll(self._all, goes_on=goes_on)

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
        goes_on = position.since is not None
        values = caller.parameters() | position.parameters()
        # A replica's snapshot tells nothing of the transactions that are under way.
        looked = await self._database.read(self._look[goes_on], values, at_primary=True)
        ((text, is_known, *reader, resources),) = admitted(looked)
        if not (is_known and position.holds(*reader)):
            raise CursorExpired(parameter="after")
        until = position.until or Snapshot(text, now)
        told: Sequence[Record] = ()
        if resources:
            values |= {"until": until.text, "most": limit + 1}
            changed = self._all.intersection(resources)
            statement = self._poll(changed if len(changed) <= FEW else self._all, goes_on=goes_on)
            told = [row for row in admitted(await self._database.read(statement, values, at_primary=True)) if row[0]]
        page = told[:limit]
        has_more = len(told) > limit or (bool(page) and page[-1][0] == self._most_examined)
        place = (position.since, until, *page[-1][1:3]) if has_more else (until, None, 0, "")
        following = Position(*place, *reader)
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
