"""Who may do what with a project and with an invitation to one, and what of projects tags may know."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from modules.projects.models import Project, ProjectMember, ProjectTag, Role
from modules.tags.api import TagSummary
from modules.users.api import address_of
from shared.auth import ADMIN, CALLER_ID, CALLER_IS_ADMIN, DELETE, RESTORE, Policy, among
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

INVITED, INVITED_MANAGER = "invited", "invited_manager"
"""The caller's role on an invitation that is for them; and when they manage the project besides, as an administrator
does.
"""
ACCEPT, DECLINE = "accept", "decline"


def addressed(invitations: FromClause, _: Extensions | None = None) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The invitations that are for the caller: by their account, or by the address that it has now."""
    return invitations.c.user_id == CALLER_ID, func.lower(invitations.c.email) == address_of(CALLER_ID)


def role_on_invitation(invitations: FromClause, _: Extensions) -> ColumnElement[Any]:
    """Invited, or the role of who manages the project; NULL for everybody else, and when it has expired."""
    # What was accepted in time stays so: the answer is repeated under its idempotency key.
    has_expired = invitations.c.deleted_at.is_(None) & (invitations.c.expires_at <= func.now())
    managing = _role_of_manager(invitations)
    answering = case((managing.is_not(None), literal(INVITED_MANAGER)), else_=literal(INVITED))
    return case((has_expired, null()), (or_(*addressed(invitations)), answering), else_=managing)


def _addressed_and_open(invitations: FromClause, _: Extensions) -> tuple[ColumnElement[bool], ...]:
    return tuple(is_theirs & (invitations.c.expires_at > func.now()) for is_theirs in addressed(invitations))


def _of_a_managed_project(invitations: FromClause, _: Extensions) -> tuple[ColumnElement[bool]]:
    return (_role_of_manager(invitations).is_not(None) & (invitations.c.expires_at > func.now()),)


def _role_of_manager(invitations: FromClause) -> ColumnElement[Any]:
    """The caller's role in the project, if that lets them manage it."""
    projects = table_of(Project).alias()
    role = role_of_caller(projects)
    managing = select(role).where(
        projects.c.id == invitations.c.project_id, *live(projects), POLICY.permits("manage", role)
    )
    return managing.correlate(invitations).scalar_subquery()


_INVITED = frozenset({INVITED, INVITED_MANAGER})
INVITATION = Policy(
    role=role_on_invitation,
    listed=_addressed_and_open,
    allowed={
        ACCEPT: _INVITED,
        DECLINE: _INVITED,
        DELETE: _OWNERS | {INVITED_MANAGER},
        RESTORE: frozenset(),
    },
)
OF_PROJECT = replace(INVITATION, listed=_of_a_managed_project)
"""The same, for the list of a project's."""


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
