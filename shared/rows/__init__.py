"""Rows: what a table is.

The base of every table, the columns that a row has by what it is (an id, a version, soft delete), what a module
declares of columns and rules, what a row belongs to, and the journal's table. It executes nothing, and knows no caller
and no HTTP.
"""

from shared.rows.belonging import (
    ALONG,
    OWNER,
    PART,
    Belonging,
    belongings,
    belongs_to,
    following,
    index_sort,
    names_sharer,
    owned_by,
    part_of,
    recorded_with,
    shared_by,
)
from shared.rows.columns import (
    OWNED,
    SECRET,
    WRITTEN_APART,
    choice,
    choices,
    demand_fit,
    json_object,
    limits,
    searchable,
    texts,
)
from shared.rows.frozen_rows import frozen, loaded_columns
from shared.rows.journal import Action, JournalEntry, Origin, TransactionId
from shared.rows.models import (
    EXPIRIES,
    Identified,
    Model,
    Resource,
    SoftDeletable,
    expiring,
    owner_of,
    owners,
    table_of,
)
from shared.rows.rules import live_rule, live_unique, rules_of
from shared.rows.soft_delete import INCLUDE_DELETED, live

__all__ = [
    "ALONG",
    "EXPIRIES",
    "INCLUDE_DELETED",
    "OWNED",
    "OWNER",
    "PART",
    "SECRET",
    "WRITTEN_APART",
    "Action",
    "Belonging",
    "Identified",
    "JournalEntry",
    "Model",
    "Origin",
    "Resource",
    "SoftDeletable",
    "TransactionId",
    "belongings",
    "belongs_to",
    "choice",
    "choices",
    "demand_fit",
    "expiring",
    "following",
    "frozen",
    "index_sort",
    "json_object",
    "limits",
    "live",
    "live_rule",
    "live_unique",
    "loaded_columns",
    "names_sharer",
    "owned_by",
    "owner_of",
    "owners",
    "part_of",
    "recorded_with",
    "rules_of",
    "searchable",
    "shared_by",
    "table_of",
    "texts",
]
