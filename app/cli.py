"""The command line: `trellis serve`, `worker`, `migrate`, `seed`, `purge`, `events`, and each module's commands under
its name.
"""

import logging
import logging.config
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from types import FrameType
from typing import Any

import click
import psycopg
import uvicorn
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from app.asgi import create_app
from app.checks import UnfitDatabase, concerns
from app.container import Application, compose
from app.development import module_commands
from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from app.events import events_command
from app.failures import is_passing, told
from app.migrations import UP_TO_DATE, MigrationError, migrate_command, revision_command, upgrade
from app.operating import Exit, RestoreError, config_command, doctor_command, restored_command, told_exit_codes
from app.purging import purge_command
from app.seeding import seed_command
from shared.errors import DomainError
from shared.http.edge import log_configuration
from shared.http.server import bounded
from shared.manifest import ManifestError, Module, discover
from shared.settings import Settings, SettingsError, strangers
from shared.upkeep import SeedingError

log = logging.getLogger("trellis")


class StartError(Exception):
    """The server cannot start; the message says why."""


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
def serve() -> None:
    """Serve the API; over the embedded PostgreSQL unless DATABASE_URL is set."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _exit)
    with _database() as (settings, embedded):
        application = compose(settings.with_secret(), discover())
        if embedded is None:
            for concern in concerns(settings):
                log.warning("%s", concern)
        config = uvicorn.Config(
            create_app(application, _worker_beside(application, embedded is not None)),
            http=bounded(settings),
            ws="none",
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=settings.shutdown_seconds,  # type: ignore[arg-type]  # Any number to asyncio.
            log_config=None,
            access_log=settings.access_log,
            server_header=False,
        )
        if embedded is not None:
            config.callback_notify, config.timeout_notify = _revival(embedded), 1
        _allow_files(settings.max_connections)
        with _listening(settings.host, settings.port) as listener:
            _Server(config, _welcome if settings.environment == "development" else None).run([listener])


@trellis.command(epilog="Example: trellis worker")
def worker() -> None:
    """Do the jobs that events have left, and those that are due every so often. Several workers share them."""
    from app.worker import run_worker  # noqa: PLC0415 (imports Procrastinate)

    with _database() as (settings, _):
        run_worker(compose(settings.with_secret(), discover()))


@contextmanager
def _database(*, is_migrated: bool = True) -> Iterator[tuple[Settings, EmbeddedPostgres | None]]:
    """The settings, with a running database. The embedded one is started or attached to, and migrated."""
    settings = Settings.load()
    logging.config.dictConfig(log_configuration(settings))
    for sentence in strangers(os.environ, [variable for module in _discovered() for variable in module.variables()]):
        log.warning("%s", sentence)
    if settings.database_url is not None:
        yield settings, None
        return
    with EmbeddedPostgres(settings.data_dir) as embedded:
        settings = settings.model_copy(update={"database_url": embedded.url, "environment": "development"})
        if is_migrated and (told := upgrade(embedded.url, is_development=True)) != UP_TO_DATE:
            log.warning("%s", told)
        yield settings, embedded


def _worker_beside(application: Application, is_embedded: bool) -> AbstractAsyncContextManager[None]:
    """The worker in the server's process, if there is to be one."""
    wanted = application.kernel.settings().worker
    if not (is_embedded if wanted is None else wanted):
        return nullcontext()
    from app.worker import working  # noqa: PLC0415 (imports Procrastinate)

    return working(application)


class _Server(uvicorn.Server):
    """Logs its addresses once the application has started."""

    def __init__(self, config: uvicorn.Config, welcome: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._welcome = welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            here = _address(listener)
            log.info("Listening on %s", here)
            if self._welcome is not None:
                self._welcome(here)


def _exit(_number: int, _frame: FrameType | None) -> None:
    """Exit with success, through every `finally`. Uvicorn raises the signal again when it has finished."""
    sys.exit(0)


def _allow_files(connections: int) -> None:
    """Raise the limit of open files, of which each connection is one: many shells allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 1000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _listening(host: str, port: int) -> socket.socket:
    """A listening socket. Connections wait until they are accepted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: an impossible host name.
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0]  # Python adds the address.
        raise StartError(f"Cannot listen on {host}, port {port}: {reason}. PORT sets another.") from error


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _revival(embedded: EmbeddedPostgres) -> Callable[[], Awaitable[None]]:
    async def revive() -> None:
        try:
            embedded.revive()
        except (EmbeddedPostgresError, OSError) as error:
            log.warning("%s", error)  # The next call takes it from there.

    return revive


def _welcome(here: str) -> None:
    click.echo(f"""
  Trellis      {here}
  Docs         {here}/docs
  An account   curl {here}/api/v1/users -H 'Content-Type: application/json' \\
                 -d '{{"email": "you@example.com", "password": "correct horse battery", "full_name": "You"}}'
  Make it an administrator's with: trellis users promote you@example.com
""")


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
    """The entry point."""
    try:
        assembled(_discovered())()
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
