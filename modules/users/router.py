"""The HTTP side of accounts."""

from typing import Annotated
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Request, Response

from modules.users.container import UsersContainer
from modules.users.errors import (
    EmailTaken,
    LastAdministrator,
    OwnAccount,
    OwnAddress,
    ServiceNoAddress,
    ServiceNoAdministrator,
    UserForbidden,
    UserNotFound,
)
from modules.users.factors.router import Factors
from modules.users.factors.router import router as factors
from modules.users.keys.router import router as keys
from modules.users.policy import demand_step_up_at_own
from modules.users.recovery.router import Recovery
from modules.users.recovery.router import router as recovery
from modules.users.recovery.schemas import AddressChange
from modules.users.repository import UserRepository
from modules.users.schemas import USERS, PasswordChange, UserAdministration, UserCreate, UserRead, UserUpdate
from modules.users.service import UserService
from modules.users.services.router import router as services
from modules.users.sessions.router import Sessions, SessionsQuery, client_of
from modules.users.sessions.router import router as sessions
from modules.users.sessions.schemas import SESSIONS, SessionRead
from shared.auth import READS
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
    RecentChange,
    operation,
    resource_router,
)
from shared.reads import HISTORY, HistoryRead, ListQuery, View

Users = Annotated[UserService, Provide[UsersContainer.service]]
Repository = Annotated[UserRepository, Provide[UsersContainer.repository]]
UsersQuery = Annotated[ListQuery, Depends(list_query(USERS))]
UserView = Annotated[View, Depends(document_view(UserRead))]


_WHEN_CONFIRMED = "A mail is on its way to the new address. Until its link was used, nothing changes."
_BY_MAIL = (
    "A mail is on its way, whether or not the address has an account: it has the link, or says that there is one."
)

users = resource_router(
    "/users",
    about="Accounts. Anybody may register one, and finds it at `/users/me`. All else is for administrators.",
    keys=(READS,),
)


@users.post("", status_code=201, response_model=UserRead, responses={202: {"description": _BY_MAIL}})
# Nobody asks again as the one who was made.
@operation(public=True, slow=True, never=(UserNotFound,))  # check: who has no account makes one
async def register(request: Request, data: UserCreate, change: PublicChange, service: Users) -> Response:
    """Register an account. Where this server sends mail, the account is there once the link in a mail was used."""
    registered = await service.register(change, data, client_of(request).address)
    return Response(status_code=202) if registered is None else created_response(request, registered)


# Whose account is deleted has no session any more, and one is allowed everything here.
_OWN = operation(never=(UserNotFound, UserForbidden))


_OF_ADMINISTRATION = (EmailTaken, LastAdministrator, OwnAccount, OwnAddress, ServiceNoAddress, ServiceNoAdministrator)
"""Errors of what nobody changes in their own profile: address, role, and whether one may sign in."""


@users.get("/me", response_model=UserRead, openapi_extra=described(UserRead))
@_OWN
async def get_me(request: Request, caller: Caller, view: UserView, repository: Repository) -> Response:
    """Get your own account."""
    return document_response(request, await repository.get(caller.user_id, caller, view))


@users.patch("/me", response_model=UserRead)
@operation(never=(*_OWN.never, *_OF_ADMINISTRATION))
async def update_me(request: Request, data: UserUpdate, change: CurrentChange, service: Users) -> Response:
    """Change your own profile."""
    me = change.caller.user_id
    return document_response(request, await service.change(change.about(me), me, data))


@users.delete("/me", status_code=204)
@_OWN
async def delete_me(change: RecentChange, service: Users) -> None:
    """Delete your own account, with your projects and tags, and end every session. Only a session of the last five
    minutes may do it.
    """
    me = change.caller.user_id
    await service.delete(change.about(me), me)


@users.put("/me/password", status_code=204)
@operation(slow=True)
async def change_password(request: Request, data: PasswordChange, change: CurrentChange, service: Users) -> None:
    """Change your password, and end your other sessions."""
    await service.change_password(change, data, client_of(request).address)


