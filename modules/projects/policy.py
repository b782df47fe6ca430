"""Who may do what with a project, and what of it tags may know."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, case, exists, func, or_, select

from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from shared.auth.policy import ADMIN, Policy
from shared.auth.principal import CALLER_ID, CALLER_IS_ADMIN
from shared.extensions import Extensions
from shared.persistence.projection import table_of
from shared.persistence.soft_delete import live


def role_of_caller(projects: FromClause, _: Extensions | None = None) -> ColumnElement[Any]:
    """The caller's role in a project; NULL when they have none and do not see it."""
    members = table_of(ProjectMember).alias()
    membership = select(members.c.role).where(
        members.c.project_id == projects.c.id, members.c.user_id == CALLER_ID, *live(members)
    )
    return case(
        (projects.c.owner_id == CALLER_ID, Role.OWNER.value),
        (CALLER_IS_ADMIN, ADMIN),
        else_=membership.correlate(projects).scalar_subquery(),
    )


def is_own_or_shared(projects: FromClause, _: Extensions | None = None) -> ColumnElement[bool]:
    """Whether the project stands in the caller's list."""
    members = table_of(ProjectMember).alias()
    shared = select(members.c.project_id).where(members.c.user_id == CALLER_ID, *live(members))
    return or_(projects.c.owner_id == CALLER_ID, projects.c.id.in_(shared))


_EDITORS = frozenset({Role.EDITOR, Role.OWNER, ADMIN})
_OWNERS = frozenset({Role.OWNER, ADMIN})

POLICY = Policy(
    role=role_of_caller,
    listed=is_own_or_shared,
    allowed={
        "change": _EDITORS,
        "manage": _OWNERS,
        "delete": _OWNERS,
        "restore": _OWNERS,
        "leave": frozenset({*Role, ADMIN}),
    },
)


def count_carrying(tags: FromClause) -> ColumnElement[int]:
    """How many projects that the caller sees carry the tag."""
    projects, links = table_of(Project).alias(), table_of(ProjectTag).alias()
    carrying = (
        select(func.count())
        .join_from(links, projects, projects.c.id == links.c.project_id)
        .where(links.c.tag_id == tags.c.id, role_of_caller(projects).is_not(None), *live(projects))
    )
    return carrying.correlate(tags).scalar_subquery()


def is_carried(tags: FromClause) -> ColumnElement[bool]:
    """Whether a project that stands in the caller's list carries the tag."""
    projects, links = table_of(Project).alias(), table_of(ProjectTag).alias()
    carrying = (
        exists()
        .where(links.c.tag_id == tags.c.id, projects.c.id == links.c.project_id)
        .where(is_own_or_shared(projects), *live(projects))
    )
    return carrying.correlate(tags)
