"""The journal: who changed what, when and from which session, before and after.

PostgreSQL writes it, in the change's own transaction and on every path that there is: `trellis_journal`, which the
kernel's migrations define, gives a table the triggers. Here is what they write, and how they come to know who it was.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field

from shared.rows.models import Table, expiring, table_of


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's `xid8`: the number of a transaction, which never comes again."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Its name in SQL."""
        return "XID8"


class Action(StrEnum):
    """What happened to a row. A resource is purged for good some time after it was deleted."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    RESTORED = "restored"
    PURGED = "purged"


class JournalEntry(Table, table=True):
    """A row that was inserted, updated or deleted."""

    __tablename__ = "journal"
    __table_args__ = (
        Index("ix_journal_at_id", "at", "id"),
        Index("ix_journal_subject_id_at_id", "subject_id", "at", "id"),
        Index("ix_journal_actor_id_at_id", "actor_id", "at", "id"),
        Index("ix_journal_xid_id", "xid", "id"),
    )

    id: int = Field(default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    xid: str = Field(
        default=None,
        nullable=False,
        sa_type=TransactionId,
        sa_column_kwargs={"server_default": func.pg_current_xact_id()},
    )
    at: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.clock_timestamp()})
    actor_id: UUID | None = None
    """The account that did it; none at a registration, or for what an operator does in the database."""
    session_id: UUID | None = None
    request_id: str | None = None
    resource: str
    """The table of the resource."""
    subject_id: UUID
    """The row of the resource that changed, or that the changed row is a part of."""
    part: str | None = None
    """The table of the part, such as a project's members; none when the resource itself changed."""
    action: str
    before: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """What was there of the columns that changed; all of a row that is gone, and of a part."""
    after: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """What these columns are now; all of a new row, and of a part."""


# A slow transaction's entries may be older than a cursor that has not seen them and is still good.
expiring(JournalEntry, table_of(JournalEntry).c.at, lambda settings: settings.journal_retention + timedelta(days=1))
