"""How an endpoint says who may call it: `principal: CurrentPrincipal`, or `principal: Administrator`."""

from typing import Annotated

from dependency_injector.wiring import Provide, inject
from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer

from shared.auth.authentication import Authenticator
from shared.auth.principal import Principal
from shared.container import KernelContainer
from shared.errors import Unauthenticated

API_PREFIX = "/api/v1"

_bearer = OAuth2PasswordBearer(f"{API_PREFIX}/auth/token", refreshUrl=f"{API_PREFIX}/auth/token", auto_error=False)


@inject
async def current_principal(
    token: Annotated[str | None, Depends(_bearer)],
    authenticator: Annotated[Authenticator, Depends(Provide[KernelContainer.authenticator])],
) -> Principal:
    """The caller. Raises Unauthenticated."""
    if token is None:
        raise Unauthenticated
    return await authenticator.authenticate(token)


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


async def administrator(principal: CurrentPrincipal) -> Principal:
    """The caller, when an administrator. Raises AdministratorsOnly."""
    principal.require_admin()
    return principal


Administrator = Annotated[Principal, Depends(administrator)]
