"""How an endpoint says who may call it: `Caller`, `CurrentPrincipal` or `Administrator` as a parameter's type."""

from typing import Annotated

from dependency_injector.wiring import Provide
from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from shared.auth import Authenticator, Principal
from shared.container import KernelContainer
from shared.errors import Unauthenticated
from shared.http.edge import bearer_token
from shared.http.routes.injection import injected
from shared.http.routes.routing import API_PREFIX


class _Bearer(OAuth2PasswordBearer):
    """As the OpenAPI document has it; the framework would take the token's second blank for a part of it."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        return bearer_token(request.headers)


_TOKEN_URL = f"{API_PREFIX}/auth/token"
_bearer = _Bearer(_TOKEN_URL, scheme_name="OAuth2PasswordBearer", refreshUrl=_TOKEN_URL, auto_error=False)

_Authenticator = Annotated[Authenticator, Provide[KernelContainer.authenticator]]
_Token = Annotated[str | None, Depends(_bearer)]


@injected
async def caller(token: _Token, authenticator: _Authenticator) -> Principal:
    """Who the token says is calling. Raises Unauthenticated."""
    if token is None:
        raise Unauthenticated
    return authenticator.caller(token)


Caller = Annotated[Principal, Depends(caller)]
"""For an endpoint that reads with one statement: it has the gate, which is the check of the session."""


@injected
async def current_principal(token: _Token, authenticator: _Authenticator) -> Principal:
    """Who is calling, by a statement of its own. Raises Unauthenticated."""
    if token is None:
        raise Unauthenticated
    return await authenticator.principal(token)


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


async def administrator(principal: CurrentPrincipal) -> Principal:
    """The caller, when an administrator. Raises AdministratorsOnly."""
    principal.require_admin()
    return principal


Administrator = Annotated[Principal, Depends(administrator)]
