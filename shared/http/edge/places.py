"""The place that a request has among those at work."""

from collections.abc import MutableMapping
from typing import Any

LEAVE = "leave"
"""The key in a request's state under which the server puts a function: it gives back the request's place among those at
work."""


def leave(state: MutableMapping[str, Any]) -> None:
    """From here on, the request has no place and no deadline as a whole: it is answered, or has turns of its own."""
    if (give_back := state.pop(LEAVE, None)) is not None:
        give_back()
