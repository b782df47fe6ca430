"""Rows: what a table is.

The base of every table, the columns that a row has by what it is (an id, a version, soft delete), the indexes and
column types that go with them, and the journal's table. It executes nothing, and knows no caller and no HTTP.
"""

from shared.rows.journal import Action, JournalEntry, TransactionId
from shared.rows.models import (
    EXPIRIES,
    SECRET,
    Identified,
    Resource,
    SoftDeletable,
    Table,
    choice,
    deletion_group,
    deletion_time,
    expiring,
    live_rule,
    live_unique,
    owners,
    part_of,
    searchable,
    table_of,
    touch,
)
from shared.rows.soft_delete import INCLUDE_DELETED, delete_group, live, restore, restore_group

__all__ = [
    "EXPIRIES",
    "INCLUDE_DELETED",
    "SECRET",
    "Action",
    "Identified",
    "JournalEntry",
    "Resource",
    "SoftDeletable",
    "Table",
    "TransactionId",
    "choice",
    "delete_group",
    "deletion_group",
    "deletion_time",
    "expiring",
    "live",
    "live_rule",
    "live_unique",
    "owners",
    "part_of",
    "restore",
    "restore_group",
    "searchable",
    "table_of",
    "touch",
]