@users.put("/me/email", status_code=204, responses={202: {"description": _WHEN_CONFIRMED}})
@operation(slow=True, never=_OWN.never)
async def change_email(request: Request, data: AddressChange, change: CurrentChange, service: Recovery) -> Response:
    """Change your e-mail address. Where this server sends mail, the change takes effect when the link in a mail to the
    new address was used, and the old one is told.
    """
    is_done = await service.change_address(change, data, client_of(request).address)
    return Response(status_code=204 if is_done else 202)


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
"""An administrator may do all of it. Parameters ask for one before they ask for a sign-in of lately: nobody else is
told to sign in again."""


_ENDING_SESSIONS = operation(urgent=True, repeatable=False, never=(UserForbidden,))


@users.patch("/{user_id}", response_model=UserRead)
@_ADMINISTRATION
async def update(
    request: Request,
    user_id: UUID,
    data: UserAdministration,
    change: AdministratorsChange,
    *,
    administrator: Administrator,
    service: Users,
) -> Response:
    """Change any account, its role, and whether it may sign in. For administrators; who changes anything but a name has
    to have signed in within the last five minutes.
    """
    # With an address or a role an account is taken, and with the last its owner is kept out (ASVS 7.5.1).
    if data.changes().keys() & {"email", "role", "is_active"}:
        administrator.require_recent_sign_in()
    return document_response(request, await service.change(change, user_id, data))


@users.delete("/{user_id}", status_code=204)
@_ADMINISTRATION
async def delete(user_id: UUID, _: Administrator, change: RecentChange, service: Users) -> None:
    """Delete any account, with its projects and tags. For administrators who have signed in within the last five
    minutes.
    """
    await service.delete(change, user_id)


@users.post("/{user_id}/restore", response_model=UserRead)
@_ADMINISTRATION
async def restore(request: Request, user_id: UUID, _: Administrator, change: RecentChange, service: Users) -> Response:
    """Restore an account, with what was deleted along with it. For administrators who have signed in within the last
    five minutes.
    """
    return document_response(request, await service.restore(change, user_id))


@users.get("/{user_id}/sessions", response_model=PageOf[SessionRead], openapi_extra=described(SESSIONS))
async def list_sessions(
    request: Request, user_id: UUID, principal: Administrator, query: SessionsQuery, service: Sessions
) -> Response:
    """List where any account is signed in, newest first. For administrators."""
    return page_response(request, await service.list_of(user_id, principal, query))


@users.delete("/{user_id}/sessions", status_code=204)
@_ENDING_SESSIONS
async def end_sessions(
    user_id: UUID, change: AdministratorsChange, *, administrator: Administrator, service: Sessions
) -> None:
    """Sign any account out everywhere. For administrators; of your own, only a session of the last five minutes."""
    demand_step_up_at_own(administrator, user_id)
    await service.end_all_of(change, user_id)


@users.delete("/{user_id}/sessions/{session_id}", status_code=204)
@_ENDING_SESSIONS
async def end_session(
    user_id: UUID, session_id: UUID, change: AdministratorsChange, *, administrator: Administrator, service: Sessions
) -> None:
    """End a session of any account. For administrators; of your own, only a session of the last five minutes."""
    demand_step_up_at_own(administrator, user_id)
    await service.end_of(change, user_id, session_id)


@users.delete("/{user_id}/factors", status_code=204)
@_ADMINISTRATION
async def remove_factors(user_id: UUID, _: Administrator, change: RecentChange, service: Factors) -> None:
    """Remove all second factors of an account whose owner has lost them. For administrators who have signed in within
    the last five minutes.
    """
    await service.remove_all(change, user_id)


router = APIRouter(
    routes=[*users.routes, *sessions.routes, *keys.routes, *services.routes, *factors.routes, *recovery.routes]
)
