"""Reads over HTTP: query strings, pages and documents as answers, exports, the journal and the feed."""

from shared.http.reads.contents import Content
from shared.http.reads.exports import CSV, NDJSON, ExportResponse, export_response, export_turns
from shared.http.reads.filters import RESERVED
from shared.http.reads.journal import JOURNAL_SCOPE, HistoryQuery, journal_router
from shared.http.reads.queries import (
    CONDITIONAL,
    described,
    document_view,
    list_query,
    matching_described,
    matching_query,
)
from shared.http.reads.resource import reads
from shared.http.reads.responses import PageOf, created_response, document_response, page_response, unversioned_response

__all__ = [
    "CONDITIONAL",
    "CSV",
    "JOURNAL_SCOPE",
    "NDJSON",
    "RESERVED",
    "Content",
    "ExportResponse",
    "HistoryQuery",
    "PageOf",
    "created_response",
    "described",
    "document_response",
    "document_view",
    "export_response",
    "export_turns",
    "journal_router",
    "list_query",
    "matching_described",
    "matching_query",
    "page_response",
    "reads",
    "unversioned_response",
]
