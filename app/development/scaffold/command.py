"""`trellis module new`: a module with its table, its routes, its first migration and its tests."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import DBAPIError

import modules
from app.development.assembling import assembled
from app.development.scaffold.clashes import demand_clear
from app.development.scaffold.fields import KINDS, TIMES, FieldError, NewField
from app.development.scaffold.names import Belongs, Names, singular
from app.development.scaffold.refusals import demand_belongings, demand_enumerations, demand_names
from app.migrations import MigrationError, OpensDatabase, write_revision
from shared.manifest import discover
from shared.settings import SettingsError

_HELP = """Write the module NAME: a table, its routes, its first migration and its tests.

NAME is a plural in lower case, such as invoices. Its rows belong to the accounts that make them, or are part of rows of
another resource, or both: then what they are part of decides who sees and changes them. A field is name:kind, or
name:kind? where it may be missing. The kinds:

\b
{kinds}
enum=a,b  one of these words
"""

_EXAMPLE = "Example: trellis module new invoices --field number:line --field total:decimal --owned-by users"


def new_command(database: OpensDatabase) -> click.Command:
    """The command."""
    kinds = "\n".join(f"{name:9} {kind.about}" for name, kind in KINDS.items())

    @click.command("new", help=_HELP.format(kinds=kinds), epilog=_EXAMPLE)
    @click.argument("name")
    @click.option("--field", "fields", multiple=True, metavar="NAME:KIND", help="A field of its rows; repeat it.")
    @click.option("--owned-by", metavar="RESOURCE", help="The resource of the accounts that own its rows: users.")
    @click.option(
        "--part-of", metavar="RESOURCE", help="The resource whose rows its own are part of, such as projects."
    )
    @click.option("--singular", "row", help="What one is called, if not what the plural suggests: person, of people.")
    def new(name: str, fields: tuple[str, ...], owned_by: str | None, part_of: str | None, row: str | None) -> None:
        discover()  # Of what a new one must not be called, and may be part of.
        names = Names(name, row or singular(name))
        demand_names(names)
        belongings = _belongings(owned_by, part_of)
        demand_belongings(names, belongings)
        found = _fields(fields, names, belongings)
        folder = Path(modules.__path__[0]) / names.module
        if folder.exists():
            raise click.BadParameter(f"There is a module '{name}' already.", param_hint="NAME")
        with _whole_or_not_at_all(folder) as written:
            written.extend(_write(folder, names, belongings, found))
            importlib.invalidate_caches()
            _demand_start()
            manifest = next(module for module in discover() if module.name == names.module)
            with database() as (settings, _):
                written.extend(write_revision(settings.database_url or "", manifest, "the tables"))
            _format(written)
        for path in written:
            click.echo(path.relative_to(folder.parents[1]))

    return new


_OF_OTHERS = click.ClickException, MigrationError, SettingsError, DBAPIError, psycopg.Error, OSError
"""They say what is wrong in a sentence, and it is not the module."""


@contextmanager
def _whole_or_not_at_all(folder: Path) -> Iterator[list[Path]]:
    """Half of a module, or one with which the application does not start, would stop every start: takes away what was
    written when something fails. What no sentence tells of becomes one.
    """
    written: list[Path] = []
    try:
        yield written
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        for path in written:
            path.unlink(missing_ok=True)
        if not isinstance(error, Exception) or isinstance(error, _OF_OTHERS):
            raise
        told = " ".join(str(error).split())
        raise click.UsageError(f"There can be no such module. {told}") from error


def _belongings(owned_by: str | None, part_of: str | None) -> list[Belongs]:
    """What they are part of, then their owner."""
    found = [Belongs(part_of, is_part=True)] if part_of else []
    found += [Belongs(owned_by, is_part=False)] if owned_by else []
    if not found:
        raise click.UsageError("Say whose its rows are: --owned-by users, --part-of another resource, or both.")
    return found


def _fields(given: Sequence[str], names: Names, belongings: Sequence[Belongs]) -> list[NewField]:
    try:
        found = [NewField.parsed(one, names.model) for one in given]
    except FieldError as error:
        raise click.BadParameter(str(error), param_hint="--field") from None
    taken = [field.name for field in found] + [belongs.column for belongs in belongings]
    if twice := {name for name in taken if taken.count(name) > 1}:
        raise click.BadParameter(f"There are two of {', '.join(sorted(twice))}.", param_hint="--field")
    demand_enumerations(names, [field.name for field in found if field.values])
    return [field.qualified() for field in found] if TIMES & {*taken} else found


def _write(folder: Path, names: Names, belongings: Sequence[Belongs], fields: Sequence[NewField]) -> list[Path]:
    """All files but the migration. Raises Clash."""
    templates = Environment(  # noqa: S701 (Python, and no HTML)
        loader=PackageLoader("app.development.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    part = next((belongs for belongs in belongings if belongs.is_part), None)
    values = {"names": names, "belongings": belongings, "part": part, "owned": belongings[-1] != part}
    values |= {"fields": fields, "enums": [field for field in fields if field.values]}
    values["instant"] = "dt.datetime" if TIMES & {field.name for field in fields} else "datetime"
    sources = {
        folder / template.removesuffix(".jinja"): templates.get_template(template).render(values).strip()
        for template in templates.list_templates()
    }
    for path, source in sources.items():
        demand_clear(path, source)
    for path, source in sources.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{source}\n" if source else "")
    _format([*sources])
    return [*sources]


def _demand_start() -> None:
    """Put the application together as its start does. Raises what that raises."""
    application, served = assembled()
    application.build()
    served.openapi()


def _format(paths: list[Path]) -> None:
    """As `make format` does."""
    for command in (["check", "--quiet", "--fix", "--select", "I,F401"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *map(str, paths)], check=True)
