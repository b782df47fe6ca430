"""Events: facts that one module publishes and others handle, in the same transaction or in a job of their own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True)
class Event:
    """A fact, named in the past tense. Subclasses are frozen, small, and published in a module's `api.py`.

    Who handles it later finds its fields in the queue: ids, and no documents or secrets. When these change so that what
    waits in the queue does not fit, the next version says how to read it: `class Moved(Event, version=2)`.
    """

    schema_version: ClassVar[int] = 1

    def __init_subclass__(cls, *, version: int = 1) -> None:
        super().__init_subclass__()
        cls.schema_version = version

    @classmethod
    def upgraded(cls, version: int, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG003 (for who overrides it)
        """The fields of an older version in the form of this one. New fields with defaults need no more than this."""
        return payload


@dataclass(frozen=True)
class Deleted(Event):
    """Rows of a resource were deleted, as the group with this id. Handlers delete what belongs to them along with it,
    in a way of their own, where columns do not say it. A module has one subclass a resource, which the kernel
    publishes: `class UserDeleted(Deleted, of="users")`.
    """

    by_resource: ClassVar[dict[str, type["Deleted"]]] = {}

    deletion_id: UUID

    def __init_subclass__(cls, *, of: str, version: int = 1) -> None:
        super().__init_subclass__(version=version)
        Deleted.by_resource[of] = cls


@dataclass(frozen=True)
class Restored(Event):
    """The group came back, the rows of a resource among it: `class UserRestored(Restored, of="users")`."""

    by_resource: ClassVar[dict[str, type["Restored"]]] = {}

    deletion_id: UUID

    def __init_subclass__(cls, *, of: str, version: int = 1) -> None:
        super().__init_subclass__(version=version)
        Restored.by_resource[of] = cls


Handler = Callable[[Any, Any], Awaitable[None]]
"""Takes the change in which the event came about, or that of the job, and the event."""


class Events:
    """Delivers events to their handlers. One of these may leave a job in the queue, for who handles the event later."""

    def __init__(self, handlers: Mapping[type[Event], Sequence[Callable[[], Handler]]]) -> None:
        """`handlers` has an entry for every event that a manifest publishes; each callable gives a bound handler."""
        self._handlers = handlers

    async def publish(self, change: object, event: Event) -> None:
        """Run every handler now, in the modules' start order, within the change: all is kept, or nothing."""
        if type(event) not in self._handlers:
            raise LookupError(f"{type(event).__name__} is published, but no manifest says so.")
        for provide in self._handlers[type(event)]:
            await provide()(change, event)
