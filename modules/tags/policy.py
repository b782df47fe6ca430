"""Who may do what with a tag."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, or_

from modules.tags.extension_points import sharing
from shared.auth.policy import ADMIN, Policy
from shared.auth.principal import CALLER_ID, CALLER_IS_ADMIN
from shared.extensions import Extensions


class Role(StrEnum):
    """What the caller is to a tag."""

    VIEWER = "viewer"
    OWNER = "owner"


def role_of_caller(tags: FromClause, extensions: Extensions) -> ColumnElement[Any]:
    """The owner's and the administrators' role; who sees something that carries the tag sees the tag."""
    return case(
        (tags.c.owner_id == CALLER_ID, Role.OWNER.value),
        (CALLER_IS_ADMIN, ADMIN),
        (is_shared(tags, extensions), Role.VIEWER.value),
    )


def is_own_or_shared(tags: FromClause, extensions: Extensions) -> ColumnElement[bool]:
    """Whether the tag stands in the caller's list."""
    return or_(tags.c.owner_id == CALLER_ID, is_shared(tags, extensions))


def is_shared(tags: FromClause, extensions: Extensions) -> ColumnElement[bool]:
    """Whether the caller sees the tag on something."""
    return or_(False, *(contribution(tags) for contribution in extensions[sharing]))


POLICY = Policy(
    role=role_of_caller,
    listed=is_own_or_shared,
    allowed=dict.fromkeys(("change", "delete", "restore"), frozenset({Role.OWNER, ADMIN})),
)
