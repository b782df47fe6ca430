"""The HTTP side of tags."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import Request, Response

from modules.tags.container import TagsContainer
from modules.tags.errors import TagNotFound
from modules.tags.repository import TagRepository
from modules.tags.schemas import TAGS, TagCreate, TagRead, TagUpdate
from modules.tags.service import TagService
from shared.http.reads import created_response, document_response, reads
from shared.http.routes import CurrentChange, operation, resource_router

Service = Annotated[TagService, Provide[TagsContainer.service]]
Repository = Annotated[TagRepository, Provide[TagsContainer.repository]]

router = resource_router(
    "/tags",
    about="Labels on projects. A tag is its owner's; whoever sees a project sees the tags on it. Links and filters "
    "name it by its slug.",
)


@router.post("", status_code=201, response_model=TagRead)
@operation(never=(TagNotFound,))  # A tag stays its maker's.
async def create(request: Request, data: TagCreate, change: CurrentChange, service: Service) -> Response:
    """Create a tag."""
    return created_response(request, await service.create(change, data))


reads(router, TAGS, Repository, listed="your own tags and those on projects that you see")


@router.patch("/{tag_id}", response_model=TagRead)
async def update(
    request: Request, tag_id: UUID, data: TagUpdate, change: CurrentChange, repository: Repository
) -> Response:
    """Change a tag."""
    return document_response(request, await repository.change(change, tag_id, **data.changes()))


@router.delete("/{tag_id}", status_code=204)
async def delete(tag_id: UUID, change: CurrentChange, repository: Repository) -> None:
    """Delete a tag. Projects no longer show it."""
    await repository.remove(change, tag_id)


@router.post("/{tag_id}/restore", response_model=TagRead)
async def restore(request: Request, tag_id: UUID, change: CurrentChange, repository: Repository) -> Response:
    """Restore a deleted tag."""
    return document_response(request, await repository.bring_back(change, tag_id))
