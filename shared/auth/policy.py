"""Policy: one table a resource, action × role, evaluated in the statement that reads or locks the row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func

from shared.errors import DomainError
from shared.extensions import Extensions

ADMIN = "admin"
"""The role that a policy gives an administrator of the service on rows that are not their own."""

RowExpression = Callable[[FromClause, Extensions], ColumnElement[Any]]
"""An expression over a row of a table or of an alias of it; it may use CALLER_ID and CALLER_IS_ADMIN."""


def among(column: ColumnElement[Any], ids: Select[Any]) -> ColumnElement[bool]:
    """Whether the column is one of these ids, which are found first.

    An IN might have PostgreSQL scan the column's table and look for each row among them.
    """
    return column == func.any(func.array(ids.scalar_subquery()))


@dataclass(frozen=True)
class Policy:
    """Who may do what with a row.

    `role` is the caller's role on a row, as text; NULL makes the row invisible, like one that never was.
    `listed` tells which of the visible rows stand in the collection: a list shows the caller's own world, while an
    administrator reaches every row by its id. It gives conditions that exclude each other, each of which an index of
    its own answers; a row stands in the list when one holds.
    """

    role: RowExpression
    listed: Callable[[FromClause, Extensions], Sequence[ColumnElement[bool]]]
    allowed: Mapping[str, frozenset[str]]
    """The roles that may do each action. To see the row is to be allowed to read it."""

    def demand(self, action: str, role: str, denial: type[DomainError]) -> None:
        """Raises the denial when the role is too low for the action."""
        if role not in self.allowed[action]:
            raise denial
