"""The HTTP side of accounts and sessions."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from modules.users.container import UsersContainer
from modules.users.errors import InvalidGrant, InvalidRequest
from modules.users.repository import UserRepository
from modules.users.schemas import (
    USERS,
    PasswordChange,
    RevocationRequest,
    TokenRequest,
    Tokens,
    UserAdministration,
    UserCreate,
    UserRead,
    UserUpdate,
)
from modules.users.service import UserService
from modules.users.sessions import SessionService
from shared.errors import InvalidInput
from shared.http.edge import problem
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
from shared.http.routes import Administrator, Caller, CurrentPrincipal, Route, resource_router, slow, unrepeatable
from shared.reads import HISTORY, HistoryRead, ListQuery, View

Users = Annotated[UserService, Provide[UsersContainer.service]]
Repository = Annotated[UserRepository, Provide[UsersContainer.repository]]
Sessions = Annotated[SessionService, Provide[UsersContainer.session_service]]
UsersQuery = Annotated[ListQuery, Depends(list_query(USERS))]
UserView = Annotated[View, Depends(document_view(UserRead))]


class OAuthRoute(Route):
    """A form that is not as it should be is an `invalid_request` (RFC 6749 §5.2), a repeated parameter too (§3.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_form(request: Request) -> Response:
            try:
                await request.body()  # Kept, for the unit of work sees to it that all is there.
                form = await request.form()
                if len(form) < len(form.multi_items()):
                    raise InvalidRequest
            except (ValueError, LookupError) as error:  # Not in the charset that it names, or there is no such charset.
                raise InvalidRequest from error
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                raise InvalidRequest from error
            try:
                return await handle(request)
            except InvalidInput as error:
                raise InvalidRequest(parameter=error.parameter) from error
            except RequestValidationError as error:
                raise InvalidRequest from error

        return handle_form


users = resource_router("/users")
auth = resource_router("/auth", OAuthRoute)


@users.post("", status_code=201, response_model=UserRead)
@slow
async def register(data: UserCreate, service: Users) -> Response:
    """Make an account."""
    id, document = await service.register(data)
    return created_response(document, f"/api/v1/users/{id}")


@users.get("/me", response_model=UserRead, openapi_extra=described(UserRead))
async def get_me(request: Request, caller: Caller, view: UserView, repository: Repository) -> Response:
    """Your own account."""
    return document_response(request, await repository.get(caller.user_id, caller, view))


@users.patch("/me", response_model=UserRead)
async def update_me(request: Request, data: UserUpdate, principal: CurrentPrincipal, service: Users) -> Response:
    """Change your own profile."""
    return document_response(request, await service.change(principal.user_id, data, principal))


@users.delete("/me", status_code=204)
async def delete_me(principal: CurrentPrincipal, service: Users) -> None:
    """Delete your own account, with your projects and tags, and end every session."""
    await service.delete(principal.user_id, principal)


@users.put("/me/password", status_code=204)
@slow
async def change_password(request: Request, data: PasswordChange, principal: CurrentPrincipal, service: Users) -> None:
    """Change your password, and end your other sessions."""
    await service.change_password(data, principal, _address(request))


@users.get("", response_model=PageOf[UserRead], openapi_extra=described(USERS))
async def list(request: Request, principal: Administrator, query: UsersQuery, repository: Repository) -> Response:
    """All accounts, newest first."""
    return page_response(request, await repository.list(principal, query))


@users.get("/{user_id}", response_model=UserRead, openapi_extra=described(UserRead))
async def get(
    request: Request, user_id: UUID, principal: Administrator, view: UserView, repository: Repository
) -> Response:
    """Any account."""
    return document_response(request, await repository.get(user_id, principal, view))


@users.get("/{user_id}/history", response_model=PageOf[HistoryRead], openapi_extra=described(HISTORY))
async def history(
    request: Request, user_id: UUID, principal: Administrator, query: HistoryQuery, repository: Repository
) -> Response:
    """Who changed what of any account, newest first."""
    return page_response(request, await repository.history(user_id, principal, query))


@users.patch("/{user_id}", response_model=UserRead)
async def update(
    request: Request, user_id: UUID, data: UserAdministration, principal: Administrator, service: Users
) -> Response:
    """Change any account, its role, and whether it may sign in."""
    return document_response(request, await service.change(user_id, data, principal))


@users.delete("/{user_id}", status_code=204)
async def delete(user_id: UUID, principal: Administrator, service: Users) -> None:
    """Delete any account, with its projects and tags."""
    await service.delete(user_id, principal)


@users.post("/{user_id}/restore", response_model=UserRead)
async def restore(request: Request, user_id: UUID, principal: Administrator, service: Users) -> Response:
    """Bring an account back, with what was deleted along with it."""
    return document_response(request, await service.restore(user_id, principal))


@auth.post("/token", response_model=Tokens)
@slow
@unrepeatable
async def token(
    request: Request, response: Response, form: Annotated[TokenRequest, Form()], service: Sessions
) -> Tokens | Response:
    """Sign in, or prolong a session."""
    tokens = await service.grant(form, _address(request))
    if tokens is None:
        # Returned and not raised: the session's end is to be committed.
        return problem(request, InvalidGrant())
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 §5.1
    return tokens


@auth.post("/revoke")
@unrepeatable
async def revoke(form: Annotated[RevocationRequest, Form()], service: Sessions) -> Response:
    """Sign out: revoke a refresh token, and so end its session."""
    await service.revoke(form.token)
    return Response()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


router = APIRouter(routes=[*users.routes, *auth.routes])
