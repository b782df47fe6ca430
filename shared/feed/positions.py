"""How far a client has read: snapshots of PostgreSQL, and the conditions of what is new since one."""

import json
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from shared.feed.clusters import HAS_STRANGERS
from shared.rows import JournalEntry, table_of


class Snapshot(NamedTuple):
    """A snapshot as PostgreSQL writes it, which tells the transactions that had ended; taken at seconds since 1970."""

    text: str
    taken_at: int


class Position(NamedTuple):
    """How far a client has read: all that `since` sees, and of what `until` sees the entries before the id `last`, and
    what that one says up to the key `about`.
    """

    since: Snapshot | None = None
    until: Snapshot | None = None
    last: int = 0
    about: str = ""
    is_admin: bool | None = None
    """Whether an administrator read it, whose lists are others; None when that is not known."""
    numbering: int | None = None
    """Of the transactions; None when nothing was read yet."""
    restoration: str | None = None
    """The last one when it was read."""

    def to_json(self) -> bytes:
        """What a cursor holds."""
        return json.dumps(self, separators=(",", ":")).encode()

    @classmethod
    def of(cls, since: Any, until: Any, *place: Any) -> "Position":
        """From what a cursor holds."""
        return cls(since and Snapshot(*since), until and Snapshot(*until), *place)

    def holds(self, is_admin: bool, numbering: int, restoration: str | None) -> bool:
        """Whether it means here and now what it meant when it was made."""
        if self.since is None and self.until is None:
            return True
        return (
            self.is_admin in {None, is_admin}
            and self.numbering == numbering
            and restoration in {None, self.restoration}
        )

    def parameters(self) -> dict[str, Any]:
        """Its values in a statement."""
        since, until = self.since and self.since.text, self.until and self.until.text
        return {"since": since, "until": until, "last": self.last, "about": self.about}


class _PgSnapshot(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "PG_SNAPSHOT"


def _snapshot(name: str) -> sa.ColumnElement[Any]:
    return sa.cast(sa.bindparam(name, type_=_PgSnapshot()), _PgSnapshot())


LAST = sa.bindparam("last", type_=sa.BigInteger())
ABOUT = sa.bindparam("about", type_=sa.String())

_entries = table_of(JournalEntry)
_span = sa.select(
    _snapshot("since").label("since"),
    sa.func.coalesce(_snapshot("until"), sa.func.pg_current_snapshot()).label("until"),
).cte("span")
# Scalar subqueries: PostgreSQL evaluates them once, and can look for the value in an index.
_SINCE, _UNTIL = (sa.select(column).scalar_subquery() for column in (_span.c.since, _span.c.until))
VISIBLE = sa.func.pg_visible_in_snapshot(_entries.c.xid, _UNTIL)
NOT_KNOWN = (
    sa.not_(sa.func.pg_visible_in_snapshot(_entries.c.xid, _SINCE)),
    # These two use the index.
    _entries.c.xid >= sa.func.pg_snapshot_xmin(_SINCE),
    _entries.c.xid < sa.func.pg_snapshot_xmax(_UNTIL),
)
UNTIL_TEXT = sa.cast(_UNTIL, sa.String())
IS_KNOWN = sa.and_(
    # Who reads from the beginning would not be told of what other clusters' transactions did.
    sa.or_(_SINCE.is_not(None), sa.not_(HAS_STRANGERS)),
    # What comes from copied disks may be older than the cursor.
    sa.func.coalesce(sa.func.pg_snapshot_xmax(_SINCE) <= sa.func.pg_snapshot_xmax(_UNTIL), sa.true()),
    sa.func.pg_snapshot_xmax(_UNTIL) <= sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()),
)
