"""`trellis doctor`: looks at a deployment, and says what to do. A line a finding."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

import click
import psycopg

from app.embedded import EmbeddedPostgresError
from app.failures import told
from app.operating import database as of_database
from app.operating import machine
from app.operating.findings import Deployment, Finding, fine
from app.operating.mail import mail
from app.operating.output import AS_JSON, Exit, as_json
from shared.errors import DomainError
from shared.manifest import Module
from shared.settings import Settings, SettingsError, settings_of, strangers
from shared.wire import connect

Opened = Callable[[], AbstractContextManager[tuple[Settings, object]]]


def doctor_command(modules: Sequence[Module], database: Opened) -> click.Command:
    """The command; `database` opens the embedded one."""

    @click.command("doctor", epilog="Example: trellis doctor --replicas 3 --workers 2")
    @click.option("--replicas", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Of `serve`.")
    @click.option("--workers", type=click.IntRange(0, 10_000), default=1, show_default=True, help="Of `worker`.")
    @AS_JSON
    @click.pass_context
    def doctor(context: click.Context, replicas: int, workers: int, is_json: bool) -> None:
        """Check a deployment, and say what to do.

        It looks from the place of a server: at settings, secret, proxy, files and mail, and at the database with its
        version, settings, connections, role, schema, clock and jobs.

        A line tells one thing, and what to do about it. With an `error` it does not work, or will lose data: the exit
        code is 1. A `warning` is a risk that may be meant. Nothing is changed, but the embedded database is started.
        """
        found = [*examined(modules, database, replicas, workers)]
        counts = Counter(finding.word for finding in found)
        if is_json:
            click.echo(as_json({"healthy": not counts["error"], "findings": [one._asdict() for one in found]}))
        else:
            for finding in found:
                click.echo(f"{finding.word:8} {finding.subject:17} {finding.says} {finding.way_out}".rstrip())
            click.echo(f"{counts['error']} errors, {counts['warning']} warnings, {counts['ok']} ok.")
        if counts["error"]:
            context.exit(Exit.REFUSED)

    return doctor


def examined(modules: Sequence[Module], database: Opened, replicas: int = 1, workers: int = 1) -> Iterator[Finding]:
    """All findings. One that makes others impossible is the last."""
    wrong = [*_of_settings(modules)]
    yield from wrong
    for sentence in strangers(os.environ, [variable for module in modules for variable in module.variables()]):
        yield Finding("warning", "settings", sentence, "trellis config shows all that there are.")
    if wrong:
        return
    yield fine("settings", "Every setting has a value that is allowed.")
    settings = Settings.load()
    if settings.database_url is not None:
        yield from _of_deployment(Deployment(settings, False, replicas, workers))
        return
    try:
        with database() as (settings, _):
            yield from _of_deployment(Deployment(settings, True, replicas, 0))
    except EmbeddedPostgresError as error:
        yield Finding("error", "database", str(error))


def _of_settings(modules: Sequence[Module]) -> Iterator[Finding]:
    """The settings that are wrong."""
    loads: list[Callable[[], object]] = [Settings.load]
    loads += [partial(settings_of, one.settings, one.name) for one in modules if one.settings is not None]
    for load in loads:
        try:
            load()
        except SettingsError as error:
            for sentence in str(error).splitlines():
                yield Finding("error", "settings", sentence, "Set another value, or none for the default.")


def _of_deployment(deployment: Deployment) -> Iterator[Finding]:
    for look in (*machine.CHECKS, mail):
        try:
            yield from look(deployment)
        except OSError as error:
            yield Finding("error", look.__name__.replace("_", " "), told(error), "Look at the permissions.")
    try:
        with connect(deployment.settings.database_url or "", "trellis doctor", autocommit=True) as connection:
            for ask in of_database.CHECKS:
                try:
                    yield from ask(deployment, connection)
                except (psycopg.Error, DomainError) as error:
                    if connection.closed:
                        raise
                    yield Finding("error", ask.__name__, told(error))
    except (psycopg.Error, DomainError) as error:
        yield Finding("error", "database", told(error), "DATABASE_URL says where it is, and who asks.")
