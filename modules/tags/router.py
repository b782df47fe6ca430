"""The HTTP side of tags."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Query, Request, Response

from modules.tags.container import TagsContainer
from modules.tags.repository import TagRepository
from modules.tags.schemas import TagCreate, TagRead, TagUpdate
from modules.tags.service import TagService
from shared.http.authentication import CurrentPrincipal
from shared.http.responses import PageOf, created_response, document_response, page_response
from shared.http.routing import Route
from shared.schemas import PageQuery

Service = Annotated[TagService, Depends(Provide[TagsContainer.service])]
Repository = Annotated[TagRepository, Depends(Provide[TagsContainer.repository])]

router = APIRouter(prefix="/tags", tags=["tags"], route_class=Route)


@router.post("", status_code=201, response_model=TagRead)
async def create(data: TagCreate, principal: CurrentPrincipal, service: Service) -> Response:
    """Make a tag of your own."""
    id, document = await service.create(data, principal)
    return created_response(document, f"/api/v1/tags/{id}")


@router.get("", response_model=PageOf[TagRead])
async def list(
    request: Request, page: Annotated[PageQuery, Query()], principal: CurrentPrincipal, repository: Repository
) -> Response:
    """Your own tags and those on projects you see, newest first."""
    return page_response(request, await repository.list(principal, page.size, page.cursor))


@router.get("/{tag_id}", response_model=TagRead)
async def get(tag_id: UUID, principal: CurrentPrincipal, repository: Repository) -> Response:
    """A tag."""
    return document_response(await repository.get(tag_id, principal))


@router.patch("/{tag_id}", response_model=TagRead)
async def update(tag_id: UUID, data: TagUpdate, principal: CurrentPrincipal, service: Service) -> Response:
    """Change a tag."""
    return document_response(await service.change(tag_id, data, principal))


@router.delete("/{tag_id}", status_code=204)
async def delete(tag_id: UUID, principal: CurrentPrincipal, service: Service) -> None:
    """Delete a tag. Projects no longer show it."""
    await service.delete(tag_id, principal)


@router.post("/{tag_id}/restore", response_model=TagRead)
async def restore(tag_id: UUID, principal: CurrentPrincipal, service: Service) -> Response:
    """Bring a deleted tag back."""
    return document_response(await service.restore(tag_id, principal))
