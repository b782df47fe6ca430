"""Requests and documents of projects."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import func, literal, select, union_all

from modules.projects.models import Project, ProjectMember, ProjectTag, Role, Status
from modules.projects.policy import carries, role_of_caller
from modules.tags.api import TagSummary
from modules.users.api import UserSummary
from shared.reads import Collection, CustomFilter, Derived, Document, Each, Many, One, OnRequest
from shared.rows import live, table_of
from shared.schemas import UNCHANGED, Date, Input, Key, Line, Patch, Text

Description = Annotated[Text, Field(max_length=10_000)]
TagIds = Annotated[list[UUID], Field(max_length=100)]
"""All tags of a project. A repeated id counts once."""


_projects, _members = table_of(Project), table_of(ProjectMember)
MEMBERSHIPS = union_all(
    select(
        _projects.c.id.label("project_id"),
        _projects.c.owner_id.label("user_id"),
        literal(Role.OWNER.value).label("role"),
        _projects.c.owner_since.label("since"),
        literal(0).label("place"),
    ),
    select(
        _members.c.project_id, _members.c.user_id, func.text(_members.c.role), _members.c.created_at, literal(1)
    ).where(*live(_members)),
).subquery("memberships")
"""The owner of each project, from the project's row, and its members."""


class MemberRead(Document, of=MEMBERSHIPS):
    """The owner or a member of a project."""

    user: Annotated[UserSummary, One("user_id")]
    role: Role
    since: datetime


MEMBERS = Collection(MemberRead, sorts=(), default_sort=(("place", False), ("since", False)), key="user_id")


class ProjectRead(Document, of=Project):
    """A project."""

    id: UUID
    external_id: str | None
    owner_id: UUID
    name: str
    description: str | None
    status: Status
    starts_on: date | None
    due_on: date | None
    tags: Annotated[list[TagSummary], Many(ProjectTag, order_by="name")]
    my_role: Annotated[Role | Literal["admin"], Derived(role_of_caller)]
    owner: Annotated[UserSummary | None, One("owner_id"), OnRequest] = None
    members: Annotated[list[MemberRead] | None, Each("project_id", ("place", "since", "user_id")), OnRequest] = None
    created_at: datetime
    updated_at: datetime
    version: int


PROJECTS = Collection(
    ProjectRead,
    filters=("id", "external_id", "owner_id", "name", "status", "starts_on", "due_on", "created_at", "updated_at"),
    sorts=("created_at", "updated_at", "name", "status", "starts_on", "due_on"),
    search="search",
    custom={
        "tag": CustomFilter(
            carries, "The project carries the tag with this slug. Repeat it for more tags: all must match."
        )
    },
)


class ProjectReplace(Input):
    """A whole project, without its `external_id`."""

    name: Line
    description: Description | None = None
    status: Status = Status.ACTIVE
    starts_on: Date | None = None
    due_on: Date | None = None
    tag_ids: TagIds = Field(default_factory=list)


class ProjectCreate(ProjectReplace):
    """A new project."""

    external_id: Key | None = None


class ProjectUpdate(Patch):
    """A change of a project; `tag_ids` replaces all of its tags."""

    name: Line = UNCHANGED
    external_id: Key | None = UNCHANGED
    description: Description | None = UNCHANGED
    status: Status = UNCHANGED
    starts_on: Date | None = UNCHANGED
    due_on: Date | None = UNCHANGED
    tag_ids: TagIds = UNCHANGED


class MemberWrite(Input):
    """The role to give somebody in a project."""

    role: Role
