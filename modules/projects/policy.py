"""Who may do what with a project, and what of it tags may know."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, FromClause, case, exists, func, null, select, union_all

from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from modules.tags.api import TagSummary
from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, Policy, among
from shared.extensions import Extensions
from shared.rows import live, table_of


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


def own_and_shared(
    projects: FromClause, _: Extensions | None = None
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The projects that the caller owns, and the others that the caller is a member of."""
    members = table_of(ProjectMember).alias()
    shared = select(members.c.project_id).where(members.c.user_id == CALLER_ID, *live(members))
    return projects.c.owner_id == CALLER_ID, (projects.c.owner_id != CALLER_ID) & among(projects.c.id, shared)


_EDITORS = frozenset({Role.EDITOR, Role.OWNER, ADMIN})
_OWNERS = frozenset({Role.OWNER, ADMIN})

POLICY = Policy(
    role=role_of_caller,
    listed=own_and_shared,
    allowed={
        "change": _EDITORS,
        "manage": _OWNERS,
        "delete": _OWNERS,
        "restore": _OWNERS,
        "leave": frozenset({*Role, ADMIN}),
    },
)


def of_a_visible_project(memberships: FromClause, _: Extensions) -> tuple[ColumnElement[bool]]:
    """The memberships of projects that the caller sees."""
    projects = table_of(Project).alias()
    visible = exists().where(projects.c.id == memberships.c.project_id, *live(projects))
    return (visible.where(role_of_caller(projects).is_not(None)).correlate(memberships),)


MEMBERSHIP = Policy(role=lambda _memberships, _: null(), listed=of_a_visible_project, allowed={})
"""Of a project's members, who are listed alone."""


def count_carrying(tags: FromClause) -> ColumnElement[int]:
    """How many projects that the caller sees carry the tag."""
    projects, links = table_of(Project).alias(), table_of(ProjectTag).alias()
    carrying = (
        select(func.count())
        .join_from(links, projects, projects.c.id == links.c.project_id)
        .where(links.c.tag_id == tags.c.id, role_of_caller(projects).is_not(None), *live(projects))
    )
    return carrying.correlate(tags).scalar_subquery()


def tags_on_view() -> CompoundSelect[UUID]:
    """The tags on the projects that stand in the caller's list."""
    projects, links = table_of(Project).alias(), table_of(ProjectTag).alias()
    carried = select(links.c.tag_id).join_from(links, projects, projects.c.id == links.c.project_id)
    return union_all(*(carried.where(listed, *live(projects)) for listed in own_and_shared(projects)))


def carries(projects: FromClause, slugs: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the project carries a live tag of each of these slugs."""
    tags, links = TagSummary.rows.alias(), table_of(ProjectTag).alias()
    found = (
        select(func.count(tags.c.slug.distinct()))
        .join_from(links, tags, tags.c.id == links.c.tag_id)
        .where(links.c.project_id == projects.c.id, tags.c.slug == func.any(slugs), *live(tags))
    )
    return found.correlate(projects).scalar_subquery() == func.cardinality(slugs)
