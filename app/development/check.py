"""`trellis module check`: what is wrong with the modules, one line a finding."""

from pathlib import Path

import click

import app
from app.development.checking import Tree, check

ROOT = Path(app.__path__[0]).parent


@click.command("check", epilog="Example: trellis module check tags")
@click.argument("name", required=False)
@click.pass_context
def check_command(context: click.Context, name: str | None) -> None:
    """Look for what no module may do, or for one module's faults; the exit code is 1 if there is any.

    A line that is meant says so, with the reason: `# check: kept whatever becomes of the request`.

    It is about mistakes. Code that hides what it does is for whoever reviews it, and for the rights of the database's
    role.
    """
    if name is not None and name not in Tree.at(ROOT).modules:
        raise click.BadParameter(f"There is no module '{name}'.")
    found = check(ROOT, name)
    for finding in found:
        click.echo(str(finding))
    if found:
        context.exit(1)
    click.echo(f"{name or 'Every module'}: nothing found.")
