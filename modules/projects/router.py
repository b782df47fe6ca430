"""The HTTP side of projects."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Query, Request, Response

from modules.projects.container import ProjectsContainer
from modules.projects.repository import ProjectRepository
from modules.projects.schemas import MemberRead, MemberWrite, ProjectCreate, ProjectRead, ProjectUpdate
from modules.projects.service import ProjectService
from shared.http.authentication import CurrentPrincipal
from shared.http.responses import PageOf, created_response, document_response, page_response
from shared.http.routing import Route
from shared.schemas import PageQuery

Service = Annotated[ProjectService, Depends(Provide[ProjectsContainer.service])]
Repository = Annotated[ProjectRepository, Depends(Provide[ProjectsContainer.repository])]

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)


@router.post("", status_code=201, response_model=ProjectRead)
async def create(data: ProjectCreate, principal: CurrentPrincipal, service: Service) -> Response:
    """Make a project of your own."""
    id, document = await service.create(data, principal)
    return created_response(document, f"/api/v1/projects/{id}")


@router.get("", response_model=PageOf[ProjectRead])
async def list(
    request: Request, page: Annotated[PageQuery, Query()], principal: CurrentPrincipal, repository: Repository
) -> Response:
    """The projects that you own or are a member of, newest first."""
    return page_response(request, await repository.list(principal, page.size, page.cursor))


@router.get("/{project_id}", response_model=ProjectRead)
async def get(project_id: UUID, principal: CurrentPrincipal, repository: Repository) -> Response:
    """A project."""
    return document_response(await repository.get(project_id, principal))


@router.patch("/{project_id}", response_model=ProjectRead)
async def update(project_id: UUID, data: ProjectUpdate, principal: CurrentPrincipal, service: Service) -> Response:
    """Change a project."""
    return document_response(await service.change(project_id, data, principal))


@router.delete("/{project_id}", status_code=204)
async def delete(project_id: UUID, principal: CurrentPrincipal, service: Service) -> None:
    """Delete a project. It can be restored."""
    await service.delete(project_id, principal)


@router.post("/{project_id}/restore", response_model=ProjectRead)
async def restore(project_id: UUID, principal: CurrentPrincipal, service: Service) -> Response:
    """Bring a deleted project back."""
    return document_response(await service.restore(project_id, principal))


@router.put("/{project_id}/tags/{tag_id}", status_code=204)
async def attach_tag(project_id: UUID, tag_id: UUID, principal: CurrentPrincipal, service: Service) -> None:
    """Put a tag of your own, or of the owner's, on a project."""
    await service.attach(project_id, tag_id, principal)


@router.delete("/{project_id}/tags/{tag_id}", status_code=204)
async def detach_tag(project_id: UUID, tag_id: UUID, principal: CurrentPrincipal, service: Service) -> None:
    """Take a tag off a project."""
    await service.detach(project_id, tag_id, principal)


@router.get("/{project_id}/members", response_model=PageOf[MemberRead])
async def list_members(
    request: Request,
    project_id: UUID,
    page: Annotated[PageQuery, Query()],
    principal: CurrentPrincipal,
    repository: Repository,
) -> Response:
    """Who shares in a project: the owner, then the others, the longest first."""
    return page_response(request, await repository.members(project_id, principal, page.size, page.cursor))


@router.put("/{project_id}/members/{user_id}", status_code=204)
async def set_member(
    project_id: UUID, user_id: UUID, data: MemberWrite, principal: CurrentPrincipal, service: Service
) -> None:
    """Give somebody a role in a project."""
    await service.set_member(project_id, user_id, data.role, principal)


@router.delete("/{project_id}/members/{user_id}", status_code=204)
async def remove_member(project_id: UUID, user_id: UUID, principal: CurrentPrincipal, service: Service) -> None:
    """Take somebody's role away, or leave."""
    await service.remove_member(project_id, user_id, principal)
