"""The HTTP side of recovery: links in mails, and what they are good for."""

from typing import Annotated

from dependency_injector.wiring import Provide
from fastapi import Request, Response

from modules.users.container import UsersContainer
from modules.users.recovery.schemas import AddressConfirmation, Reset, ResetRequest
from modules.users.recovery.service import RecoveryService
from modules.users.sessions.router import ABOUT, client_of
from shared.http.routes import CurrentChange, PublicChange, operation, resource_router

Recovery = Annotated[RecoveryService, Provide[UsersContainer.recovery_service]]

router = resource_router("/auth", about=ABOUT, keys=())

_BY_ANYBODY = operation(public=True, slow=True, repeatable=False)


@router.post("/password-reset", status_code=202, response_class=Response)
@_BY_ANYBODY  # check: who has forgotten a password has no session
async def request_password_reset(
    request: Request, data: ResetRequest, change: PublicChange, service: Recovery
) -> Response:
    """Have a link mailed that sets another password. The answer tells nobody whether there is such an account."""
    await service.ask_reset(change, data.email, client_of(request).address)
    return Response(status_code=202)


@router.post("/password-reset/confirm", status_code=204)
@_BY_ANYBODY  # check: a token says who
async def reset_password(request: Request, data: Reset, change: PublicChange, service: Recovery) -> None:
    """Set another password by the token of a mail, and end every session. If nobody had shown yet that the account's
    address is theirs, its keys, second factors and recovery codes go as well, for somebody else may have left them.
    """
    await service.reset(change, data, client_of(request).address)


@router.post("/verify-email", status_code=202, response_class=Response)
@operation(slow=True, repeatable=False)
async def request_verification(request: Request, change: CurrentChange, service: Recovery) -> Response:
    """Have a link mailed to your own address, which shows that it is yours."""
    await service.ask_address(change, client_of(request).address)
    return Response(status_code=202)


@router.post("/verify-email/confirm", status_code=204)
@_BY_ANYBODY  # check: a token says who
async def confirm_email(request: Request, data: AddressConfirmation, change: PublicChange, service: Recovery) -> None:
    """Confirm an address by the token of a mail: it is yours, or becomes yours, or you get the account that you have
    registered. A registration asks for the password that you have chosen: somebody else may have chosen another.
    """
    await service.confirm(change, data, client_of(request).address)
