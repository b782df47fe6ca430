"""The HTTP side of accounts and sessions."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from modules.users.container import UsersContainer
from modules.users.errors import InvalidGrant, InvalidRequest, LastAdministrator, UserForbidden, UserNotFound
from modules.users.keys.router import router as keys
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
from shared.auth import READS
from shared.errors import InvalidInput
from shared.http.edge import NEVER_STORED, problem
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
from shared.http.routes import (
    Administrator,
    AdministratorsChange,
    Caller,
    CurrentChange,
    PublicChange,
    Route,
    operation,
    resource_router,
)
from shared.reads import HISTORY, HistoryRead, ListQuery, View

Users = Annotated[UserService, Provide[UsersContainer.service]]
Repository = Annotated[UserRepository, Provide[UsersContainer.repository]]
Sessions = Annotated[SessionService, Provide[UsersContainer.session_service]]
UsersQuery = Annotated[ListQuery, Depends(list_query(USERS))]
UserView = Annotated[View, Depends(document_view(UserRead))]


class OAuthRoute(Route):
    """A malformed form is an `invalid_request` (RFC 6749 §5.2), and so is a repeated parameter (§3.2)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_form(request: Request) -> Response:
            try:
                await request.body()  # Kept for the unit of work, which needs all of it.
                form = await request.form()
                if len(form) < len(form.multi_items()):
                    raise InvalidRequest
            except (ValueError, LookupError) as error:  # A wrong or unknown charset.
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


users = resource_router(
    "/users",
    about="Accounts. Anybody may register one, and finds it at `/users/me`. All else is for administrators.",
    keys=(READS,),
)
auth = resource_router(
    "/auth",
    OAuthRoute,
    about="Signing in and out with OAuth 2 tokens. An access token lasts some minutes; a refresh token gives the next "
    "pair, once. These are no changes to repeat: they take no idempotency key and no dry run.",
    keys=(),
)


@users.post("", status_code=201, response_model=UserRead)
# Nobody asks again as the one who was made.
@operation(public=True, slow=True, never=(UserNotFound,))  # check: who has no account makes one
async def register(request: Request, data: UserCreate, change: PublicChange, service: Users) -> Response:
    """Register an account."""
    return created_response(request, await service.register(change, data))


# Whose account is deleted has no session any more, and one is allowed everything here.
_OWN = operation(never=(UserNotFound, UserForbidden))


@users.get("/me", response_model=UserRead, openapi_extra=described(UserRead))
@_OWN
async def get_me(request: Request, caller: Caller, view: UserView, repository: Repository) -> Response:
    """Get your own account."""
    return document_response(request, await repository.get(caller.user_id, caller, view))


@users.patch("/me", response_model=UserRead)
@operation(never=(*_OWN.never, LastAdministrator))
async def update_me(request: Request, data: UserUpdate, change: CurrentChange, service: Users) -> Response:
    """Change your own profile."""
    me = change.caller.user_id
    return document_response(request, await service.change(change.about(me), me, data))


@users.delete("/me", status_code=204)
@_OWN
async def delete_me(change: CurrentChange, service: Users) -> None:
    """Delete your own account, with your projects and tags, and end every session."""
    me = change.caller.user_id
    await service.delete(change.about(me), me)


@users.put("/me/password", status_code=204)
@operation(slow=True)
async def change_password(request: Request, data: PasswordChange, change: CurrentChange, service: Users) -> None:
    """Change your password, and end your other sessions."""
    await service.change_password(change, data, _address(request))


@users.get("", response_model=PageOf[UserRead], openapi_extra=described(USERS))
async def list(request: Request, principal: Administrator, query: UsersQuery, repository: Repository) -> Response:
    """List all accounts, newest first. For administrators."""
    return page_response(request, await repository.list(principal, query))


@users.get("/{user_id}", response_model=UserRead, openapi_extra=described(UserRead))
async def get(
    request: Request, user_id: UUID, principal: Administrator, view: UserView, repository: Repository
) -> Response:
    """Get any account. For administrators."""
    return document_response(request, await repository.get(user_id, principal, view))


@users.get("/{user_id}/history", response_model=PageOf[HistoryRead], openapi_extra=described(HISTORY))
async def history(
    request: Request, user_id: UUID, principal: Administrator, query: HistoryQuery, repository: Repository
) -> Response:
    """List the changes of any account, newest first. For administrators."""
    return page_response(request, await repository.history(user_id, principal, query))


_ADMINISTRATION = operation(never=(UserForbidden,))
"""An administrator may do all of it."""


@users.patch("/{user_id}", response_model=UserRead)
@_ADMINISTRATION
async def update(
    request: Request, user_id: UUID, data: UserAdministration, change: AdministratorsChange, service: Users
) -> Response:
    """Change any account, its role, and whether it may sign in. For administrators."""
    return document_response(request, await service.change(change, user_id, data))


@users.delete("/{user_id}", status_code=204)
@_ADMINISTRATION
async def delete(user_id: UUID, change: AdministratorsChange, service: Users) -> None:
    """Delete any account, with its projects and tags. For administrators."""
    await service.delete(change, user_id)


@users.post("/{user_id}/restore", response_model=UserRead)
@_ADMINISTRATION
async def restore(request: Request, user_id: UUID, change: AdministratorsChange, repository: Repository) -> Response:
    """Restore an account, with what was deleted along with it. For administrators."""
    return document_response(request, await repository.bring_back(change, user_id))


@auth.post("/token", response_model=Tokens, responses=NEVER_STORED)
# It is an InvalidRequest here.
@operation(public=True, slow=True, repeatable=False, never=(InvalidInput,))  # check: a password or a token says who
async def token(
    request: Request,
    response: Response,
    form: Annotated[TokenRequest, Form()],
    change: PublicChange,
    service: Sessions,
) -> Tokens | Response:
    """Sign in, or prolong a session."""
    tokens = await service.grant(change, form, _address(request))
    if tokens is None:
        # Returned and not raised: the session's end is to be committed.
        return problem(request, InvalidGrant())
    response.headers["Cache-Control"] = "no-store"  # RFC 6749 §5.1
    return tokens


@auth.post("/revoke", response_class=Response)
@operation(public=True, urgent=True, repeatable=False, never=(InvalidInput,))  # check: its holder may end a session
async def revoke(form: Annotated[RevocationRequest, Form()], change: PublicChange, service: Sessions) -> Response:
    """Sign out: revoke a refresh token, and so end its session."""
    await service.revoke(change, form.token)
    return Response()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


router = APIRouter(routes=[*users.routes, *auth.routes, *keys.routes])
