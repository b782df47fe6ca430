"""The resources of all modules, for what the kernel does with every one of them alike."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from shared.auth import Principal, gate
from shared.extensions import Extensions
from shared.rows import table_of
from shared.wire import Database, Statement
from shared.writes.repository import Repository


class Resources:
    """What the modules' manifests declare, by the names of the tables."""

    def __init__(
        self, repositories: Sequence[type[Repository[Any]]], database: Database, extensions: Extensions
    ) -> None:
        self.by_name = {repository.resource(): repository for repository in repositories}
        self._database = database
        self._roles = {name: _role(repository, extensions) for name, repository in self.by_name.items()}

    async def demand(self, resource: str, action: str, id: UUID, caller: Principal) -> None:
        """Check that the caller may do that to a row, deleted or not. Raises what the repository would."""
        repository = self.by_name[resource]
        found = await self._database.read(self._roles[resource], caller.parameters() | {"id": id})
        role: str | None = found[0][0] if found else None
        if role is None:
            raise repository.absent
        if action != "read":
            repository.policy.demand(action, role, repository.denied)


def _role(repository: type[Repository[Any]], extensions: Extensions) -> Statement:
    rows = table_of(repository.model)
    role = repository.policy.role(rows, extensions)
    here = rows.c.id == bindparam("id", type_=Uuid())
    return Statement(select(role).select_from(gate(extensions).join(rows, here)))
