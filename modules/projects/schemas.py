"""Requests and documents of projects."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import func, literal, select, union_all

from modules.projects.models import Invitation, Project, ProjectMember, ProjectTag, Role, Status
from modules.projects.policy import carries, role_of_caller
from modules.tags.api import TagSummary
from modules.users.api import UserSummary
from shared.auth import ADMIN
from shared.reads import Collection, CustomFilter, Derived, Document, Each, Many, One, OnRequest, Summary, flat
from shared.rows import live, table_of
from shared.schemas import UNCHANGED, Date, Email, Input, Key, Line, Patch, Text

Name = Annotated[Line, Field(description="What it is called, on one line.", examples=["Relaunch"])]
Description = Annotated[Text, Field(max_length=10_000)]
TagIds = Annotated[
    list[UUID], Field(max_length=100, description="All tags of the project. A repeated id counts once.", examples=[[]])
]

About = Field(description="What it is about.", examples=["A new shop, with a till that works offline."])
Stage = Field(description="How far it is.", examples=["active"])
Start = Field(description="The day on which it begins.", examples=["2026-10-01"])
Due = Field(description="The day on which it is to be done, not before it begins.", examples=["2026-12-31"])
OwnKey = Field(description="Your own key for it, unique among your live projects.", examples=["crm/42"])
"""Words for members that several requests have."""


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


class CallersRole(StrEnum):
    """What the caller is to a project; `admin` when they see it as an administrator alone."""

    VIEWER = Role.VIEWER.value
    EDITOR = Role.EDITOR.value
    OWNER = Role.OWNER.value
    ADMIN = ADMIN


class MemberRead(Document, of=MEMBERSHIPS):
    """The owner or a member of a project."""

    user: Annotated[UserSummary, One("user_id")] = Field(description="The account.")
    role: Role = Field(description="What it is to the project.")
    since: datetime = Field(description="Since when it has shared in the project.")


MEMBERS = Collection(MemberRead, sorts=(), default_sort=(("place", False), ("since", False)), key="user_id")


class ProjectRead(Document, of=Project):
    """A project."""

    id: UUID
    external_id: str | None = Field(description="The owner's own key for it.")
    owner_id: UUID = Field(description="The account that it belongs to.")
    name: str = Field(description="What it is called.")
    description: str | None = Field(description="What it is about.")
    status: Status = Field(description="How far it is.")
    starts_on: date | None = Field(description="The day on which it begins.")
    due_on: date | None = Field(description="The day on which it is to be done.")
    tags: Annotated[list[TagSummary], Many(ProjectTag, order_by="name")] = Field(
        description="The tags that it carries, by name."
    )
    my_role: Annotated[CallersRole, Derived(role_of_caller)] = Field(description="What you are to it.")
    owner: Annotated[UserSummary | None, One("owner_id"), OnRequest] = Field(
        None, description="The account that it belongs to, if `include` names it."
    )
    members: Annotated[list[MemberRead] | None, Each("project_id", ("place", "since", "user_id")), OnRequest] = Field(
        None, description="The owner and the members, if `include` names them."
    )
    created_at: datetime
    updated_at: datetime
    version: int


PROJECTS = Collection(
    ProjectRead,
    filters=("id", "external_id", "owner_id", "name", "status", "starts_on", "due_on", "created_at", "updated_at"),
    sorts=("created_at", "updated_at", flat("name"), "status", "starts_on", flat("due_on")),
    search="search",
    custom={
        "tag": CustomFilter(
            carries, "The project carries the tag with this slug. Repeat it for more tags: all must match.", "to-do"
        )
    },
    groups=("status", "owner_id"),
)


class ProjectSummary(Summary, of=Project):
    """A project as other documents embed it."""

    id: UUID
    name: str = Field(description="What it is called.")


class InvitationRead(Document, of=Invitation):
    """An invitation. It offers a role in a project."""

    id: UUID
    project_id: UUID = Field(description="The project.")
    project: Annotated[ProjectSummary, One("project_id")] = Field(
        description="What the invited person sees of the project."
    )
    user_id: UUID | None = Field(description="Whom it is for; null when it is for an address.")
    email: str | None = Field(description="The address of whom it is for; null when it is for an account.")
    role: Role = Field(description="What they are to be to the project.")
    inviter_id: UUID = Field(description="Who invites.")
    inviter: Annotated[UserSummary | None, One("inviter_id")] = Field(description="The account of who invites.")
    expires_at: datetime = Field(description="Until when it can be accepted.")
    created_at: datetime
    updated_at: datetime
    version: int


INVITATIONS = Collection(
    InvitationRead,
    filters=("id", "project_id", "role", "inviter_id", "expires_at", "created_at"),
    sorts=("created_at", "expires_at"),
)


class ProjectReplace(Input):
    """A whole project, without its `external_id`."""

    name: Name
    description: Annotated[Description | None, About] = None
    status: Annotated[Status, Stage] = Status.ACTIVE
    starts_on: Annotated[Date | None, Start] = None
    due_on: Annotated[Date | None, Due] = None
    tag_ids: TagIds = Field(default_factory=list)


class ProjectCreate(ProjectReplace):
    """A new project."""

    external_id: Annotated[Key | None, OwnKey] = None


class ProjectUpdate(Patch):
    """A change of a project; `tag_ids` replaces all of its tags."""

    name: Name = UNCHANGED
    external_id: Annotated[Key | None, OwnKey] = UNCHANGED
    description: Annotated[Description | None, About] = UNCHANGED
    status: Annotated[Status, Stage] = UNCHANGED
    starts_on: Annotated[Date | None, Start] = UNCHANGED
    due_on: Annotated[Date | None, Due] = UNCHANGED
    tag_ids: TagIds = UNCHANGED


class ProjectsUpdate(Patch):
    """A change of all projects that match."""

    description: Annotated[Description | None, About] = UNCHANGED
    status: Annotated[Status, Stage] = UNCHANGED
    starts_on: Annotated[Date | None, Start] = UNCHANGED
    due_on: Annotated[Date | None, Due] = UNCHANGED


MembersRole = Annotated[Role, Field(description="What they are to be to the project.", examples=["editor"])]


class MemberWrite(Input):
    """Another role for a member of a project."""

    role: MembersRole


class InvitationCreate(Input):
    """Whom to invite, by `user_id` or by `email`, and to what role."""

    user_id: UUID | None = Field(None, description="Their account.")
    email: Email | None = Field(None, description="Their e-mail address.", examples=["ada@example.com"])
    role: MembersRole
