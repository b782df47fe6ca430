"""Writes: the repository's verbs, and what every change has.

Preconditions, idempotency keys, bulk imports, and the check of what a change was allowed. It begins and commits
nothing: the unit of work is opened at the edge. It knows no HTTP.
"""

from shared.writes.idempotency import Answer, Idempotency, Keyed
from shared.writes.importing import Batch, BulkInsert, Import, Imported, ImportFailed, LineError
from shared.writes.preconditions import (
    Precondition,
    PreconditionFailed,
    PreconditionRequired,
    Tags,
    VersionMismatch,
    precondition,
    tags_in,
)
from shared.writes.repository import Repository
from shared.writes.resources import Resources

__all__ = [
    "Answer",
    "Batch",
    "BulkInsert",
    "Idempotency",
    "Import",
    "ImportFailed",
    "Imported",
    "Keyed",
    "LineError",
    "Precondition",
    "PreconditionFailed",
    "PreconditionRequired",
    "Repository",
    "Resources",
    "Tags",
    "VersionMismatch",
    "precondition",
    "tags_in",
]
