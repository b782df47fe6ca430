"""Litestar with its SQLAlchemy plugin (Advanced Alchemy), asyncpg, its own JWT authentication, and msgspec structs."""

import os
import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    base,
)
from litestar import Litestar, Request, get, patch, post
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import Parameter
from litestar.security.jwt import JWTAuth, Token
from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import Column, DateTime, ForeignKey, Table, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship, selectinload


class Base(base.DefaultBase):
    """The tables here."""

    __abstract__ = True


class User(Base):
    """An account."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    full_name: Mapped[str]
    is_active: Mapped[bool]
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Tag(Base):
    """A label."""

    __tablename__ = "tags"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str]
    color: Mapped[str]


project_tags = Table(
    "project_tags",
    Base.metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


class Project(Base):
    """A project."""

    __tablename__ = "projects"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    external_id: Mapped[str | None]
    name: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="active")
    starts_on: Mapped[date | None]
    due_on: Mapped[date | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    version: Mapped[int] = mapped_column(server_default="1")
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tags: Mapped[list[Tag]] = relationship(secondary=project_tags, order_by=(Tag.name, Tag.id))


class TagRead(Struct):
    """A tag as a project shows it."""

    id: UUID
    name: str
    slug: str
    color: str


class ProjectRead(Struct):
    """A project as the API shows it."""

    id: UUID
    owner_id: UUID
    external_id: str | None
    name: str
    description: str | None
    status: str
    starts_on: date | None
    due_on: date | None
    created_at: datetime
    updated_at: datetime
    version: int
    tags: list[TagRead]
    my_role: str = "owner"

    @classmethod
    def of(cls, project: Project, tags: list[Tag]) -> "ProjectRead":
        """The document of a project."""
        return cls(
            id=project.id,
            owner_id=project.owner_id,
            external_id=project.external_id,
            name=project.name,
            description=project.description,
            status=project.status,
            starts_on=project.starts_on,
            due_on=project.due_on,
            created_at=project.created_at,
            updated_at=project.updated_at,
            version=project.version,
            tags=[TagRead(tag.id, tag.name, tag.slug, tag.color) for tag in tags],
        )


class ProjectPage(Struct):
    """A page of projects."""

    items: list[ProjectRead]


class ProjectCreate(Struct, forbid_unknown_fields=True):
    """A new project."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]


class ProjectChange(Struct, forbid_unknown_fields=True):
    """A change of a project."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=10_000)] | UnsetType | None = UNSET
    status: Literal["active", "paused", "completed", "archived"] | UnsetType = UNSET
    starts_on: date | UnsetType | None = UNSET
    due_on: date | UnsetType | None = UNSET


sqlalchemy_config = SQLAlchemyAsyncConfig(
    connection_string=os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"),
    # As all contestants have. The default is 5, and what goes beyond is opened and closed with each request.
    engine_config=EngineConfig(pool_size=10, max_overflow=0),
    session_config=AsyncSessionConfig(expire_on_commit=False),
)


async def retrieve_user(token: Token, connection: ASGIConnection[Any, Any, Any, Any]) -> User | None:
    """Who calls, when their account is good."""
    session = sqlalchemy_config.provide_session(connection.app.state, connection.scope)
    user = await session.get(User, UUID(token.sub))
    return user if user is not None and user.is_active and user.deleted_at is None else None


jwt_auth = JWTAuth[User, Token](
    retrieve_user_handler=retrieve_user,
    token_secret=os.environ["TRELLIS_SECRET"],
    accepted_issuers=["trellis"],
)


@post("/api/v1/projects")
async def create_project(
    data: ProjectCreate, request: Request[User, Token, Any], db_session: AsyncSession
) -> ProjectRead:
    """Make a project."""
    project = Project(owner_id=request.user.id, name=data.name)
    db_session.add(project)
    await db_session.flush()
    await db_session.refresh(project)
    await db_session.commit()
    return ProjectRead.of(project, [])


@get("/api/v1/projects")
async def list_projects(
    request: Request[User, Token, Any],
    db_session: AsyncSession,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> ProjectPage:
    """A page of projects, newest first."""
    statement = (
        select(Project)
        .where(Project.owner_id == request.user.id, Project.deleted_at.is_(None))
        .order_by(Project.created_at.desc(), Project.id.desc())
        .limit(limit)
        .options(selectinload(Project.tags))
    )
    projects = await db_session.scalars(statement)
    return ProjectPage([ProjectRead.of(project, project.tags) for project in projects])


@get("/api/v1/projects/{project_id:uuid}")
async def get_project(project_id: UUID, request: Request[User, Token, Any], db_session: AsyncSession) -> ProjectRead:
    """A project."""
    project = await db_session.get(Project, project_id, options=[selectinload(Project.tags)])
    if project is None or project.deleted_at is not None or project.owner_id != request.user.id:
        raise NotFoundException
    return ProjectRead.of(project, project.tags)


@patch("/api/v1/projects/{project_id:uuid}")
async def update_project(
    project_id: UUID,
    data: ProjectChange,
    request: Request[User, Token, Any],
    db_session: AsyncSession,
    if_match: Annotated[str, Parameter(header="If-Match")],
) -> ProjectRead:
    """Change a project that is still as the client knows it. A trigger raises the version."""
    tag = re.fullmatch(r'"(\d+)-.*"', if_match)
    values = {name: value for name, value in structs.asdict(data).items() if value is not UNSET}
    statement = update(Project).where(
        Project.id == project_id,
        Project.owner_id == request.user.id,
        Project.version == (int(tag[1]) if tag else 0),
        Project.deleted_at.is_(None),
    )
    changed = await db_session.execute(statement.values(**values))
    if changed.rowcount == 0:
        raise HTTPException(status_code=412, detail="Project changed meanwhile")
    project = await db_session.get_one(Project, project_id, options=[selectinload(Project.tags)])
    await db_session.commit()
    return ProjectRead.of(project, project.tags)


app = Litestar(
    [create_project, list_projects, get_project, update_project],
    plugins=[SQLAlchemyPlugin(config=sqlalchemy_config)],
    on_app_init=[jwt_auth.on_app_init],
    openapi_config=None,
)
