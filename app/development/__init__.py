"""What feature teams develop with: the commands `trellis module …`, a file each. No server imports it."""

from collections.abc import Sequence

import click

from app.development.check import check_command
from app.development.docs import docs_command
from app.development.retire import retire_command
from app.development.scaffold import new_command
from app.migrations import OpensDatabase
from shared.manifest import Module


def module_commands(modules: Sequence[Module], database: OpensDatabase) -> click.Group:
    """The commands; `database` opens a migrated one."""
    commands = [check_command, docs_command, new_command(database), retire_command(modules, database)]
    return click.Group("module", commands, help="Make, check and describe modules; for those who develop them.")
