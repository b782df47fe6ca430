"""The tables and schemas of both tutorial servers, as the SQLModel tutorial writes them."""

import os
import re
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import jwt
from fastapi import HTTPException
from sqlalchemy import DateTime, Update, func, update
from sqlmodel import Field, Relationship, SQLModel, col

SECRET = os.environ["TRELLIS_SECRET"]
DATABASE_URL = os.environ["DATABASE_URL"]
POOL_SIZE = 10
"""As all contestants have. The default is 5, and what goes beyond is opened and closed with each request."""


class User(SQLModel, table=True):
    """An account."""

    __tablename__ = "users"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    email: str
    full_name: str
    is_active: bool = True
    deleted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class ProjectTag(SQLModel, table=True):
    """A tag on a project."""

    __tablename__ = "project_tags"

    project_id: UUID = Field(foreign_key="projects.id", primary_key=True)
    tag_id: UUID = Field(foreign_key="tags.id", primary_key=True)


class Tag(SQLModel, table=True):
    """A label."""

    __tablename__ = "tags"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    name: str
    slug: str
    color: str


class ProjectBase(SQLModel):
    """What a client may say of a project."""

    name: str = Field(min_length=1, max_length=200)
    external_id: str | None = Field(default=None, max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    status: str = "active"
    starts_on: date | None = None
    due_on: date | None = None


class Project(ProjectBase, table=True):
    """A project."""

    __tablename__ = "projects"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    owner_id: UUID = Field(foreign_key="users.id")
    created_at: datetime = Field(
        default=None, sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    updated_at: datetime = Field(
        default=None, sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    version: int = Field(default=None, sa_column_kwargs={"server_default": "1"})
    deleted_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))

    tags: list[Tag] = Relationship(
        link_model=ProjectTag, sa_relationship_kwargs={"lazy": "selectin", "order_by": "Tag.name, Tag.id"}
    )


class ProjectCreate(ProjectBase):
    """A new project."""


class ProjectUpdate(SQLModel):
    """A change of a project."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=10_000)
    status: Literal["active", "paused", "completed", "archived"] | None = None
    starts_on: date | None = None
    due_on: date | None = None


class TagPublic(SQLModel):
    """A tag as a project shows it."""

    id: UUID
    name: str
    slug: str
    color: str


class ProjectPublic(ProjectBase):
    """A project as the API shows it."""

    id: UUID
    owner_id: UUID
    tags: list[TagPublic]
    my_role: Literal["owner"] = "owner"
    created_at: datetime
    updated_at: datetime
    version: int


class ProjectsPublic(SQLModel):
    """A page of projects."""

    items: list[ProjectPublic]


CREDENTIALS_EXCEPTION = HTTPException(401, "Could not validate credentials", {"WWW-Authenticate": "Bearer"})


def user_id_of(token: str) -> UUID:
    """Whom a bearer token was issued to. Raises the 401."""
    try:
        claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="trellis")
        return UUID(claims["sub"])
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise CREDENTIALS_EXCEPTION from error


CHANGED_EXCEPTION = HTTPException(412, "Project changed meanwhile")


def changing(project_id: UUID, owner_id: UUID, if_match: str, change: ProjectUpdate) -> Update:
    """The statement that changes a project if it is at the version the client knows. A trigger raises the version.

    Raises the 412 for a tag that names no version.
    """
    tag = re.fullmatch(r'"(\d+)-.*"', if_match)
    if tag is None:
        raise CHANGED_EXCEPTION
    return (
        update(Project)
        .where(
            col(Project.id) == project_id,
            col(Project.owner_id) == owner_id,
            col(Project.version) == int(tag[1]),
            col(Project.deleted_at).is_(None),
        )
        .values(**change.model_dump(exclude_unset=True))
    )
