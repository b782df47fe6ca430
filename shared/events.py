"""Events: facts that one module publishes and others handle, in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Event:
    """A fact, named in the past tense. Subclasses are frozen, small, and published in a module's `api.py`."""


@dataclass(frozen=True)
class Deleted(Event):
    """Rows of a resource were deleted, as the group with this id. Handlers delete what belongs to them along with it
    (`delete_along`). A module has one subclass a resource: `class UserDeleted(Deleted)`.
    """

    deletion_id: UUID


@dataclass(frozen=True)
class Restored(Event):
    """The group came back. Handlers restore what went along: their rows with this deletion's id."""

    deletion_id: UUID


Handler = Callable[[Any, Any], Awaitable[None]]
"""Takes the change in which the event came about, and the event."""


class Events:
    """Delivers events to their handlers."""

    def __init__(self, handlers: Mapping[type[Event], Sequence[Callable[[], Handler]]]) -> None:
        """`handlers` has an entry for every event that a manifest publishes; each callable gives a bound handler."""
        self._handlers = handlers

    async def publish(self, change: object, event: Event) -> None:
        """Run every handler now, in the modules' start order, within the change: all is kept, or nothing."""
        if type(event) not in self._handlers:
            raise LookupError(f"{type(event).__name__} is published, but no manifest says so.")
        for provide in self._handlers[type(event)]:
            await provide()(change, event)
