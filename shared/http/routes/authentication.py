"""How an endpoint says who may call it: `Caller`, `CurrentPrincipal` or `Administrator` as a parameter's type."""

from typing import Annotated

from dependency_injector.wiring import Provide
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from shared.auth import Authenticator, InvalidToken, Principal
from shared.container import KernelContainer
from shared.errors import Unauthenticated
from shared.http.edge import bearer_token
from shared.http.routes.mutations import CHANGE
from shared.http.routes.traits import needed
from shared.writes import Change


class _Bearer(HTTPBearer):
    """The framework's scheme for the OpenAPI document, with our parser: the framework takes one blank only."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # type: ignore[override]
        return bearer_token(request.headers)


# Generated clients have the name in their code. It is older than the scheme, which is no flow of OAuth 2.
_bearer = _Bearer(
    scheme_name="OAuth2PasswordBearer",
    description="An access token. `POST /auth/sessions` gives one, and `POST /auth/token` the next.",
    auto_error=False,
)

_Authenticator = Annotated[Authenticator, Provide[KernelContainer.authenticator]]
_Token = Annotated[str | None, Depends(_bearer)]


async def caller(request: Request, token: _Token, authenticator: _Authenticator) -> Principal:
    """The caller that the token names. Raises Unauthenticated, InvalidToken, InsufficientScope and KeyRefused."""
    if token is None:
        raise Unauthenticated
    return await authenticator.caller(token, needed(request))


Caller = Annotated[Principal, Depends(caller)]
"""For an endpoint that reads with one statement, whose gate checks the session."""


async def current_principal(request: Request, token: _Token, authenticator: _Authenticator) -> Principal:
    """The caller, whose session is checked: for a change with its first statement, else now. Raises
    Unauthenticated, InvalidToken, InsufficientScope and KeyRefused.
    """
    change: Change | None = request.scope["state"].get(CHANGE)
    if change is not None and change.principal is not None:
        return change.principal
    if token is None:
        raise Unauthenticated
    if change is not None:
        raise InvalidToken  # As the edge found, which has asked.
    return await authenticator.principal(token, needed(request))


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


async def administrator(principal: CurrentPrincipal, authenticator: _Authenticator) -> Principal:
    """The caller, an administrator. Raises AdministratorsOnly."""
    if principal.is_admin is None:
        principal = await authenticator.checked(principal)
    principal.require_admin()
    return principal


Administrator = Annotated[Principal, Depends(administrator)]


async def public_change(request: Request) -> Change:
    """The request's change, whoever calls."""
    change: Change = request.scope["state"][CHANGE]
    return change


PublicChange = Annotated[Change, Depends(public_change)]
"""For an endpoint that anybody may call."""


async def current_change(change: PublicChange, _: CurrentPrincipal) -> Change:
    """The request's change, with a caller. Raises Unauthenticated, and InvalidToken."""
    return change


CurrentChange = Annotated[Change, Depends(current_change)]
"""For an endpoint that changes something: its service passes it to the verbs."""


async def administrators_change(change: PublicChange, _: Administrator) -> Change:
    """The request's change, by an administrator. Raises AdministratorsOnly."""
    return change


AdministratorsChange = Annotated[Change, Depends(administrators_change)]


async def recent_change(change: PublicChange, principal: CurrentPrincipal, authenticator: _Authenticator) -> Change:
    """The request's change, by a caller who signed in lately. Raises StepUpRequired."""
    if principal.is_admin is None:
        principal = await authenticator.checked(principal)
    principal.require_recent_sign_in()
    return change


RecentChange = Annotated[Change, Depends(recent_change)]
"""For an endpoint that changes what an account is entered with, or ends it."""
