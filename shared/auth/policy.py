"""Policy: a table of actions and roles for each resource, evaluated in the statement that reads or locks the row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import array

from shared.auth.scopes import is_in_scope, scope_of
from shared.errors import DomainError
from shared.extensions import Extensions

ADMIN = "admin"
"""The role of an administrator of the service on rows of others."""

READ, CHANGE, DELETE, RESTORE = "read", "change", "delete", "restore"
"""The actions that the kernel knows. A module's policy may add others."""

RowExpression = Callable[[FromClause, Extensions], ColumnElement[Any]]
"""An expression over a row of a table or of an alias of it; it may use CALLER_ID and CALLER_IS_ADMIN."""


def among(column: ColumnElement[Any], ids: Select[Any]) -> ColumnElement[bool]:
    """Whether the column is one of these ids, which PostgreSQL finds first.

    For an IN, it might scan the column's table and look up each row among the ids.
    """
    return column == func.any(func.array(ids.scalar_subquery()))


@dataclass(frozen=True)
class Policy:
    """Who may do what with a row.

    `role` is the caller's role on a row, as text. NULL: the row is invisible, as if it did not exist.
    `listed` says which of the visible rows are in the collection: an administrator reaches every row by its id, but a
    list shows their own. Disjoint conditions, one per index; a row is listed if any holds.
    """

    role: RowExpression
    listed: Callable[[FromClause, Extensions], Sequence[ColumnElement[bool]]]
    allowed: Mapping[str, frozenset[str]]
    """The roles that may do each action. Who sees a row may read it."""
    parents: Callable[[FromClause, Extensions], tuple[ColumnElement[Any], Select[Any]]] | None = None
    """For rows that are listed because of the rows that they are part of: the column that names those, and the ids of
    those that are listed. A page is put together from a page of each.
    """

    def permits(self, action: str, role: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a role that `role` gave may do the action; NULL when the row is invisible."""
        return role == func.any(literal(sorted(self.allowed[action]), ARRAY(String())))

    def actions(self, resource: str, rows: FromClause, extensions: Extensions) -> ColumnElement[list[str]]:
        """What the caller may do with a row as it is now, by their role and by the scopes of their key: READ, and the
        actions of the table in its order. A deleted row can be restored, and nothing else.
        """
        # The OFFSET keeps PostgreSQL from working out the role once more for each action.
        role = select(cast(self.role(rows, extensions), String()).label("role")).offset(literal_column("0"))
        caller = role.correlate(rows).subquery()
        permitted = {READ: caller.c.role.is_not(None)} | {one: self.permits(one, caller.c.role) for one in self.allowed}
        scopes = {action: literal(scope_of(resource, writes=action != READ), String()) for action in permitted}
        possible = [
            case((and_(may, _is_now(action, rows), is_in_scope(scopes[action])), literal(action, String())))
            for action, may in permitted.items()
        ]
        found = select(func.array_remove(array(possible), null())).select_from(caller)
        return found.correlate(rows).scalar_subquery()

    def demand(self, action: str, role: str, denial: type[DomainError]) -> None:
        """Raises the denial when the role is too low for the action."""
        if role not in self.allowed[action]:
            raise denial


def _is_now(action: str, rows: FromClause) -> ColumnElement[bool]:
    deleted_at = rows.c.deleted_at
    return deleted_at.is_not(None) if action == RESTORE else deleted_at.is_(None)
