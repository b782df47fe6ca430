"""Rows: what a table is.

The base of every table, the columns that a row has by what it is (an id, a version, soft delete), the indexes and
column types that go with them, and the journal's table. It executes nothing, and knows no caller and no HTTP.
"""

from shared.rows.frozen_rows import frozen, loaded_columns
from shared.rows.journal import Action, JournalEntry, Origin, TransactionId
from shared.rows.models import (
    EXPIRIES,
    SECRET,
    SHARER,
    Identified,
    Model,
    Resource,
    SoftDeletable,
    choice,
    deletion_group,
    deletion_time,
    expiring,
    live_rule,
    live_unique,
    owner_of,
    owners,
    part_of,
    searchable,
    table_of,
)
from shared.rows.soft_delete import INCLUDE_DELETED, live

__all__ = [
    "EXPIRIES",
    "INCLUDE_DELETED",
    "SECRET",
    "SHARER",
    "Action",
    "Identified",
    "JournalEntry",
    "Model",
    "Origin",
    "Resource",
    "SoftDeletable",
    "TransactionId",
    "choice",
    "deletion_group",
    "deletion_time",
    "expiring",
    "frozen",
    "live",
    "live_rule",
    "live_unique",
    "loaded_columns",
    "owner_of",
    "owners",
    "part_of",
    "searchable",
    "table_of",
]
