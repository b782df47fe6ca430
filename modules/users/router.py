"""The HTTP side of accounts and sessions."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from modules.users.container import UsersContainer
from modules.users.errors import InvalidGrant, InvalidRequest
from modules.users.repository import UserRepository
from modules.users.schemas import (
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
from shared.http.authentication import Administrator, CurrentPrincipal
from shared.http.problems import problem
from shared.http.responses import PageOf, created_response, document_response, page_response
from shared.http.routing import Route
from shared.schemas import PageQuery

Users = Annotated[UserService, Depends(Provide[UsersContainer.service])]
Repository = Annotated[UserRepository, Depends(Provide[UsersContainer.repository])]
Sessions = Annotated[SessionService, Depends(Provide[UsersContainer.session_service])]


class OAuthRoute(Route):
    """A form that is not as it should be is an `invalid_request` (RFC 6749 §5.2), a repeated parameter too (§3.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_form(request: Request) -> Response:
            try:
                form = await request.form()
                if len(form) < len(form.multi_items()):
                    raise InvalidRequest
            except (ValueError, LookupError) as error:  # Not in the charset that it names, or there is no such charset.
                raise InvalidRequest from error
            except HTTPException as error:
                raise InvalidRequest if error.status_code == 400 else error from error
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise InvalidRequest from error

        return handle_form


users = APIRouter(prefix="/users", tags=["users"], route_class=Route)
auth = APIRouter(prefix="/auth", tags=["auth"], route_class=OAuthRoute)


@users.post("", status_code=201, response_model=UserRead)
async def register(data: UserCreate, service: Users) -> Response:
    """Make an account."""
    id, document = await service.register(data)
    return created_response(document, f"/api/v1/users/{id}")


@users.get("/me", response_model=UserRead)
async def get_me(principal: CurrentPrincipal, repository: Repository) -> Response:
    """Your own account."""
    return document_response(await repository.get(principal.user_id, principal))


@users.patch("/me", response_model=UserRead)
async def update_me(data: UserUpdate, principal: CurrentPrincipal, service: Users) -> Response:
    """Change your own profile."""
    return document_response(await service.change(principal.user_id, data, principal))


@users.delete("/me", status_code=204)
async def delete_me(principal: CurrentPrincipal, service: Users) -> None:
    """Delete your own account, with your projects and tags, and end every session."""
    await service.delete(principal.user_id, principal)


@users.put("/me/password", status_code=204)
async def change_password(data: PasswordChange, principal: CurrentPrincipal, service: Users) -> None:
    """Change your password, and end your other sessions."""
    await service.change_password(data, principal)


@users.get("", response_model=PageOf[UserRead])
async def list(
    request: Request, page: Annotated[PageQuery, Query()], principal: Administrator, repository: Repository
) -> Response:
    """All accounts, newest first."""
    return page_response(request, await repository.list(principal, page.size, page.cursor))


@users.get("/{user_id}", response_model=UserRead)
async def get(user_id: UUID, principal: Administrator, repository: Repository) -> Response:
    """Any account."""
    return document_response(await repository.get(user_id, principal))


@users.patch("/{user_id}", response_model=UserRead)
async def update(user_id: UUID, data: UserAdministration, principal: Administrator, service: Users) -> Response:
    """Change any account, its role, and whether it may sign in."""
    return document_response(await service.change(user_id, data, principal))


@users.delete("/{user_id}", status_code=204)
async def delete(user_id: UUID, principal: Administrator, service: Users) -> None:
    """Delete any account, with its projects and tags."""
    await service.delete(user_id, principal)


@users.post("/{user_id}/restore", response_model=UserRead)
async def restore(user_id: UUID, principal: Administrator, service: Users) -> Response:
    """Bring an account back, with what was deleted along with it."""
    return document_response(await service.restore(user_id, principal))


@auth.post("/token", response_model=Tokens)
async def token(
    request: Request, response: Response, form: Annotated[TokenRequest, Form()], service: Sessions
) -> Tokens | Response:
    """Sign in, or prolong a session."""
    tokens = await service.grant(form)
    if tokens is None:
        # Returned and not raised: the session's end is to be committed.
        return problem(request, InvalidGrant())
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 §5.1
    return tokens


@auth.post("/revoke")
async def revoke(form: Annotated[RevocationRequest, Form()], service: Sessions) -> Response:
    """Sign out: revoke a refresh token, and so end its session."""
    await service.revoke(form.token)
    return Response()


router = APIRouter()
router.include_router(users)
router.include_router(auth)
