"""What a module's tables and the migrated database differ in, as operations."""

import logging
from collections.abc import Callable

from alembic.autogenerate import produce_migrations
from alembic.operations import MigrateOperation
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from app.migrations.answers import Answers
from app.migrations.environment import options
from app.migrations.errors import MigrationError
from app.migrations.operations import undone
from app.migrations.probing import rehearse
from app.migrations.renames import Rename, candidates, chosen, renamed
from app.migrations.stages import Stages, staged
from shared.rows import Model

log = logging.getLogger("trellis")


def draft(connection: Connection, is_looked_at: Callable[[str], bool], answers: Answers) -> Stages:
    """The differences of the tables that are looked at. The transaction is to be rolled back: it has changed them.

    Renames are done first, in the database itself, so that what is found is what differs after them. Raises
    MigrationError.
    """
    renames: list[MigrateOperation] = []
    declined, meant = set[Rename](), set[str]()
    while True:
        context = context_on(connection, is_looked_at)
        differences = produce_migrations(context, Model.metadata).upgrade_ops
        assert differences is not None
        rename = chosen(list(candidates(context, differences.ops)), answers.renames, declined, answers.is_renamed)
        if rename is None:
            break
        meant.update(option for option in answers.renames if rename.is_meant_by(option))
        renames.append(renamed(connection, rename))
    for option in answers.renames:
        if option not in meant:
            raise MigrationError(f"--rename {option}: nothing of the former name goes while one of the new name comes.")
    stages = staged(context, differences.ops, answers.fill)
    for name in answers.fills.keys() - answers.used:
        raise MigrationError(f"--fill {name}: no such column comes to need a value.")
    operations = [*stages.expand, *stages.demand, *stages.contract]
    if refusal := rehearse(context, operations, undone(operations)):
        log.warning("PostgreSQL refuses what is written, on this database as it is: %s", refusal)
    stages.expand[:0] = renames
    return stages


def context_on(connection: Connection, is_looked_at: Callable[[str], bool] = lambda _table: True) -> MigrationContext:
    """Alembic's, to compare and to write with."""
    prefixes = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": ""}
    return MigrationContext.configure(connection, opts=options(is_looked_at) | prefixes)
