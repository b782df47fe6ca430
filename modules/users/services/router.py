"""The HTTP side of services' accounts."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import Depends, Request, Response

from modules.users.container import UsersContainer
from modules.users.errors import UserForbidden
from modules.users.services.repository import ServiceRepository
from modules.users.services.schemas import SERVICES, ServiceCreate, ServiceRead
from modules.users.services.service import Services
from shared.http.reads import (
    PageOf,
    created_response,
    described,
    document_response,
    document_view,
    list_query,
    page_response,
)
from shared.http.routes import Caller, RecentChange, operation, resource_router
from shared.reads import ListQuery, Representation, View

Service = Annotated[Services, Provide[UsersContainer.services]]
Repository = Annotated[ServiceRepository, Provide[UsersContainer.service_repository]]
ServicesQuery = Annotated[ListQuery, Depends(list_query(SERVICES))]
ServiceView = Annotated[View, Depends(document_view(ServiceRead))]

_ABOUT = (
    "Accounts of services: machines that act by themselves and not as a person. You own those that you make, and make "
    "keys for them; nobody signs in to one. A service stops with your account, and goes and comes back with it."
)
router = resource_router("/auth/services", about=_ABOUT, keys=())


@router.post("", status_code=201, response_model=ServiceRead)
@operation(repeatable=False)
async def create(request: Request, data: ServiceCreate, change: RecentChange, service: Service) -> Response:
    """Make the account of a service."""
    return created_response(request, await service.make(change, data))


@router.get("", response_model=PageOf[ServiceRead], openapi_extra=described(SERVICES))
async def list(request: Request, caller: Caller, query: ServicesQuery, repository: Repository) -> Response:
    """List your services, newest first."""
    return page_response(request, await repository.list(caller, query))


@router.get("/{service_id}", response_model=ServiceRead, openapi_extra=described(ServiceRead))
async def get(
    request: Request, service_id: UUID, caller: Caller, view: ServiceView, repository: Repository
) -> Response:
    """Get a service of yours."""
    version, content = await repository.get(service_id, caller, view)
    return document_response(request, Representation(service_id, content, version))


@router.delete("/{service_id}", status_code=204)
@operation(never=(UserForbidden,))  # Who sees it may delete it.
async def delete(service_id: UUID, change: RecentChange, service: Service) -> None:
    """Delete a service of yours, with what belongs to it, and end its keys."""
    await service.delete(change, service_id)
