"""`trellis migrate --to-here`: takes back what a database has and this checkout has not, for development.

The way down of a migration is in its file, and that is gone with the branch that was switched away. So in development
the database keeps the files of its migrations, as they were when they ran.
"""

import ast
import logging
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from psycopg import Connection

from app.migrations.branches import ancestors, in_order, revisions
from app.migrations.environment import FILES
from app.migrations.errors import MigrationError
from app.migrations.turn import migrating
from shared.upkeep import ALEMBIC_INI, standing_of

FRESH = "begin anew with another TRELLIS_DATA_DIR, or another database"
WAYS_OUT = f"`trellis migrate --to-here` takes back what this checkout has not; or {FRESH}"

_MAKE = f"CREATE TABLE IF NOT EXISTS {FILES} (revision text PRIMARY KEY, file text NOT NULL, source text NOT NULL)"
_KEEP = f"""
    INSERT INTO {FILES} VALUES (%s, %s, %s)
    ON CONFLICT (revision) DO UPDATE SET file = excluded.file, source = excluded.source"""  # noqa: S608
_KEPT = f"SELECT revision, file, source FROM {FILES}"  # noqa: S608
_FORGET = f"DELETE FROM {FILES} WHERE revision = ANY(%s)"  # noqa: S608

log = logging.getLogger("trellis")


def told_of_unknown(ran: Collection[str]) -> str:
    """A sentence for whoever develops: their database has run migrations that this checkout has not."""
    several = ", ".join(sorted(ran))
    whose = "Another branch wrote what this checkout has not, or it was removed to be written anew"
    return f"The database has run {several}. {whose}: {WAYS_OUT}."


def keep(connection: Connection, applied: Collection[str]) -> None:
    """Keep the files of this checkout's migrations; of those that were not just applied, only if none is kept."""
    connection.execute(_MAKE)
    if other := sorted(other_here(connection) - set(applied)):
        log.warning("%s ran with other statements than this checkout has. %s.", ", ".join(other), WAYS_OUT)
    kept = {revision for revision, *_ in connection.execute(_KEPT).fetchall()} - set(applied)
    files = [(one.id, f"{one.module}/{one.path.name}", one.source) for one in revisions() if one.id not in kept]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(_KEEP, files)


def take_back(database_url: str) -> list[str]:
    """Go down from the migrations that this checkout has not, or has with other statements. Those taken back.

    Migrations that depend on them are taken back, too. Raises MigrationError when the file of one was not kept.
    """
    here = {revision.id for revision in revisions()}
    with (
        migrating(database_url) as connection,
        TemporaryDirectory() as folder,
    ):
        connection.execute(_MAKE)
        for _, file, source in connection.execute(_KEPT).fetchall():
            path = Path(folder, file)
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        kept = revisions(Path(folder))
        lost = sorted(standing_of(connection).ahead - {revision.id for revision in kept})
        if lost:
            raise MigrationError(f"The database did not keep the way down of {', '.join(lost)}: {FRESH}.")
        foreign = {one.id for one in kept if one.id not in here} | other_here(connection)
        undone = [one for one in reversed(in_order(kept)) if ancestors([one.id], kept) & foreign]
        config = Config(ALEMBIC_INI, attributes={"database_url": database_url})
        config.set_main_option("version_locations", folder)
        for revision in undone:
            log.info("Taking back %s", revision.id)
            command.downgrade(config, revision.follows or f"{revision.module}@base")
            connection.execute(_FORGET, [[revision.id]])
    return [revision.id for revision in undone]


def other_here(connection: Connection) -> set[str]:
    """The migrations that ran with other statements than this checkout has for them."""
    here = {revision.id: revision.source for revision in revisions()}
    return {
        revision
        for revision, _, source in connection.execute(_KEPT).fetchall()
        if here.get(revision, source) != source and _statements(here[revision]) != _statements(source)
    }


def _statements(source: str) -> str:
    """Those of a file, without comments, docstring and formatting."""
    nodes = ast.parse(source).body
    return ast.dump(ast.Module([node for node in nodes if not isinstance(node, ast.Expr)], []))
