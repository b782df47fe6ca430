"""Reads: documents, lists and histories, each from one statement behind the gate.

PostgreSQL builds the JSON; here a document, a collection and a page are declared, compiled and read. It changes
nothing, and knows neither query strings nor HTTP.
"""

from shared.reads.collection import Collection, CustomFilter, ListQuery
from shared.reads.cursors import Cursors
from shared.reads.history import HISTORY, JOURNAL, HistoryRead, Journal, JournalRead
from shared.reads.listing import Documents, Listing, Page
from shared.reads.parameters import DEFAULT_ROWS, Parameter, limit_in, parameters_in, text_in, view_in, view_parameters
from shared.reads.projection import Computed, Document, Each, Many, One, OnRequest, Projector, View
from shared.reads.reader import Reader, Representation

__all__ = [
    "DEFAULT_ROWS",
    "HISTORY",
    "JOURNAL",
    "Collection",
    "Computed",
    "Cursors",
    "CustomFilter",
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
    "Parameter",
    "Projector",
    "Reader",
    "Representation",
    "View",
    "limit_in",
    "parameters_in",
    "text_in",
    "view_in",
    "view_parameters",
]
