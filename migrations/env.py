"""How Alembic reaches the database: in one transaction, while nobody else migrates."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from app.migrations.environment import engine, options
from app.migrations.turn import migrating
from shared.manifest import discover
from shared.settings import Settings

discover()  # Imports every module, and with it every table.


def migrate(connection: Connection) -> None:
    """Run what was asked for. Who runs it from Python may watch: see app/migrations/planning.py."""
    context.configure(connection=connection, **options())
    with context.config.attributes.get("watch", nullcontext)(connection), context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("database_url")
url = given or Settings.load().database_url
if url is None:
    raise CommandError("Set DATABASE_URL, or use `trellis migrate`, which knows the embedded database.")
turn: AbstractContextManager[Any] = nullcontext() if given else migrating(url)  # Who gives the URL has the turn.
with turn, engine(url).connect() as connection:
    migrate(connection)
