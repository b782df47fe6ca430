"""Who may do what with an account."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, case

from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Policy, Principal
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


def demand_step_up_at_own(administrator: Principal, user_id: UUID) -> None:
    """An administrator ends sessions of others, and revokes their keys, with a sign-in of long ago, too: it is urgent,
    and only takes away. Their own go by the rule of `/auth`. Raises StepUpRequired.
    """
    if user_id == administrator.user_id:
        administrator.require_recent_sign_in()
