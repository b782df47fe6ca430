"""The command line: `trellis serve`, `worker`, `migrate`, `seed`, `purge`, `events`, `mail`, and each module's
commands under its name.
"""

import logging
import logging.config
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import psycopg
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from app.checks import UnfitDatabase, concerns
from app.container import compose
from app.development import module_commands
from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from app.events import events_command
from app.failures import is_passing, told
from app.mail import mail_command
from app.migrations import UP_TO_DATE, MigrationError, migrate_command, revision_command, upgrade
from app.operating import Exit, RestoreError, config_command, doctor_command, restored_command, told_exit_codes
from app.purging import purge_command
from app.seeding import seed_command
from app.serving import StartError, exit_at_signals, run_server
from app.workers import WORKERS, refuse_too_many, run_servers
from shared.errors import DomainError
from shared.manifest import ManifestError, Module, discover
from shared.observing import log_configuration
from shared.settings import Settings, SettingsError, strangers
from shared.upkeep import SeedingError

log = logging.getLogger("trellis")


OPERATORS = (
    *(ManifestError, SettingsError, StartError, UnfitDatabase, EmbeddedPostgresError),
    *(MigrationError, RestoreError, CommandError, SeedingError, DomainError, DBAPIError, psycopg.Error, OSError),
)
"""Errors that an operator can mend get a sentence. Any other is a fault of ours, with a traceback."""


@click.group()
def trellis() -> None:
    """Trellis: a REST API as a modular monolith. Settings come from the environment: `trellis config` shows them all,
    and `trellis doctor` what is wrong with a deployment. `trellis COMMAND --help` tells of each command.
    """


@trellis.command(epilog="Example: trellis serve")
@click.option("--workers", "processes", type=click.IntRange(1, 256), default=1, show_default=True, help=WORKERS)
def serve(processes: int) -> None:
    """Serve the API; over the embedded PostgreSQL unless DATABASE_URL is set."""
    exit_at_signals()
    with _database() as (given, embedded):
        settings = given.with_secret()
        if processes > 1:
            refuse_too_many(processes, settings)
        application = compose(settings, discover())
        if embedded is None:
            for concern in concerns(settings):
                log.warning("%s", concern)
        if processes > 1:
            run_servers(settings, processes, embedded)
        else:
            run_server(application, embedded)


@trellis.command(epilog="Example: trellis worker")
def worker() -> None:
    """Do the jobs that events have left, and those that are due every so often. Several workers share them."""
    exit_at_signals()
    from app.worker import run_worker  # noqa: PLC0415 (imports Procrastinate)

    with _database() as (settings, _):
        run_worker(compose(settings.with_secret(), discover()))


@contextmanager
def _database(*, is_migrated: bool = True) -> Iterator[tuple[Settings, EmbeddedPostgres | None]]:
    """The settings, with a running database. The embedded one is started or attached to, and migrated."""
    settings = Settings.load()
    logging.config.dictConfig(log_configuration())
    for sentence in strangers(os.environ, [variable for module in _discovered() for variable in module.variables()]):
        log.warning("%s", sentence)
    if settings.database_url is not None:
        yield settings, None
        return
    with EmbeddedPostgres(settings.data_dir) as embedded:
        settings = settings.over_embedded(embedded.url)
        if is_migrated and (told := upgrade(embedded.url, is_development=True)) != UP_TO_DATE:
            log.warning("%s", told)
        yield settings, embedded


def _commands_of(module: Module) -> click.Group:
    @contextmanager
    def container() -> Iterator[Any]:
        with _database() as (settings, _):
            yield compose(settings.with_secret(), discover()).containers[module.name]

    @click.pass_context
    def offer_container(context: click.Context) -> None:
        context.obj = container  # Opened by the command itself: `--help` needs no database.

    return click.Group(
        module.name,
        {command.name or "": command for command in module.commands},
        callback=offer_container,
        help=f"What the module {module.name} offers to operators.",
    )


def main() -> None:
    """The entry point. SIGTERM ends a command as Ctrl-C does: the statement under way is cancelled, and every `finally`
    done. The first process of a container would not even hear it otherwise.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        assembled(_discovered())()
    except KeyboardInterrupt:  # Before a command began.
        sys.exit(Exit.REFUSED)
    except OPERATORS as error:
        click.echo(f"trellis: {told(error)}", err=True)
        sys.exit(Exit.UNAVAILABLE if is_passing(error) else Exit.REFUSED)


def assembled(modules: Sequence[Module]) -> click.Group:
    """The whole command line, with the commands of these modules."""
    trellis.epilog = "\n\n".join(filter(None, [told_exit_codes(), _told_settings(modules)]))
    for module in modules:
        if module.commands:
            trellis.add_command(_commands_of(module))
    trellis.add_command(migrate_command(_database))
    trellis.add_command(revision_command(modules, _database))
    trellis.add_command(seed_command(modules, _database))
    trellis.add_command(purge_command(_database))
    trellis.add_command(events_command(_database))
    trellis.add_command(mail_command())
    trellis.add_command(config_command(modules))
    trellis.add_command(doctor_command(modules, _database))
    trellis.add_command(restored_command(_database))
    trellis.add_command(module_commands(modules, _database))
    return trellis


def _told_settings(modules: Iterable[Module]) -> str | None:
    """The end of `--help`: a line for each setting of a module."""
    lines = []
    for module in modules:
        for variable, field in module.variables().items():
            needed = "required" if field.is_required() else f"by default {field.get_default(call_default_factory=True)}"
            lines.append(f"  {variable}  {field.description or ''} ({needed})".replace("\n", " "))
    return "\n".join(["\b", "Settings of modules:", *lines]) if lines else None


def _discovered() -> tuple[Module, ...]:
    """The modules. Raises ManifestError, unless `--help` is asked for, which works without modules, or `module check`,
    which tells what is wrong with those that do not load.
    """
    if sys.argv[1:3] == ["module", "check"]:
        return ()
    try:
        return discover()
    except ManifestError:
        if "--help" not in sys.argv:
            raise
        return ()


if __name__ == "__main__":
    main()
