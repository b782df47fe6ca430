"""`trellis migrate` and `trellis revision`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import click

from app.migrations.answers import Answers
from app.migrations.errors import MigrationError
from app.migrations.leaving import take_back
from app.migrations.renumbering import renumber
from app.migrations.revision import write_revision
from app.migrations.upgrading import go_back, planned, upgrade
from shared.manifest import Module
from shared.settings import Settings


class OpensDatabase(Protocol):
    """Gives the settings with a running database, at the newest revisions if that is asked for."""

    def __call__(self, *, is_migrated: bool = True) -> AbstractContextManager[tuple[Settings, object]]: ...


def migrate_command(database: OpensDatabase) -> click.Command:
    """The command."""

    @click.command("migrate", epilog="Example: trellis migrate --plan")
    @click.option(
        "--to-here",
        is_flag=True,
        help="In development: first take back the migrations that the database has and this checkout has not, or has "
        "with other statements. What is in their tables and columns is lost.",
    )
    @click.option("--plan", is_flag=True, help="Run nothing: show the SQL, what it locks and what it works through.")
    @click.option(
        "--may-block",
        is_flag=True,
        help="Run also what reads or writes all of a large table (64 MiB) while others cannot use it.",
    )
    @click.option(
        "--back",
        is_flag=True,
        help="Take back the migrations that came after the release before (migrations/released.txt), once it serves "
        "again in the place of this version.",
    )
    @click.option("--lose-data", is_flag=True, help="With --back: although rows have values in what is taken back.")
    def migrate(to_here: bool, plan: bool, may_block: bool, back: bool, lose_data: bool) -> None:
        """Bring the database to this version's schema. Safe to run from several places at once.

        It gives way to those who use a table, and tries again for five minutes.
        """
        if to_here and (back or plan or may_block):
            raise click.UsageError("--to-here goes with none of the others.")
        if lose_data and not back:
            raise click.UsageError("--lose-data is for --back.")
        with database(is_migrated=False) as (settings, _):
            url, is_development = settings.database_url or "", settings.environment == "development"
            if plan:
                click.echo("\n".join(planned(url, is_back=back)))
            elif back:
                click.echo(go_back(url, may_lose=lose_data, is_development=is_development, may_block=may_block))
            else:
                for revision in _taken_back(url, is_development=is_development) if to_here else ():
                    click.echo(f"Taken back: {revision}")
                click.echo(upgrade(url, is_development=is_development, may_block=may_block))

    return migrate


def _taken_back(url: str, *, is_development: bool) -> Iterator[str]:
    if not is_development:
        raise MigrationError("--to-here is for development. TRELLIS_ENVIRONMENT=development says it is.")
    yield from take_back(url)


def revision_command(modules: Sequence[Module], database: OpensDatabase) -> click.Command:
    """The command."""
    by_name = {module.name: module for module in modules}

    @click.command("revision", epilog="Example: trellis revision tags 'a colour'")
    @click.argument("module", type=click.Choice(sorted(by_name)))
    @click.argument("message", required=False)
    @click.option(
        "--rename",
        multiple=True,
        metavar="[TABLE.]OLD:NEW",
        help="A column was renamed, or a table. At a terminal you are asked. Repeatable.",
    )
    @click.option("--no-rename", is_flag=True, help="What looks renamed is not: drop the one, add the other.")
    @click.option(
        "--fill",
        multiple=True,
        metavar="[TABLE.]COLUMN=SQL",
        help='An SQL expression for rows that have no value, such as "\'draft\'" or "lower(name)". At a terminal you '
        "are asked. Repeatable.",
    )
    @click.option(
        "--renumber",
        is_flag=True,
        help="Write nothing. Where two branches of git wrote migrations side by side, give the younger ones new "
        "numbers. What git's main branch has is older than what it has not. Of two that it has, the one is older that "
        "came there first; of two that it has not, the one that was committed first.",
    )
    @click.pass_context
    def revision(context: click.Context, /, module: str, message: str | None, **options: tuple[str, ...]) -> None:
        """Write a module's next migration from what its tables and the migrated database differ in.

        A column that has to have a value, and has no server default, comes in two or three migrations: with the first
        the former version of the code can go on, the others demand the value. What locks or rewrites a table is told.
        """
        if options["renumber"]:
            for sentence in _renumbered(module):
                click.echo(sentence)
            return
        if message is None:
            raise click.UsageError("Missing argument 'MESSAGE'.")
        answers = Answers(
            renames=options["rename"],
            fills=dict(fill.partition("=")[::2] for fill in options["fill"]),
            has_no_rename=bool(options["no_rename"]),
            ask=click.prompt if sys.stdin.isatty() else None,
        )
        settings, _ = context.with_resource(database())
        for path in write_revision(settings.database_url or "", by_name[module], message, answers):
            click.echo(path)

    return revision


def _renumbered(module: str) -> list[str]:
    names = renumber(module)
    if not names:
        return ["The migrations follow each other: there is nothing to do."]
    return [
        *(f"{former} is now {name}" for former, name in names.items()),
        "A database that has run them by their former numbers: trellis migrate --to-here",
    ]
