"""The HTTP side of second factors."""

import json
from typing import Annotated, Any
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Request, Response

from modules.users.container import UsersContainer
from modules.users.factors.apps import AppService
from modules.users.factors.errors import FactorNotFound
from modules.users.factors.passkeys import PasskeyService
from modules.users.factors.recovery_codes import RecoveryCodes
from modules.users.factors.repository import FactorRepository
from modules.users.factors.schemas import (
    FACTORS,
    Confirmation,
    FactorAdded,
    FactorRead,
    NewRecoveryCodes,
    PasskeyCreate,
    PasskeyCreation,
    PasskeyRequest,
    PasskeySignIn,
    RecoveryCodesLeft,
    TotpCreate,
    TotpSecret,
)
from modules.users.factors.service import FactorService
from modules.users.sessions.errors import SessionNotFound
from modules.users.sessions.router import client_of, signed_in_response
from modules.users.sessions.schemas import SignedIn
from shared.http.edge import NEVER_STORED, Tag, operation_id
from shared.http.reads import PageOf, described, document_view, list_query, page_response, unversioned_response
from shared.http.routes import (
    API_PREFIX,
    Caller,
    CurrentPrincipal,
    PublicChange,
    RecentChange,
    Route,
    operation,
)
from shared.reads import ListQuery, View

Repository = Annotated[FactorRepository, Provide[UsersContainer.factor_repository]]
Codes = Annotated[RecoveryCodes, Provide[UsersContainer.recovery_codes]]
Factors = Annotated[FactorService, Provide[UsersContainer.factor_service]]
Apps = Annotated[AppService, Provide[UsersContainer.app_service]]
Passkeys = Annotated[PasskeyService, Provide[UsersContainer.passkey_service]]
FactorView = Annotated[View, Depends(document_view(FactorRead))]
FactorsQuery = Annotated[ListQuery, Depends(list_query(FACTORS))]

_ONCE = operation(repeatable=False)
"""What answers with a secret is answered once."""
_MADE = operation(repeatable=False, never=(FactorNotFound,))
"""The one that was just made is there."""
_MADE_ONCE: dict[int | str, dict[str, Any]] = {201: {"headers": {"Cache-Control": {}}}}

router = APIRouter(
    prefix=f"{API_PREFIX}/auth",
    tags=[
        Tag(
            "factors",
            "What an account asks for beside its password, or in the place of it: the codes of an authenticator app, "
            "recovery codes, passkeys. Whoever has one is asked for it at each sign-in. These take no idempotency key "
            "and no dry run.",
        )
    ],
    route_class=Route,
    generate_unique_id_function=operation_id,
)


@router.get("/factors", response_model=PageOf[FactorRead], openapi_extra=described(FACTORS))
async def list(request: Request, caller: Caller, query: FactorsQuery, repository: Repository) -> Response:
    """List your second factors, newest first."""
    return page_response(request, await repository.page(caller, query))


@router.post("/factors/totp", status_code=201, response_model=TotpSecret, responses=_MADE_ONCE)
@_MADE
async def begin_totp(data: TotpCreate, change: RecentChange, service: Apps) -> Response:
    """Begin with an authenticator app: show the secret to it, then confirm it with its first code, in ten minutes."""
    new = await service.begin(change, data)
    return _made(_told(new.document, secret=new.secret, uri=new.uri), new.id)


@router.get("/factors/recovery-codes", response_model=RecoveryCodesLeft)
async def count_recovery_codes(principal: CurrentPrincipal, codes: Codes) -> RecoveryCodesLeft:
    """Get how many recovery codes you have left."""
    return RecoveryCodesLeft(left=await codes.left(principal.user_id))


@router.post("/factors/recovery-codes", response_model=NewRecoveryCodes, responses=NEVER_STORED)
@_ONCE
async def renew_recovery_codes(change: RecentChange, service: Factors) -> Response:
    """Make new recovery codes. The former ones are good no more."""
    return _never_stored(json.dumps({"recovery_codes": await service.renew_codes(change)}).encode())


@router.get("/factors/{factor_id}", response_model=FactorRead, openapi_extra=described(FactorRead))
async def get(request: Request, factor_id: UUID, caller: Caller, view: FactorView, repository: Repository) -> Response:
    """Get one of your second factors."""
    return unversioned_response(request, await repository.get(caller, factor_id, view))


@router.post("/factors/{factor_id}/confirm", response_model=FactorAdded, responses=NEVER_STORED)
@_ONCE
async def confirm(factor_id: UUID, data: Confirmation, change: RecentChange, service: Apps) -> Response:
    """Confirm an authenticator app with its first code. From now on, sign-ins ask for one."""
    added = await service.confirm(change, factor_id, data.code)
    return _told(added.document, recovery_codes=added.recovery_codes)


@router.delete("/factors/{factor_id}", status_code=204)
@_ONCE
async def remove(factor_id: UUID, change: RecentChange, service: Factors) -> None:
    """Remove one of your second factors; with the last one, your recovery codes."""
    await service.remove(change, factor_id)


@router.post("/passkeys/options", response_model=PasskeyCreation, responses=NEVER_STORED)
@_ONCE
async def begin_passkey(change: RecentChange, service: Passkeys) -> Response:
    """Begin with a passkey: get the options for `navigator.credentials.create()`."""
    return _never_stored((await service.begin(change)).encode())


@router.post("/passkeys", status_code=201, response_model=FactorAdded, responses=_MADE_ONCE)
@_MADE
async def register_passkey(data: PasskeyCreate, change: RecentChange, service: Passkeys) -> Response:
    """Register a passkey. From now on, a password alone does not sign in."""
    added = await service.register(change, data)
    return _made(_told(added.document, recovery_codes=added.recovery_codes), added.id)


@router.post("/sessions/passkey/options", response_model=PasskeyRequest, responses=NEVER_STORED)
@operation(public=True, repeatable=False)  # check: it changes nothing; a browser needs it before anybody is known
async def begin_sign_in(_: PublicChange, service: Passkeys) -> Response:
    """Begin to sign in with a passkey: get the options for `navigator.credentials.get()`."""
    return _never_stored(service.begin_sign_in().encode())


@router.post("/sessions/passkey", status_code=201, response_model=SignedIn, responses=_MADE_ONCE)
@operation(public=True, repeatable=False, never=(SessionNotFound,))  # check: a passkey says who
async def sign_in(request: Request, data: PasskeySignIn, change: PublicChange, service: Passkeys) -> Response:
    """Sign in with a passkey, which is both factors. The answer has the tokens of a new session, and the session."""
    return signed_in_response(await service.sign_in(change, data.credential, client_of(request)))


def _told(factor: bytes, **more: Any) -> Response:
    """The factor, and what is told this once."""
    return _never_stored(b'{"factor":%b,%b' % (factor, json.dumps(more).encode().removeprefix(b"{")))


def _made(response: Response, id: UUID) -> Response:
    """The same, of what is new."""
    response.status_code, response.headers["Location"] = 201, f"{API_PREFIX}/auth/factors/{id}"
    return response


def _never_stored(content: bytes) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(content, headers=headers, media_type="application/json")  # check: secrets, with a document
