"""`trellis purge`: removes for good what is past its retention."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import click

from shared.settings import Settings
from shared.upkeep import Purge
from shared.wire import Database


def purge_command(database: Callable[[], AbstractContextManager[tuple[Settings, object]]]) -> click.Command:
    """The command."""

    @click.command("purge")
    @click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
    def purge(dry_run: bool) -> None:
        """Remove for good rows deleted longer ago than TRELLIS_RETENTION_DAYS, old entries of the journal, and what has
        expired, such as sessions.

        Safe to run at any time and several times at once. Run it every day.
        """
        with database() as (settings, _):
            counts = asyncio.run(_purged(settings, dry_run=dry_run))
        for table, count in counts.items():
            click.echo(f"{table}: {count:,} rows{' would go' if dry_run else ''}")

    return purge


async def _purged(settings: Settings, *, dry_run: bool) -> Mapping[str, int]:
    database = Database(settings)
    try:
        purge = Purge(database, settings)
        return await (purge.due() if dry_run else purge.run())
    finally:
        await database.close()
