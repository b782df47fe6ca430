"""`trellis restored`: what a database needs once that was restored from a backup, before it is served from."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import click
import psycopg

from app.failures import MIGRATE
from app.operating.output import AS_JSON, as_json
from shared.feed import restore
from shared.jobs import counted
from shared.settings import Settings
from shared.upkeep import standing_of
from shared.wire import connect

LOCK_SECONDS = 5
"""How long it waits for those who use the journal; they should be none."""

Opened = Callable[[], AbstractContextManager[tuple[Settings, object]]]


class RestoreError(Exception):
    """The database cannot be made ready; the message says why."""


def restored_command(database: Opened) -> click.Command:
    """The command."""

    @click.command("restored", epilog="Example: trellis restored")
    @AS_JSON
    def restored(is_json: bool) -> None:
        """Make a restored database ready to serve from.

        Run it once after every restore, while nothing is served: from a dump, by recovery to an earlier time, or from
        copied disks. What clients remember of the change feed is about
        changes that are gone, so they are told to list anew (410 cursor_expired). From a dump, the journal gets
        transaction numbers of the new cluster. Statistics are gathered, without which reads are slow.

        Run again, it only lets clients list once more.
        """
        with database() as (settings, _):
            told = make_ready(settings.database_url or "")
        if is_json:
            click.echo(as_json(told))
            return
        number = told["renumbered"]
        click.echo(
            "The journal is one of this cluster already."
            if number is None
            else f"The journal's entries have numbers of this cluster: {number:,}."
        )
        click.echo("Cursors of the change feed from before are answered 410 cursor_expired: clients list anew.")
        click.echo(f"Jobs to be done, some perhaps a second time: {told['jobs']:,}. See `trellis events list`.")
        click.echo("Next: trellis doctor")

    return restored


def make_ready(database_url: str) -> dict[str, Any]:
    """Restore the feed, gather statistics, and count the jobs. Raises RestoreError, psycopg.Error."""
    with connect(database_url, "trellis restored", autocommit=True) as connection:
        if standing_of(connection).lacks:
            raise RestoreError(MIGRATE)
        connection.execute("SET statement_timeout = 0")
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        with connection.transaction():
            try:
                renumbered = restore(connection, secrets.token_hex(8))
            except psycopg.errors.LockNotAvailable as error:
                error.add_note("Stop what serves from this database first. Nothing was changed.")
                raise
        connection.execute("ANALYZE")
        return {"renumbered": renumbered, "jobs": counted(connection, timedelta(0)).unfinished}
