"""How long tests wait for what comes by itself, be the machine ever so slow."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 240
"""Seconds that only a fault takes. No assertion about speed: make it longer where a slow machine reaches it.

The `timeout` of pytest in pyproject.toml is longer than this, so that a test tells what it has waited for.
"""


def eventually(condition: Callable[[], T]) -> T:
    """Wait for what is soon true, such as PostgreSQL's statistics, and give it. Raises AssertionError if it is not."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "It never came to pass."
        time.sleep(0.01)
    return found
