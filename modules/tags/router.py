"""The HTTP side of tags."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import Depends, Request, Response

from modules.tags.container import TagsContainer
from modules.tags.errors import TagNotFound
from modules.tags.repository import TagRepository
from modules.tags.schemas import TAGS, TagCreate, TagRead, TagUpdate
from modules.tags.service import TagService
from shared.http.reads import (
    HistoryQuery,
    PageOf,
    created_response,
    described,
    document_response,
    document_view,
    list_query,
    page_response,
)
from shared.http.routes import Caller, CurrentChange, operation, resource_router
from shared.reads import HISTORY, HistoryRead, ListQuery, View

Service = Annotated[TagService, Provide[TagsContainer.service]]
Repository = Annotated[TagRepository, Provide[TagsContainer.repository]]
TagsQuery = Annotated[ListQuery, Depends(list_query(TAGS))]
TagView = Annotated[View, Depends(document_view(TagRead))]

router = resource_router(
    "/tags",
    about="Labels on projects. A tag is its owner's; whoever sees a project sees the tags on it. Links and filters "
    "name it by its slug.",
)


@router.post("", status_code=201, response_model=TagRead)
@operation(never=(TagNotFound,))  # A tag stays its maker's.
async def create(data: TagCreate, change: CurrentChange, service: Service) -> Response:
    """Create a tag."""
    id, document = await service.create(change, data)
    return created_response(document, f"/api/v1/tags/{id}")


@router.get("", response_model=PageOf[TagRead], openapi_extra=described(TAGS))
async def list(request: Request, caller: Caller, query: TagsQuery, repository: Repository) -> Response:
    """List your own tags and those on projects that you see, newest first."""
    return page_response(request, await repository.list(caller, query))


@router.get("/{tag_id}", response_model=TagRead, openapi_extra=described(TagRead))
async def get(request: Request, tag_id: UUID, caller: Caller, view: TagView, repository: Repository) -> Response:
    """Get a tag."""
    return document_response(request, await repository.get(tag_id, caller, view))


@router.get("/{tag_id}/history", response_model=PageOf[HistoryRead], openapi_extra=described(HISTORY))
async def history(
    request: Request, tag_id: UUID, caller: Caller, query: HistoryQuery, repository: Repository
) -> Response:
    """List the changes of a tag, newest first."""
    return page_response(request, await repository.history(tag_id, caller, query))


@router.patch("/{tag_id}", response_model=TagRead)
async def update(request: Request, tag_id: UUID, data: TagUpdate, change: CurrentChange, service: Service) -> Response:
    """Change a tag."""
    return document_response(request, await service.change(change, tag_id, data))


@router.delete("/{tag_id}", status_code=204)
async def delete(tag_id: UUID, change: CurrentChange, service: Service) -> None:
    """Delete a tag. Projects no longer show it."""
    await service.delete(change, tag_id)


@router.post("/{tag_id}/restore", response_model=TagRead)
async def restore(request: Request, tag_id: UUID, change: CurrentChange, service: Service) -> Response:
    """Restore a deleted tag."""
    return document_response(request, await service.restore(change, tag_id))
