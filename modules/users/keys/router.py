"""The HTTP side of keys."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Request, Response

from modules.users.container import UsersContainer
from modules.users.keys.repository import KeyRepository
from modules.users.keys.schemas import KEYS, KeyCreate, KeyMade, KeyRead
from modules.users.keys.service import KeyService
from modules.users.policy import demand_step_up_at_own
from shared.auth import READS
from shared.http.reads import PageOf, described, document_view, list_query, page_response, unversioned_response
from shared.http.routes import (
    API_PREFIX,
    Administrator,
    AdministratorsChange,
    Caller,
    RecentChange,
    operation,
    resource_router,
)
from shared.reads import ListQuery, View

Service = Annotated[KeyService, Provide[UsersContainer.key_service]]
Repository = Annotated[KeyRepository, Provide[UsersContainer.key_repository]]
KeyView = Annotated[View, Depends(document_view(KeyRead))]
KeysQuery = Annotated[ListQuery, Depends(list_query(KEYS))]
_ABOUT = (
    "API keys, for programs that act without you. A key may do what its scopes name, of what you may, until it expires "
    "or you revoke it; it stops with your account. No key makes another one, or changes how anybody signs in."
)
keys = resource_router("/auth/keys", about=_ABOUT, keys=())
administration = resource_router("/users", keys=(READS,))

_ENDING = operation(urgent=True, repeatable=False)


@keys.post("", status_code=201, response_model=KeyMade, responses={201: {"headers": {"Cache-Control": {}}}})
@operation(repeatable=False)
async def create(data: KeyCreate, change: RecentChange, service: Service) -> Response:
    """Make a key. The answer has its secret, which is shown this once."""
    id, document = await service.make(change, data)
    headers = {"Cache-Control": "no-store", "Location": f"{API_PREFIX}/auth/keys/{id}"}
    return Response(document, 201, headers, "application/json")  # check: a document, beside what it never has


@keys.get("", response_model=PageOf[KeyRead], openapi_extra=described(KEYS))
async def list(request: Request, caller: Caller, query: KeysQuery, repository: Repository) -> Response:
    """List the keys that you have made, newest first; not those that were revoked or have expired."""
    return page_response(request, await repository.list(caller, query))


@keys.get("/{key_id}", response_model=KeyRead, openapi_extra=described(KeyRead))
async def get(request: Request, key_id: UUID, caller: Caller, view: KeyView, repository: Repository) -> Response:
    """Get a key that you have made, without its secret."""
    return unversioned_response(request, await repository.get(key_id, caller, view))


@keys.delete("/{key_id}", status_code=204)
@_ENDING
async def revoke(key_id: UUID, change: RecentChange, repository: Repository) -> None:
    """Revoke a key that you have made. It is refused at once."""
    await repository.revoke(change, key_id, change.caller.user_id)


@administration.get("/{user_id}/keys", response_model=PageOf[KeyRead], openapi_extra=described(KEYS))
async def list_keys(
    request: Request, user_id: UUID, principal: Administrator, query: KeysQuery, repository: Repository
) -> Response:
    """List the keys that any account has made, newest first. For administrators."""
    return page_response(request, await repository.list_of(user_id, principal, query))


@administration.delete("/{user_id}/keys/{key_id}", status_code=204)
@_ENDING
async def revoke_key(
    user_id: UUID, key_id: UUID, change: AdministratorsChange, *, administrator: Administrator, repository: Repository
) -> None:
    """Revoke a key that any account has made. For administrators; of your own, only a session of the last five
    minutes.
    """
    demand_step_up_at_own(administrator, user_id)
    await repository.revoke(change, key_id, user_id)


router = APIRouter(routes=[*keys.routes, *administration.routes])
