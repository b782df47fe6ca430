"""The operators' commands for accounts."""

import click

from modules.users.service import UserService
from shared.upkeep import in_unit_of_work
from shared.writes import Change


@click.command(epilog="Example: trellis users promote ann@example.com")
@click.argument("email")
@in_unit_of_work
async def promote(service: UserService, change: Change, email: str) -> None:
    """Make the account with this e-mail address an administrator."""
    await service.promote(change, email)
    click.echo(f"{email} is an administrator now.")
