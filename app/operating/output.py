"""How commands speak: to people in lines, to programs in JSON, and to both by their exit code."""

import json
from datetime import datetime
from enum import IntEnum

import click

AS_JSON = click.option("--json", "is_json", is_flag=True, help="For programs: JSON on standard output.")


class Exit(IntEnum):
    """The exit codes of every command. `trellis --help` shows them."""

    DONE = 0
    """It is done."""
    REFUSED = 1
    """It was refused or has failed. A sentence on standard error says why; the same command will fail again."""
    USAGE = 2
    """There is no such command, option or value."""
    UNAVAILABLE = 3
    """The database cannot be reached, or somebody holds what the command needs: try again later."""


def as_json(value: object) -> str:
    """The value as one line of JSON; times in ISO 8601, what JSON does not know as text."""
    return json.dumps(value, default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
