"""`trellis seed`: a made-up data set of any size, written completely or not at all."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import blake2b

import click
import psycopg
from psycopg import sql

from app.operating.output import FOR_PROGRAMS, as_json
from shared.manifest import Module
from shared.rows import owners
from shared.settings import Settings
from shared.upkeep import DataSet, Seeding, SeedingError
from shared.wire import PIN, connect

REFUSAL = "This is production, and seeding adds accounts with a password that everybody knows. If that is meant: --yes"


def seed_command(
    modules: Sequence[Module], database: Callable[[], AbstractContextManager[tuple[Settings, object]]]
) -> click.Command:
    """The command, with an option for each module that makes rows."""

    @click.pass_context
    def run(context: click.Context, /, seed: int, yes: bool, is_json: bool, **asked: int | None) -> None:
        settings, _ = context.with_resource(database())
        if settings.environment == "production" and not yes:
            raise click.ClickException(REFUSAL)
        try:
            data = plant(settings, modules, asked, seed, progress=sys.stderr.isatty())
        except (SeedingError, psycopg.Error) as error:
            error.add_note("Nothing was written.")
            raise
        if is_json:
            click.echo(as_json({"rows": data.counts, "sentences": data.sentences}))
            return
        for table, count in data.counts.items():
            click.echo(f"{table}: {count:,} rows")
        for sentence in data.sentences:
            click.echo(sentence)

    return click.Command(
        "seed",
        callback=run,
        help="Add made-up rows, as many as you like, in one transaction. Run it again to add more.",
        epilog=" ".join(["Example: trellis seed", *(f"--{module.name} 1000" for module in modules if module.seed)]),
        params=[
            *(_amount(module) for module in modules if module.seed),
            click.Option(["--seed"], type=int, default=0, show_default=True, help="Other numbers make other rows."),
            click.Option(["--yes"], is_flag=True, help="Do it in production, too."),
            click.Option(["--json", "is_json"], is_flag=True, help=FOR_PROGRAMS),
        ],
    )


def plant(
    settings: Settings,
    modules: Sequence[Module],
    asked: Mapping[str, int | None],
    seed: int = 0,
    *,
    until: datetime | None = None,
    progress: bool = False,
) -> DataSet:
    """Have each module make as many rows as it was asked for, or its default; none later than `until` or last midnight.

    Raises SeedingError, psycopg.Error.
    """
    seeds = [module for module in modules if module.seed]
    until = until or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with connect(settings.database_url or "", "trellis seed", autocommit=True) as connection:
        with connection.transaction():
            connection.execute(PIN)
            # Check foreign keys by index, also in tables that are small now: the plan is made once, and they grow.
            connection.execute("SET LOCAL enable_seqscan = off")
            batch = _batch(connection, [module.name for module in seeds], seed)
            data = DataSet(connection, settings, batch=batch, seed=seed, until=until, progress=progress)
            for module in seeds:
                assert module.seed is not None
                module.seed(Seeding(data, module.name, module.requires, asked.get(module.name)))
        connection.execute("SET statement_timeout = 0")
        for table in data.counts:  # Statistics, and the words that still wait for the search index.
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))
    return data


def _batch(connection: psycopg.Connection, names: Sequence[str], seed: int) -> str:
    """A word for this run: the same on an equal database, another one when there are more rows."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('trellis seed'))")  # The next one counts our rows.
    counts = [seed]
    for table, owner in sorted(owners().items()):
        if owner in names:
            row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
            counts += row or ()
    return blake2b(repr(counts).encode(), digest_size=4).hexdigest()


def _amount(module: Module) -> click.Option:
    help = (inspect.getdoc(module.seed) or "").partition("\n")[0]
    return click.Option([f"--{module.name}"], type=click.IntRange(min=0), metavar="N", help=help)
