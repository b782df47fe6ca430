"""Reads: documents, lists and histories, each from one statement behind the gate.

Documents and collections are declared here, compiled to statements in which PostgreSQL builds the JSON, and read. This
package changes no row, and knows neither query strings nor HTTP.
"""

from shared.reads.borders import columns_in, faults
from shared.reads.collection import (
    DEFAULT_ROWS,
    RELEVANCE,
    Collection,
    CustomFilter,
    ListQuery,
    Shape,
    Sort,
    flat,
)
from shared.reads.conditions import Conditions, compared, searching
from shared.reads.cursors import Cursors
from shared.reads.history import HISTORY, JOURNAL, HistoryRead, Journal, JournalRead
from shared.reads.listing import Documents, Listing, Page
from shared.reads.projection import (
    ALLOWED_ACTIONS,
    WHOLE,
    Derived,
    Document,
    Each,
    Many,
    One,
    OnRequest,
    Projector,
    View,
    marker_of,
    plain_type,
)
from shared.reads.reader import Reader, Representation, Tools
from shared.reads.summary import Summary

__all__ = [
    "ALLOWED_ACTIONS",
    "DEFAULT_ROWS",
    "HISTORY",
    "JOURNAL",
    "RELEVANCE",
    "WHOLE",
    "Collection",
    "Conditions",
    "Cursors",
    "CustomFilter",
    "Derived",
    "Document",
    "Documents",
    "Each",
    "HistoryRead",
    "Journal",
    "JournalRead",
    "ListQuery",
    "Listing",
    "Many",
    "OnRequest",
    "One",
    "Page",
    "Projector",
    "Reader",
    "Representation",
    "Shape",
    "Sort",
    "Summary",
    "Tools",
    "View",
    "columns_in",
    "compared",
    "faults",
    "flat",
    "marker_of",
    "plain_type",
    "searching",
]
