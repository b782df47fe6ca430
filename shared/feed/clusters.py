"""Which numbering of transactions a cursor is of.

After a restore from a dump, or to an earlier time, other transactions have the numbers that a cursor knows. So a cursor
names what it was made on: the cluster, its timeline, the journal's table, and the last restoration that the journal
tells. Whatever one of these cannot tell, another one does. A dump restored elsewhere has another cluster, a dump
restored beside the original another table, a recovery to an earlier time and a failover another timeline. A copy of
the disks shows in nothing but `trellis restored`, which tells the journal.
"""

from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa

from shared.rows import Action, JournalEntry, table_of
from shared.wire import Statement

_entries = table_of(JournalEntry)

RESTORATIONS = UUID(int=0)
"""The subject of the journal's entries about its own restorations."""

NUMBERING: sa.ColumnElement[int] = sa.literal_column(
    """(
        SELECT hashtextextended(concat_ws('/', system_identifier, CASE WHEN pg_is_in_recovery() THEN (
            SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint()
        ) ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, 'journal'::regclass::oid), 0)
        FROM pg_control_system()
    )""",
    sa.BigInteger(),
)
"""Cluster, timeline and table in one number, which tells clients nothing. A file in the log is named by the timeline
at once; the control file learns of a failover with the next checkpoint.
"""

RESTORATION: sa.ColumnElement[str | None] = (
    sa.select(_entries.c.after["restoration"].astext)
    .where(_entries.c.subject_id == sa.literal_column(f"'{RESTORATIONS}'::uuid"))
    .order_by(_entries.c.at.desc(), _entries.c.id.desc())
    .limit(sa.literal_column("1"))
    .scalar_subquery()
)
"""The name of the last one that the journal tells. None when it is longer ago than any cursor can be."""

HAS_STRANGERS = (
    sa.select(sa.literal_column("1"))
    .where(
        _entries.c.xid >= sa.func.pg_snapshot_xmax(sa.func.pg_current_snapshot()),
        # One's own number may be after one's snapshot.
        _entries.c.xid.is_distinct_from(sa.func.pg_current_xact_id_if_assigned()),
    )
    .exists()
)
"""Whether the journal has entries of transactions that are yet to come: another cluster's, from a dump."""


def restore(connection: psycopg.Connection[Any], name: str) -> int | None:
    """Make the journal one of this cluster's, and every cursor of before expire. The connection is in a transaction.

    How many entries got the number of this transaction, so that a client who reads from the beginning is told of them;
    None when none had to. `name` is one that no other restoration has. Raises psycopg.Error, LockNotAvailable among
    them when somebody uses the journal.
    """
    renumbered = None
    if has_strangers(connection):
        # Written anew at once: an UPDATE would leave as many dead rows, and go through each index for each row.
        connection.execute("ALTER TABLE journal ALTER COLUMN xid TYPE xid8 USING pg_current_xact_id()")
        (renumbered,) = connection.execute("SELECT count(*) FROM journal").fetchone() or (0,)
    connection.execute(
        "INSERT INTO journal (resource, subject_id, action, after)"
        " VALUES ('journal', %s, %s, jsonb_build_object('restoration', %s::text))",
        [RESTORATIONS, Action.RESTORED.value, name],
    )
    return renumbered


def has_strangers(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database was restored from another cluster's dump, and `restore` has not run."""
    statement = Statement(sa.select(HAS_STRANGERS))
    row = psycopg.RawCursor(connection).execute(statement.text, statement.arguments({})).fetchone()
    return bool(row and row[0])
