"""The command line: `trellis serve`, `trellis migrate`, and each module's own commands under its name."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
import uvicorn
from alembic.util import CommandError

from app.asgi import create_app
from app.container import compose
from app.migrations import upgrade, write_revision
from shared.embedded import EmbeddedPostgres, EmbeddedPostgresError
from shared.manifest import ManifestError, Module, discover
from shared.settings import Settings, SettingsError

log = logging.getLogger("trellis")


@click.group()
def trellis() -> None:
    """Trellis: a REST API as a modular monolith. Settings come from the environment; see the README."""


@trellis.command()
def serve() -> None:
    """Serve the API; over the embedded PostgreSQL unless DATABASE_URL is set."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _exit)
    with _database() as (settings, embedded):
        config = uvicorn.Config(
            create_app(compose(settings.with_secret(), discover())),
            host=settings.host,
            port=settings.port,
            timeout_graceful_shutdown=round(settings.shutdown_seconds),
            access_log=settings.environment == "development",
            server_header=False,
        )
        if embedded is not None:

            async def revive() -> None:
                try:
                    embedded.revive()
                except EmbeddedPostgresError as error:
                    log.warning("%s", error)  # The next call takes it from there.

            config.callback_notify, config.timeout_notify = revive, 1
        if settings.environment == "development":
            _welcome(settings)
        uvicorn.Server(config).run()


@trellis.command()
def migrate() -> None:
    """Bring the database to this version's schema. Safe to run from several places at once."""
    with _database() as (settings, _):
        upgrade(settings.database_url or "")
    click.echo("The database is up to date.")


@trellis.command()
@click.argument("module")
@click.argument("message")
def revision(module: str, message: str) -> None:
    """Write a module's next migration from what its tables and the migrated database differ in."""
    by_name = {found.name: found for found in discover()}
    if module not in by_name:
        raise click.BadParameter(f"There is no module '{module}'.")
    with _database() as (settings, _):
        click.echo(write_revision(settings.database_url or "", by_name[module], message))


@contextmanager
def _database() -> Iterator[tuple[Settings, EmbeddedPostgres | None]]:
    """The settings with a database that runs; the embedded one is started, or attached to, and migrated."""
    settings = Settings.load()
    if settings.database_url is not None:
        yield settings, None
        return
    with EmbeddedPostgres(settings.data_dir) as embedded:
        settings = settings.model_copy(update={"database_url": embedded.url, "environment": "development"})
        upgrade(embedded.url)
        yield settings, embedded


def _exit(number: int, _: FrameType | None) -> None:
    """Uvicorn raises the signal again once it has finished: leave through every `finally` on the way out."""
    sys.exit(128 + number)


def _welcome(settings: Settings) -> None:
    here = f"http://{settings.host}:{settings.port}"
    click.echo(f"""
  Trellis      {here}
  Docs         {here}/docs
  An account   curl {here}/api/v1/users -H 'Content-Type: application/json' \\
                 -d '{{"email": "you@example.com", "password": "correct horse battery", "full_name": "You"}}'
  Make it an administrator's with: trellis users promote you@example.com
""")


def _commands_of(module: Module) -> click.Group:
    @click.pass_context
    def open_container(context: click.Context) -> None:
        settings, _ = context.with_resource(_database())
        context.obj = compose(settings.with_secret(), discover()).containers[module.name]

    return click.Group(
        module.name, {command.name or "": command for command in module.commands}, callback=open_container
    )


def main() -> None:
    """The entry point. What stops a start is told in a sentence."""
    try:
        for module in discover():
            if module.commands:
                trellis.add_command(_commands_of(module))
        trellis()
    except (ManifestError, SettingsError, EmbeddedPostgresError, CommandError) as error:
        sys.exit(f"trellis: {error}")


if __name__ == "__main__":
    main()
