"""The tables of projects, their members, and the tags that they carry."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlmodel import Field

from shared.rows import (
    SHARER,
    Model,
    Resource,
    SoftDeletable,
    choice,
    deletion_group,
    deletion_time,
    live_unique,
    part_of,
    searchable,
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
        live_unique("uq_projects_owner_id_external_id", "owner_id", "external_id"),
        Index("ix_projects_owner_id_created_at_id", "owner_id", text("created_at DESC"), text("id DESC")),
        deletion_group("ix_projects_deletion_id"),
        deletion_time("ix_projects_deleted_at"),
    )

    owner_id: UUID = Field(foreign_key="users.id", sa_column_kwargs=SHARER)
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
    __table_args__ = (
        deletion_group("ix_project_members_deletion_id"),
        deletion_time("ix_project_members_deleted_at"),
    )

    project_id: UUID = Field(foreign_key="projects.id", primary_key=True, ondelete="CASCADE")
    user_id: UUID = Field(
        foreign_key="users.id", primary_key=True, index=True, ondelete="CASCADE", sa_column_kwargs=SHARER
    )
    role: Role = Field(sa_type=choice(Role))
    created_at: datetime = Field(default=None, nullable=False, sa_column_kwargs={"server_default": func.now()})


part_of(ProjectMember, "project_id")


class ProjectTag(Model, table=True):
    """A tag on a project."""

    __tablename__ = "project_tags"

    project_id: UUID = Field(foreign_key="projects.id", primary_key=True, ondelete="CASCADE")
    tag_id: UUID = Field(foreign_key="tags.id", primary_key=True, index=True, ondelete="CASCADE")


part_of(ProjectTag, "project_id")
