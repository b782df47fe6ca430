"""Parents: the rows to which a row belongs, as the columns `owned_by` and `part_of` say."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Table

from shared.auth import CHANGE, RESOURCES
from shared.errors import Conflict, DomainError
from shared.extensions import Extensions
from shared.reads import Reader
from shared.rows import OWNER, PART, Resource, belongings
from shared.writes.api import Api
from shared.writes.change import Change


class ParentDeleted(Conflict):
    """What this belongs to is deleted. What was deleted along with that comes back with it."""


class Parents:
    """The rows to which those of a table belong."""

    def __init__(self, table: Table, extensions: Extensions) -> None:
        self._extensions = extensions
        self._owner = [belonging.column.name for belonging in belongings(table) if belonging.role == OWNER]
        self._parts = [belonging.column.name for belonging in belongings(table) if belonging.role == PART]
        self._resources = {belonging.column.name: belonging.resource for belonging in belongings(table)}

    def of_caller(self, change: Change) -> dict[str, Any]:
        """The columns of a row that is the caller's own."""
        return dict.fromkeys(self._owner, change.caller.user_id)

    async def demand(self, change: Change, columns: Mapping[str, Any]) -> None:
        """Hold what a row with these columns becomes part of. Raises the errors of what the caller may not change."""
        for name in self._parts:
            if columns.get(name) is not None:
                await self._apis[name].demand(change, columns[name], CHANGE, f"/{name}")

    async def hold_live(self, change: Change, row: Resource) -> bool:
        """Hold all to which a row belongs. Whether all of that is live."""
        ids = {name: getattr(row, name) for name in (*self._owner, *self._parts)}
        return all([await self._apis[name].hold_live(change, [id]) for name, id in ids.items() if id is not None])

    @cached_property
    def _apis(self) -> Mapping[str, Api]:
        return {name: _api(RESOURCES[resource], self._extensions) for name, resource in self._resources.items()}


def errors_of_parents(table: Table) -> frozenset[type[DomainError]]:
    """The errors of `Parents.demand`."""
    parents = [RESOURCES[belonging.resource] for belonging in belongings(table) if belonging.role == PART]
    return frozenset(error for parent in parents for error in (parent.absent, parent.denied))


def _api(resource: type[Reader[Any]], extensions: Extensions) -> Api:
    kind = type(f"{resource.__name__}Api", (Api,), {"resource": resource})
    made: Api = kind(extensions)
    return made
