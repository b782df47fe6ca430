"""Rows and callers: whose the rows of a test are, who else gets a role on them, and what a module may tell of that."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.auth import ADMIN
from shared.errors import DomainError
from shared.rows import INCLUDE_DELETED, PART, belongings
from tests.callers import ACCOUNTS, Caller
from tests.conformance.faces import Face
from tests.conformance.stages import Stage
from tests.conformance.tried import Tried
from tests.conformance.values import NOON
from tests.factories import RowFactory


class Rows(Tried):
    """A keeper with a row. A module overrides `context`, `actor` and `dispossess` where they cannot be derived."""

    factory: ClassVar[type[RowFactory[Any]]]
    """Makes good rows of its table."""
    parent: ClassVar["type[Rows] | None"] = None
    """The contract of what the rows are part of, if it is not their owner: it makes the parent, and gives roles in it.
    Name it by its module, so that pytest does not collect it again: `parent = test_contract.TestOrders`.
    """
    keeper: Caller
    """Who has every right on `row`: its owner, or an administrator where administrators have the routes."""
    row: Any
    columns: dict[str, Any]
    """Those by which rows are the keeper's."""

    async def context(self, owner: Caller) -> dict[str, Any]:
        """The columns by which new rows are `owner`'s, who has every right on them. Whatever else names an account,
        such as who is to do it, names the `owner`, too; where that is not allowed, a module gives another value.
        """
        accounts = {column.name: owner.id for column in self.face.referring(ACCOUNTS)}
        if self.parent is None:
            return accounts
        return accounts | {self._parents_key(): (await self._above().saved(owner)).id}

    async def actor(self, role: str, row: Any) -> Caller:
        """A caller with the role on the row."""
        if self.parent is not None:
            above = self._above()
            return await above.actor(role, await above.found(getattr(row, self._parents_key())))
        if self.is_keepers(role):
            return self.keeper
        raise NotImplementedError(f"Tell how somebody becomes {role}: override `actor`, or name other `roles`.")

    async def dispossess(self, caller: Caller, row: Any) -> None:
        """Take every right on the row away from the caller, as an operator could."""
        if self.parent is not None:
            above = self._above()
            await above.dispossess(caller, await above.found(getattr(row, self._parents_key())))
            return
        if not self.face.sharers:
            raise NotImplementedError("Tell how somebody loses their rights: override `dispossess`.")
        other = await self.stage.sign_in()
        columns = {column.name: other.id for column in self.face.sharers}
        await self.stage.database.sql(self.face.table.update().where(self.face.table.c.id == row.id).values(columns))

    @classmethod
    def is_keepers(cls, role: str) -> bool:
        """Whether the role may do all that anybody may."""
        return all(role in roles for roles in cls.resource.policy.allowed.values())

    @classmethod
    def is_administered(cls, verb: str) -> bool:
        """Whether a verb or an act is for administrators alone: an act is, where reading a row is."""
        return cls.face.is_administered(verb if verb in cls.face.routes else "get")

    @classmethod
    def above(cls) -> list[tuple[str, Face]]:
        """What rows belong to: each column that refers to their owner or to what they are part of, and its resource."""
        columns = [*cls.face.sharers, *([] if cls.parent is None else [cls.face.table.c[cls._parents_key()]])]
        found = [(column.name, cls.face.referred(column)) for column in columns]
        return [(name, face) for name, face in found if {"delete", "restore"} <= face.routes.keys()]

    async def set_up(self, stage: Stage) -> None:
        """Make a keeper with a row."""
        self.stage = stage
        administered = self.face.is_administered("get")
        self.keeper = await stage.sign_in(role=ADMIN) if administered else await stage.sign_in()
        self.columns = await self.context(self.keeper)
        self.row = await self.saved()

    async def saved(self, owner: Caller | None = None, /, **columns: Any) -> Any:
        """A row of the keeper's, or of the `owner`'s."""
        context = self.columns if owner is None else await self.context(owner)
        return await self.factory.saved(**{**context, **columns})

    async def deleted(self, /, **columns: Any) -> Any:
        """A row of the keeper's that was deleted at NOON."""
        gone: dict[str, Any] = {"deleted_at": NOON, "deletion_id": uuid7()}
        return await self.saved(**gone | columns)

    async def saved_all(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Rows of the keeper's; those that a rule of the table refuses are left out."""
        try:
            made = [self.factory.build(**self.columns | columns) for columns in rows]
            async with self.stage.database.unit_of_work() as unit, unit.orm() as session:
                session.add_all(made)
        except DomainError:
            if len(rows) == 1:
                return []
            return [row for columns in rows for row in await self.saved_all([columns])]
        return made

    async def found(self, id: UUID) -> Any:
        """The row with this id, deleted or not."""
        async with self.stage.database.unit_of_work() as unit, unit.orm() as session:
            return await session.get(self.face.model, id, execution_options=INCLUDE_DELETED)

    async def outsider(self) -> Caller:
        """Somebody who has nothing to do with the row."""
        return await self.stage.sign_in()

    async def admin(self) -> Caller:
        """An administrator of the service."""
        return await self.stage.sign_in(role=ADMIN)

    def _above(self) -> "Rows":
        """The parent's contract, on the same stage and for the same keeper."""
        assert self.parent is not None
        above = self.parent()
        above.stage, above.keeper, above.columns = self.stage, self.keeper, {}
        return above

    @classmethod
    def _parents_key(cls) -> str:
        assert cls.parent is not None
        theirs = cls.parent.face.table.name
        found = belongings(cls.face.table)
        return next(one.column.name for one in found if (one.role, one.resource) == (PART, theirs))
