"""`trellis module new`: a module with its table, its routes, its first migration and its tests."""

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
from jinja2 import Environment, PackageLoader, StrictUndefined

import modules
from app.development.scaffold.fields import KINDS, FieldError, NewField
from app.development.scaffold.names import Belongs, Names, singular
from app.migrations import OpensDatabase, write_revision
from shared.auth import RESOURCES
from shared.manifest import discover

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
        names, belongings = _names(name, row), _belongings(owned_by, part_of)
        try:
            found = [NewField.parsed(given, names.model) for given in fields]
        except FieldError as error:
            raise click.BadParameter(str(error), param_hint="--field") from None
        taken = [field.name for field in found] + [belongs.column for belongs in belongings]
        if twice := {name for name in taken if taken.count(name) > 1}:
            raise click.BadParameter(f"There are two of {', '.join(sorted(twice))}.", param_hint="--field")
        folder = Path(modules.__path__[0]) / names.module
        if folder.exists():
            raise click.BadParameter(f"There is a module '{name}' already.", param_hint="NAME")
        try:
            written = _write(folder, names, belongings, found)
            importlib.invalidate_caches()
            manifest = next(module for module in discover() if module.name == names.module)
            with database() as (settings, _):
                written += write_revision(settings.database_url or "", manifest, "the tables")
            _format(written)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # Half of a module would stop every start.
            raise
        for path in written:
            click.echo(path.relative_to(folder.parents[1]))

    return new


def _names(name: str, row: str | None) -> Names:
    names = Names(name, row or singular(name))
    if not (re.fullmatch(r"[a-z][a-z0-9_]*", name) and names.row.isidentifier()) or names.row == name:
        raise click.BadParameter("It is a plural in lower case, with a --singular of its own.", param_hint="NAME")
    if name in RESOURCES:
        raise click.BadParameter(f"There is a resource '{name}' already.", param_hint="NAME")
    return names


def _belongings(owned_by: str | None, part_of: str | None) -> list[Belongs]:
    """What they are part of, then their owner."""
    found = [Belongs(part_of, is_part=True)] if part_of else []
    found += [Belongs(owned_by, is_part=False)] if owned_by else []
    if not found:
        raise click.UsageError("Say whose its rows are: --owned-by users, --part-of another resource, or both.")
    for belongs in found:
        if belongs.resource not in RESOURCES:
            known = ", ".join(sorted(RESOURCES))
            raise click.BadParameter(f"There is no resource '{belongs.resource}'; there are {known}.")
    return found


def _write(folder: Path, names: Names, belongings: list[Belongs], fields: list[NewField]) -> list[Path]:
    """All files but the migration."""
    templates = Environment(  # noqa: S701 (Python, and no HTML)
        loader=PackageLoader("app.development.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    part = next((belongs for belongs in belongings if belongs.is_part), None)
    values = {"names": names, "belongings": belongings, "part": part, "owned": belongings[-1] != part}
    values |= {"fields": fields, "enums": [field for field in fields if field.values]}
    written = []
    for template in templates.list_templates():
        path = folder / template.removesuffix(".jinja")
        path.parent.mkdir(parents=True, exist_ok=True)
        source = templates.get_template(template).render(values)
        path.write_text(f"{source.strip()}\n" if source.strip() else "")
        written.append(path)
    _format(written)
    return written


def _format(paths: list[Path]) -> None:
    """As `make format` does."""
    for command in (["check", "--quiet", "--fix", "--select", "I,F401"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *map(str, paths)], check=True)
