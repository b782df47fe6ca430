"""Migrations: running them, writing them, and mending what two branches of git made of them.

The files are in `migrations/versions/<module>/`. This package knows Alembic, PostgreSQL's locks and the manifests, and
no module by name.
"""

from app.migrations.answers import Answers
from app.migrations.branches import VERSIONS, Revision, ancestors, faults, variables
from app.migrations.commands import OpensDatabase, migrate_command, revision_command
from app.migrations.errors import MigrationError
from app.migrations.retirement import write_retirement
from app.migrations.revision import write_revision
from app.migrations.sql_text import tables_named, tables_read
from app.migrations.upgrading import UP_TO_DATE, upgrade

__all__ = [
    "UP_TO_DATE",
    "VERSIONS",
    "Answers",
    "MigrationError",
    "OpensDatabase",
    "Revision",
    "ancestors",
    "faults",
    "migrate_command",
    "revision_command",
    "tables_named",
    "tables_read",
    "upgrade",
    "variables",
    "write_retirement",
    "write_revision",
]
