"""Who may do what with an account."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, case

from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Policy
from shared.extensions import Extensions
from shared.rows import OWNER

SELF = "self"
"""The caller's role on their own account. On one of their services they have the kernel's OWNER."""


def role_of_caller(users: FromClause, _: Extensions) -> ColumnElement[Any]:
    """The caller's role on an account; NULL for everybody else, to whom it is not visible."""
    return case((CALLER_IS_ADMIN, ADMIN), (users.c.id == CALLER_ID, SELF), (users.c.owner_id == CALLER_ID, OWNER))


POLICY = Policy(
    role=role_of_caller,
    listed=lambda _users, _extensions: (CALLER_IS_ADMIN,),
    allowed={
        "change": frozenset({SELF, ADMIN}),
        "delete": frozenset({SELF, OWNER, ADMIN}),
        "administer": frozenset({ADMIN}),
        "restore": frozenset({ADMIN}),
    },
)
