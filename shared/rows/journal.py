"""The journal: who changed what, when and from which session, with the values before and after.

Triggers write it, in the transaction of the change. The function `trellis_journal` of the kernel's migrations gives
them to a table. This file has the table that they write, and the variable that tells them who makes the change.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field

from shared.rows.models import Model, expiring, table_of


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's `xid8`: the number of a transaction, never used twice."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Its name in SQL."""
        return "XID8"


class Action(StrEnum):
    """What happened to a row. A deleted resource is purged for good some time later."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    RESTORED = "restored"
    PURGED = "purged"


class JournalEntry(Model, table=True):
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
    """The account that did it; NULL at a registration, and for an operator's changes in the database."""
    session_id: UUID | None = None
    request_id: str | None = None
    resource: str
    """The table of the resource."""
    subject_id: UUID
    """The id of the resource that changed, or whose part changed."""
    part: str | None = None
    """The table of the part, such as a project's members; NULL when the resource itself changed."""
    action: str
    before: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """The former values of the changed columns; all columns of a removed row, and of a part."""
    after: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    """The new values of the changed columns; all columns of a new row, and of a part."""


# A slow transaction's entries may be older than a cursor that has not seen them and is still good.
expiring(JournalEntry, table_of(JournalEntry).c.at, lambda settings: settings.journal_retention + timedelta(days=1))


class Origin(NamedTuple):
    """Where a change comes from. All fields are None for an operator's change."""

    actor_id: UUID | None = None
    session_id: UUID | None = None
    request_id: str | None = None

    def variables(self) -> dict[str, str]:
        """The variable of PostgreSQL's in which the triggers find it, for one transaction."""
        return {"trellis.origin": f"{self.actor_id or '-'} {self.session_id or '-'} {self.request_id or '-'}"}
