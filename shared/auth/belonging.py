"""The policies of rows that belong to others, as the columns of their tables say."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, select, union_all

from shared.auth.policy import ADMIN, CHANGE, DELETE, RESTORE, Policy, among
from shared.auth.principal import CALLER_ID, CALLER_IS_ADMIN
from shared.extensions import Extensions
from shared.rows import OWNER, Belonging, live, table_of

CHANGES = (CHANGE, DELETE, RESTORE)

RESOURCES: dict[str, Any] = {}
"""The repositories of all resources, by their names. They are known when all modules are imported, as tables are."""


def policy_of(belonging: Belonging) -> Policy:
    """The policy of rows that belong to others: that of an owner, or that of what they are part of."""
    return _of_owner(belonging.column.name) if belonging.role == OWNER else _of_parent(belonging)


def role_on(resource: str, id: ColumnElement[Any], extensions: Extensions) -> ColumnElement[Any]:
    """The caller's role on the live row with the id in this column; NULL when it is deleted or invisible."""
    found = RESOURCES[resource]
    rows = table_of(found.model).alias()
    role = select(found.policy.role(rows, extensions)).where(rows.c.id == id, *live(rows))
    return role.correlate(id.table).scalar_subquery()


def _of_owner(column: str) -> Policy:
    return Policy(
        role=lambda rows, _: case((rows.c[column] == CALLER_ID, OWNER), (CALLER_IS_ADMIN, ADMIN)),
        listed=lambda rows, _: (rows.c[column] == CALLER_ID,),
        allowed=dict.fromkeys(CHANGES, frozenset({OWNER, ADMIN})),
    )


def _of_parent(belonging: Belonging) -> Policy:
    column, resource = belonging.column.name, belonging.resource

    def parents(rows: FromClause, extensions: Extensions) -> tuple[ColumnElement[Any], Select[Any]]:
        parent = RESOURCES[resource]
        found = table_of(parent.model).alias()
        listed = parent.policy.listed(found, extensions)
        ids = union_all(*(select(found.c.id).where(condition, *live(found)) for condition in listed)).subquery()
        return rows.c[column], select(ids.c.id)

    return Policy(
        role=lambda rows, extensions: role_on(resource, rows.c[column], extensions),
        listed=lambda rows, extensions: (among(*parents(rows, extensions)),),
        allowed=_AsOnParent(resource),
        parents=parents,
    )


class _AsOnParent(Mapping[str, frozenset[str]]):
    """Who may change a part: the roles that may change the parent."""

    def __init__(self, resource: str) -> None:
        self._resource = resource

    def __getitem__(self, action: str) -> frozenset[str]:
        if action not in CHANGES:
            raise KeyError(action)
        roles: frozenset[str] = RESOURCES[self._resource].policy.allowed.get(CHANGE, frozenset())
        return roles

    def __iter__(self) -> Iterator[str]:
        return iter(CHANGES)

    def __len__(self) -> int:
        return len(CHANGES)
