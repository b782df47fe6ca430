"""The tables of projects, their members, the invitations to become one, and the tags that they carry."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlmodel import Field

from modules.projects.errors import AlreadyInvited, ExternalIdTaken
from shared.rows import (
    Model,
    Resource,
    SoftDeletable,
    choice,
    expiring,
    live_unique,
    owned_by,
    part_of,
    recorded_with,
    searchable,
    shared_by,
    table_of,
)


class Status(StrEnum):
    """How far a project is."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class Role(StrEnum):
    """What somebody is to a project, from the least to the most."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OWNER = "owner"


class Project(Model, Resource, table=True):
    """A project."""

    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("starts_on <= due_on", name="dates_in_order"),
        live_unique("owner_id", "external_id", raises=ExternalIdTaken),
    )

    owner_id: UUID = owned_by("users")
    owner_since: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.now()})
    """Since when the owner has shared in the project: from the start, or from when they became a member."""
    external_id: str | None = Field(default=None, max_length=200)
    name: str = Field(max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    status: Status = Field(default=Status.ACTIVE, sa_type=choice(Status))
    starts_on: date | None = None
    due_on: date | None = None


searchable(Project, "name", "description")


class ProjectMember(Model, SoftDeletable, table=True):
    """Somebody who shares in a project beside its owner. Deleted with their account only: leaving removes the row."""

    __tablename__ = "project_members"
    project_id: UUID = Field(foreign_key="projects.id", primary_key=True, ondelete="CASCADE")
    user_id: UUID = shared_by("users", primary_key=True, index=True, ondelete="CASCADE")
    role: Role = Field(sa_type=choice(Role))
    created_at: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.now()})


recorded_with(ProjectMember, "project_id")


class Invitation(Model, Resource, table=True):
    """An offer of a role in a project, open until it is accepted, declined, taken back, or expires. What is no longer
    open is deleted.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        CheckConstraint("num_nonnulls(user_id, email) = 1", name="one_addressee"),
        live_unique("project_id", "user_id", raises=AlreadyInvited),
        live_unique("project_id", text("lower(email)"), name="uq_invitations_project_id_email", raises=AlreadyInvited),
        Index("ix_invitations_email", text("lower(email)"), postgresql_where=text("deleted_at IS NULL")),
    )

    project_id: UUID = part_of("projects")
    inviter_id: UUID = Field(foreign_key="users.id", index=True, ondelete="CASCADE")
    user_id: UUID | None = Field(default=None, index=True)
    """Whom it is for. No foreign key: whether there is such an account is nothing that the project learns."""
    email: str | None = Field(default=None, max_length=254)
    """The address of whom it is for, if it names no account: whoever has it by then."""
    role: Role = Field(sa_type=choice(Role))
    expires_at: datetime = Field(index=True)


expiring(Invitation, table_of(Invitation).c.expires_at, lambda _: timedelta(0))


class ProjectTag(Model, table=True):
    """A tag on a project."""

    __tablename__ = "project_tags"

    project_id: UUID = Field(foreign_key="projects.id", primary_key=True, ondelete="CASCADE")
    tag_id: UUID = Field(foreign_key="tags.id", primary_key=True, index=True, ondelete="CASCADE")


recorded_with(ProjectTag, "project_id")
