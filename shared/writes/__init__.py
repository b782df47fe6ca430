"""Writes: the repository's verbs, and what every change has.

Preconditions, idempotency keys, quotas, bulk imports, the check of what a change was allowed, and what a module lets
others do with its rows. It begins and commits nothing: the unit of work is opened at the edge. It knows no HTTP.
"""

from shared.writes.api import Api
from shared.writes.change import Change, Permission
from shared.writes.idempotency import Answer, Idempotency, Keyed
from shared.writes.importing import BulkInsert, Import, Imported, ImportFailed, LineBatch, LineError
from shared.writes.matching import Affected
from shared.writes.parents import ParentDeleted
from shared.writes.preconditions import Precondition, PreconditionFailed, PreconditionRequired, Tags, VersionMismatch
from shared.writes.quotas import Quota
from shared.writes.repository import Repository
from shared.writes.resources import Resources
from shared.writes.room import TooMuchKept
from shared.writes.verbs import Verbs

__all__ = [
    "Affected",
    "Answer",
    "Api",
    "BulkInsert",
    "Change",
    "Idempotency",
    "Import",
    "ImportFailed",
    "Imported",
    "Keyed",
    "LineBatch",
    "LineError",
    "ParentDeleted",
    "Permission",
    "Precondition",
    "PreconditionFailed",
    "PreconditionRequired",
    "Quota",
    "Repository",
    "Resources",
    "Tags",
    "TooMuchKept",
    "Verbs",
    "VersionMismatch",
]
