"""What `trellis doctor` finds, and what it looks at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import psycopg

from shared.settings import Settings

Word = Literal["ok", "warning", "error"]


class Finding(NamedTuple):
    """One thing that was looked at, in a line."""

    word: Word
    """With an `error` the deployment does not work or loses data; a `warning` is a risk that may be meant."""
    subject: str
    says: str
    way_out: str = ""
    """What to do; nothing where all is well."""


@dataclass(frozen=True)
class Deployment:
    """What a check looks at."""

    settings: Settings
    is_embedded: bool
    replicas: int
    """Processes of `trellis serve` that are to run at once."""
    workers: int
    """Processes of `trellis worker`."""


Check = Callable[[Deployment], Iterator[Finding]]
"""Looks at the machine and the settings."""
DatabaseCheck = Callable[[Deployment, psycopg.Connection[Any]], Iterator[Finding]]
"""Looks at the database, by a connection in autocommit. Raises psycopg.Error, which is a finding as well."""


def fine(subject: str, says: str) -> Finding:
    """That all is well with it."""
    return Finding("ok", subject, says)
