"""FastAPI and SQLModel as their tutorials teach them, with plain endpoints, which run in a pool of threads."""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import Session, col, create_engine, select
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

engine = create_engine(
    DATABASE_URL.replace("postgresql://", "postgresql+psycopg://"), pool_size=POOL_SIZE, max_overflow=0
)
app = FastAPI()


def get_session() -> Iterator[Session]:
    """A session for the request."""
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
TokenDep = Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="token"))]


def get_current_user(session: SessionDep, token: TokenDep) -> User:
    """Who calls."""
    user = session.get(User, user_id_of(token))
    if user is None or not user.is_active or user.deleted_at is not None:
        raise CREDENTIALS_EXCEPTION
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.post("/api/v1/projects", response_model=ProjectPublic, status_code=201)
def create_project(*, session: SessionDep, current_user: CurrentUser, project_in: ProjectCreate) -> Project:
    """Make a project."""
    project = Project.model_validate(project_in, update={"owner_id": current_user.id})
    session.add(project)
    session.commit()
    session.refresh(project)
    return project


@app.get("/api/v1/projects", response_model=ProjectsPublic)
def read_projects(
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
    return {"items": list(session.exec(statement).all())}


@app.get("/api/v1/projects/{project_id}", response_model=ProjectPublic)
def read_project(session: SessionDep, current_user: CurrentUser, project_id: UUID) -> Project:
    """A project."""
    project = session.get(Project, project_id)
    if project is None or project.deleted_at is not None or project.owner_id != current_user.id:
        raise HTTPException(status_code=404, detail="Project not found")
    return project


@app.patch("/api/v1/projects/{project_id}", response_model=ProjectPublic)
def update_project(
    *,
    session: SessionDep,
    current_user: CurrentUser,
    project_id: UUID,
    project_in: ProjectUpdate,
    if_match: Annotated[str, Header()],
) -> Project | None:
    """Change a project that is still as the client knows it."""
    changed = session.exec(changing(project_id, current_user.id, if_match, project_in))
    if changed.rowcount == 0:
        raise CHANGED_EXCEPTION
    session.commit()
    return session.get(Project, project_id)
