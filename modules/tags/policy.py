"""Who may do what with a tag."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, exists, or_, select

from modules.tags.extension_points import sharing
from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Policy, among
from shared.extensions import Extensions


class Role(StrEnum):
    """What the caller is to a tag."""

    VIEWER = "viewer"
    OWNER = "owner"


def role_of_caller(tags: FromClause, extensions: Extensions) -> ColumnElement[Any]:
    """Owner, administrator, or viewer: whoever sees a resource that carries the tag sees the tag."""
    on_view = [contribution().subquery() for contribution in extensions[sharing]]
    is_shared = (exists().where(shared.c.tag_id == tags.c.id).correlate(tags) for shared in on_view)
    return case(
        (tags.c.owner_id == CALLER_ID, Role.OWNER.value),
        (CALLER_IS_ADMIN, ADMIN),
        (or_(False, *is_shared), Role.VIEWER.value),
    )


def own_and_shared(tags: FromClause, extensions: Extensions) -> tuple[ColumnElement[bool], ...]:
    """The caller's own tags, and tags of others on resources that the caller sees."""
    others = tags.c.owner_id != CALLER_ID
    shared = [contribution().subquery() for contribution in extensions[sharing]]
    return tags.c.owner_id == CALLER_ID, *(others & among(tags.c.id, select(ids.c.tag_id)) for ids in shared)


POLICY = Policy(
    role=role_of_caller,
    listed=own_and_shared,
    allowed=dict.fromkeys(("change", "delete", "restore"), frozenset({Role.OWNER, ADMIN})),
)
