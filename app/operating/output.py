"""How commands speak: to people in lines, to programs in JSON, and to both by their exit code."""

import json
from datetime import datetime
from enum import IntEnum

import click

FOR_PROGRAMS = "For programs: JSON on standard output."
AS_JSON = click.option("--json", "is_json", is_flag=True, help=FOR_PROGRAMS)


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3


EXIT_CODES = {
    Exit.DONE: "it is done",
    Exit.REFUSED: "it was refused or has failed; a sentence on standard error says why",
    Exit.USAGE: "there is no such command, option or value",
    Exit.UNAVAILABLE: "the database is out of reach, or somebody holds what is needed: try again later",
}
"""What they mean; `trellis --help` shows it."""


def told_exit_codes() -> str:
    """For the end of a help."""
    return "\n".join(["\b", "Exit codes:", *(f"  {code}  {meaning}" for code, meaning in EXIT_CODES.items())])


def as_json(value: object) -> str:
    """The value as one line of JSON; times in ISO 8601, what JSON does not know as text."""
    return json.dumps(value, default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
