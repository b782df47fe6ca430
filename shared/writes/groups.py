"""Groups: rows that are deleted together and come back together, by the columns that say what they belong to."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from shared.errors import DomainError
from shared.events import Deleted, Events, Restored
from shared.rows import Model, following, rules_of
from shared.writes.change import Change
from shared.writes.verbs import Verbs


class Group:
    """What goes along with the rows of a resource, and with that in turn."""

    def __init__(self, resource: str, events: Events) -> None:
        self._resource, self._events = resource, events

    async def delete(self, change: Change, deletion_ids: Sequence[UUID]) -> None:
        """Delete what belongs to the rows of these deletions, each under the id of its own."""
        for verbs, column in self._following:
            await verbs.delete_along(change, column, deletion_ids)
        for kind in self._told(Deleted.by_resource):
            for deletion_id in deletion_ids:
                await self._events.publish(change, kind(deletion_id))

    async def restore(self, change: Change, deletion_id: UUID) -> None:
        """Bring back what was deleted along. Raises the error of a unique rule, with the row in the way."""
        for verbs in {verbs.resource: verbs for verbs, _ in self._following}.values():
            await verbs.restore(change, deletion_id=deletion_id)
        for kind in self._told(Restored.by_resource):
            await self._events.publish(change, kind(deletion_id))

    @cached_property
    def _following(self) -> list[tuple[Verbs[Any], str]]:
        return [(Verbs(model), column) for model, column in following(self._resource)]

    def _told(self, kinds: dict[str, Any]) -> list[Any]:
        """The events of the resources in the group."""
        names = dict.fromkeys([self._resource, *(verbs.resource for verbs, _ in self._following)])
        return [kinds[name] for name in names if name in kinds]


def rules_of_group(resource: str) -> frozenset[type[DomainError]]:
    """The errors of the rules among live rows, of a resource and of what goes along with it."""
    names = {resource, *(str(model.__tablename__) for model, _ in following(resource))}
    return frozenset(error for name in names for error in rules_of(Model.metadata.tables[name], of_the_live=True))
