"""FastAPI and SQLModel as their tutorials teach them, with async endpoints and sessions."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from tutorial_models import (
    CHANGED_EXCEPTION,
    CREDENTIALS_EXCEPTION,
    DATABASE_URL,
    POOL_SIZE,
    Project,
    ProjectCreate,
    ProjectPublic,
    ProjectsPublic,
    ProjectUpdate,
    User,
    changing,
    user_id_of,
)

engine = create_async_engine(
    DATABASE_URL.replace("postgresql://", "postgresql+asyncpg://"), pool_size=POOL_SIZE, max_overflow=0
)
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session for the request."""
    async with AsyncSession(engine) as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
TokenDep = Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="token"))]


async def get_current_user(session: SessionDep, token: TokenDep) -> User:
    """Who calls."""
    user = await session.get(User, user_id_of(token))
    if user is None or not user.is_active or user.deleted_at is not None:
        raise CREDENTIALS_EXCEPTION
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.post("/api/v1/projects", response_model=ProjectPublic, status_code=201)
async def create_project(*, session: SessionDep, current_user: CurrentUser, project_in: ProjectCreate) -> Project:
    """Make a project."""
    project = Project.model_validate(project_in, update={"owner_id": current_user.id})
    session.add(project)
    await session.commit()
    await session.refresh(project)
    return project


@app.get("/api/v1/projects", response_model=ProjectsPublic)
async def read_projects(
    session: SessionDep, current_user: CurrentUser, offset: int = 0, limit: Annotated[int, Query(le=100)] = 20
) -> dict[str, list[Project]]:
    """A page of projects, newest first."""
    statement = (
        select(Project)
        .where(Project.owner_id == current_user.id, col(Project.deleted_at).is_(None))
        .order_by(col(Project.created_at).desc(), col(Project.id).desc())
        .offset(offset)
        .limit(limit)
    )
    return {"items": list((await session.exec(statement)).all())}


@app.get("/api/v1/projects/{project_id}", response_model=ProjectPublic)
async def read_project(session: SessionDep, current_user: CurrentUser, project_id: UUID) -> Project:
    """A project."""
    project = await session.get(Project, project_id)
    if project is None or project.deleted_at is not None or project.owner_id != current_user.id:
        raise HTTPException(status_code=404, detail="Project not found")
    return project


@app.patch("/api/v1/projects/{project_id}", response_model=ProjectPublic)
async def update_project(
    *,
    session: SessionDep,
    current_user: CurrentUser,
    project_id: UUID,
    project_in: ProjectUpdate,
    if_match: Annotated[str, Header()],
) -> Project | None:
    """Change a project that is still as the client knows it."""
    changed = await session.exec(changing(project_id, current_user.id, if_match, project_in))
    if changed.rowcount == 0:
        raise CHANGED_EXCEPTION
    await session.commit()
    return await session.get(Project, project_id)
