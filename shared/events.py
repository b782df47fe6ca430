"""Events: facts that a module publishes and other modules handle, in the transaction in which they came about."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """A fact, named in the past tense. Subclasses are frozen, small, and published in a module's `api.py`."""


Handler = Callable[[Any], Awaitable[None]]


class Events:
    """Delivers events to their handlers."""

    def __init__(self, handlers: Mapping[type[Event], Sequence[Callable[[], Handler]]]) -> None:
        """`handlers` has an entry for every event that a manifest publishes; a provider gives the handler bound."""
        self._handlers = handlers

    async def publish(self, event: Event) -> None:
        """Run every handler now, in the open unit of work and in the modules' start order: all of it holds, or none."""
        if type(event) not in self._handlers:
            raise LookupError(f"{type(event).__name__} is published, but no manifest says so.")
        for provide in self._handlers[type(event)]:
            await provide()(event)
