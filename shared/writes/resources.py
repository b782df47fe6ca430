"""The resources of all modules, for checks that the kernel makes of any of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Uuid, bindparam, select

from shared.auth import READ, Principal, gate
from shared.extensions import Extensions
from shared.rows import table_of
from shared.wire import Run, Statement
from shared.writes.change import Permission
from shared.writes.repository import Repository


class Resources:
    """The repositories that manifests declare, by the names of their tables."""

    def __init__(self, repositories: Sequence[type[Repository[Any]]], extensions: Extensions) -> None:
        self.by_name = {repository.resource(): repository for repository in repositories}
        self._roles = {name: _role(repository, extensions) for name, repository in self.by_name.items()}

    async def demand(self, read: Run, caller: Principal, wanted: Permission) -> None:
        """Check that the caller has a permission on a row, deleted or not. Raises as the repository does, and
        LookupError for an unknown resource.
        """
        resource, action, id = wanted
        repository = self.by_name[resource]
        found = await read(self._roles[resource], caller.parameters() | {"id": id})
        role: str | None = found[0][0] if found else None
        if role is None:
            raise repository.absent
        if action != READ:
            repository.policy.demand(action, role, repository.denied)


def _role(repository: type[Repository[Any]], extensions: Extensions) -> Statement:
    rows = table_of(repository.model)
    role = repository.policy.role(rows, extensions)
    here = rows.c.id == bindparam("id", type_=Uuid())
    return Statement(select(role).select_from(gate(extensions).join(rows, here)))
