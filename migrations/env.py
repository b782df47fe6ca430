"""How Alembic reaches the database: in one transaction, and one replica at a time."""

import logging

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from app.migrations.environment import LOCK_TIMEOUT, engine, options
from shared.manifest import discover
from shared.settings import Settings
from shared.wire import PIN

LOCK = 0x7472656C6C6973  # "trellis"

log = logging.getLogger("trellis")

discover()  # Imports every module, and with it every table.


def migrate(connection: Connection) -> None:
    """Run what was asked for, in one transaction."""
    context.configure(connection=connection, **options())
    with context.begin_transaction():
        connection.exec_driver_sql(PIN)
        take_turn(connection)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        context.run_migrations()


def take_turn(connection: Connection) -> None:
    """Several replicas may start their migration at once: one does it, the others wait and find nothing to do."""
    if not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({LOCK})").scalar():
        log.info("Waiting for another migration of this database to end.")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


url = context.config.attributes.get("database_url") or Settings.load().database_url
if url is None:
    raise CommandError("Set DATABASE_URL, or use `trellis migrate`, which knows the embedded database.")
with engine(url).connect() as connection:
    migrate(connection)
