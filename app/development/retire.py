"""`trellis module retire`: takes a module out, and leaves what takes its tables out of every database."""

import importlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from app.migrations import MigrationError, OpensDatabase, write_retirement
from shared.manifest import Module


def retire_command(modules: Sequence[Module], database: OpensDatabase) -> click.Command:
    """The command."""
    by_name = {module.name: module for module in modules}

    @click.command("retire", epilog="Example: trellis module retire tags")
    @click.argument("name", type=click.Choice(sorted(by_name)))
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @click.pass_context
    def retire(context: click.Context, /, name: str, yes: bool) -> None:
        """Write the migration that drops a module's tables, and remove its folder.

        Its migrations stay until each database has run that one: `trellis migrate` does so. No other module may
        require it.
        """
        users = [module.name for module in modules if name in module.requires]
        if users:
            raise MigrationError(f"Module '{name}' is required by {', '.join(users)}: change or retire those first.")
        folder = Path(importlib.import_module("modules").__path__[0], name)
        if not yes:
            click.confirm(f"Remove {folder}, and drop its tables at the next `trellis migrate`?", abort=True)
        settings, _ = context.with_resource(database())
        for path in write_retirement(settings.database_url or "", by_name[name]):
            click.echo(path)
        shutil.rmtree(folder)
        click.echo(f"Removed {folder}. Its migrations stay until every database has run them.")

    return retire
