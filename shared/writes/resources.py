"""The resources of all modules, for checks that the kernel makes of any of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select

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

    async def demand(self, read: Run, caller: Principal, wanted: Sequence[Permission]) -> None:
        """Check that the caller has these permissions on rows, deleted or not: a statement a resource. Raises for the
        first that is missing as its repository does, and LookupError for an unknown resource.
        """
        roles: dict[tuple[str, UUID], str | None] = {}
        for resource in dict.fromkeys(permission.resource for permission in wanted):
            ids = list({permission.id for permission in wanted if permission.resource == resource})
            found = await read(self._roles[resource], caller.parameters() | {"ids": ids})
            roles |= {(resource, id): role for id, role in found}
        for resource, action, id in wanted:
            repository, role = self.by_name[resource], roles.get((resource, id))
            if role is None:
                raise repository.absent
            if action != READ:
                repository.policy.demand(action, role, repository.denied)


def _role(repository: type[Repository[Any]], extensions: Extensions) -> Statement:
    rows = table_of(repository.model)
    role = repository.policy.role(rows, extensions)
    here = rows.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid())))
    return Statement(select(rows.c.id, role).select_from(gate(extensions).join(rows, here)))
