"""`trellis purge`: removes for good what is past its retention."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import click

from app.operating.output import AS_JSON, as_json
from shared.settings import Settings
from shared.upkeep import Purge
from shared.wire import Database


def purge_command(database: Callable[[], AbstractContextManager[tuple[Settings, object]]]) -> click.Command:
    """The command."""

    @click.command("purge", epilog="Example: trellis purge --dry-run")
    @click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
    @AS_JSON
    def purge(dry_run: bool, is_json: bool) -> None:
        """Remove for good what is past its time.

        Rows deleted longer ago than TRELLIS_RETENTION_DAYS, old entries of the journal, and what has expired, such as
        sessions.

        Safe to run at any time and several times at once. Run it every day.
        """
        with database() as (settings, _):
            counts = asyncio.run(_purged(settings, dry_run=dry_run))
        if is_json:
            click.echo(as_json({"removed": {} if dry_run else counts, "due": counts if dry_run else {}}))
            return
        for table, count in counts.items():
            click.echo(f"{table}: {count:,} rows{' would go' if dry_run else ''}")

    return purge


async def _purged(settings: Settings, *, dry_run: bool) -> Mapping[str, int]:
    database = Database(settings)
    try:
        purge = Purge(database, settings)
        if dry_run:
            return await purge.due()
        if not sys.stderr.isatty():
            return await purge.run()
        with click.progressbar(length=sum((await purge.due()).values()), label="Removing", file=sys.stderr) as bar:
            return await purge.run(bar.update)
    finally:
        await database.close()
