"""The repository of a resource: the base class of every module's own.

It has the operations that change a row, or all rows that a query matches, each within the policy and with its guards. A
service that has more to say takes the steps that they are made of.
"""

from collections.abc import Collection
from typing import Any, TypeVar
from uuid import UUID

from shared.auth import CHANGE, DELETE, RESTORE
from shared.errors import DomainError
from shared.reads import ListQuery, Representation
from shared.rows import OWNER, Resource, belongs_to, rules_of, table_of
from shared.writes.change import Change
from shared.writes.groups import rules_of_group
from shared.writes.matching import Affected, Matched
from shared.writes.parents import errors_of_parents
from shared.writes.steps import Steps

M = TypeVar("M", bound=Resource)


class Repository(Steps[M]):
    """Reads the documents of a resource, and changes its rows, both within what the policy allows."""

    async def create(self, change: Change, /, **columns: Any) -> Representation:
        """Store a new row: its document. It is the caller's own unless the columns say otherwise, and part only of what
        the caller may change. Raises `rules`, `parents`.
        """
        columns = self._parents.of_caller(change) | columns
        await self._parents.demand(change, columns)
        return await self.document(change, await self.add(change, **columns))

    async def change(self, change: Change, id: UUID, /, **columns: Any) -> Representation:
        """Give a row these columns: its document. Raises `rules`, `parents`, and as `lock` does `absent`, `denied`,
        InvalidToken, VersionMismatch, AlreadyThere and PreconditionRequired.
        """
        row = await self.lock(change, id, CHANGE)
        await self._parents.demand(change, {name: v for name, v in columns.items() if getattr(row, name) != v})
        await self.update(change, row, **columns)
        return await self.document(change, id)

    async def remove(self, change: Change, id: UUID) -> None:
        """Delete a row, and what goes along with it. Raises as `lock` does `absent`, `denied`, InvalidToken,
        VersionMismatch, AlreadyThere and PreconditionRequired.
        """
        await self.delete(change, await self.lock(change, id, DELETE))

    async def bring_back(self, change: Change, id: UUID) -> Representation:
        """Restore a deleted row, and what was deleted along with it: its document. Raises `orphans`, `rules_of_group`
        with the row in the way, and as `lock` does `absent`, `denied`, InvalidToken, VersionMismatch, AlreadyThere and
        PreconditionRequired.
        """
        await self.restore(change, await self.lock(change, id, RESTORE, include_deleted=True))
        return await self.document(change, id)

    async def change_all(self, change: Change, matching: ListQuery, /, **columns: Any) -> Affected:
        """Give these columns to the rows that match, that the caller may change, and that do not have them yet. Raises
        `rules`, `parents`, InvalidInput, and InvalidToken.
        """
        await self._parents.demand(change, columns)
        found = await self.lock_all(change, matching, CHANGE, **columns) if columns else Matched([], has_more=False)
        if found.rows:
            await self._verbs.update_all(change, found.ids, **columns)
        return found.told()

    async def remove_all(self, change: Change, matching: ListQuery) -> Affected:
        """Delete the rows that match and that the caller may delete, each with what goes along with it: each comes back
        alone. Raises InvalidInput, and InvalidToken.
        """
        found = await self.lock_all(change, matching, DELETE)
        if found.rows:
            await self._group.delete(change, await self._verbs.delete_each(change, found.ids))
        return found.told()

    @classmethod
    def rules(cls) -> Collection[type[DomainError]]:
        """The errors of the rules of its table."""
        return rules_of(table_of(cls.model))

    @classmethod
    def rules_of_group(cls) -> Collection[type[DomainError]]:
        """Those of all that comes back with a row."""
        return rules_of_group(cls.resource())

    @classmethod
    def parents(cls) -> Collection[type[DomainError]]:
        """The errors of a row that becomes part of one that the caller may not change, or not see."""
        return errors_of_parents(table_of(cls.model))

    @classmethod
    def orphans(cls) -> Collection[type[DomainError]]:
        """The error of a row that cannot come back before its owner."""
        return () if cls.orphaned is None or not belongs_to(table_of(cls.model), OWNER) else (cls.orphaned,)
