"""The HTTP side of sessions: signing in, prolonging, listing and signing out."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal
from uuid import UUID

from dependency_injector.wiring import Provide
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException

from modules.users.container import UsersContainer
from modules.users.factors.errors import SecondFactorRequired, SecondFactorWrong
from modules.users.sessions.errors import InvalidCredentials, InvalidGrant, InvalidRequest, SessionNotFound
from modules.users.sessions.repository import Client, SessionRepository
from modules.users.sessions.schemas import (
    SESSIONS,
    RevocationRequest,
    SessionCreate,
    SessionRead,
    SignedIn,
    TokenRequest,
    Tokens,
)
from modules.users.sessions.service import SessionService, SignIn
from shared.errors import InvalidInput
from shared.http.edge import problem
from shared.http.reads import PageOf, described, document_view, list_query, page_response, unversioned_response
from shared.http.routes import (
    API_PREFIX,
    Caller,
    CurrentChange,
    PublicChange,
    RecentChange,
    Route,
    operation,
    resource_router,
)
from shared.reads import ListQuery, View

Sessions = Annotated[SessionService, Provide[UsersContainer.session_service]]
Repository = Annotated[SessionRepository, Provide[UsersContainer.session_repository]]
SessionView = Annotated[View, Depends(document_view(SessionRead))]
SessionsQuery = Annotated[ListQuery, Depends(list_query(SESSIONS))]

NEVER_STORED = {"Cache-Control": "no-store"}
"""RFC 6749 §5.1."""
DEPRECATED = {
    "Deprecation": "@1795651200",  # RFC 9745 §2: since 2026-11-26.
    "Link": '</docs/guide/signing-in>; rel="deprecation"; type="text/html"',
}
ABOUT = (
    "Signing in and out. A session has an access token, which lasts some minutes, and a refresh token, which gives the "
    "next pair, once. These are no changes to repeat: they take no idempotency key and no dry run."
)
_UNPRINTABLE = re.compile(r"[^ -~]+")


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


sessions = resource_router("/auth", about=ABOUT, keys=())
oauth = resource_router("/auth", OAuthRoute, about=ABOUT, keys=())

_ENDING = operation(urgent=True, repeatable=False)


@sessions.post(
    "/sessions",
    status_code=201,
    response_model=SignedIn,
    responses={201: {"headers": {"Cache-Control": {}}}},
)
# Nobody ends it before it is answered.
@operation(public=True, slow=True, repeatable=False, never=(SessionNotFound,))  # check: a password says who
async def create_session(request: Request, data: SessionCreate, change: PublicChange, service: Sessions) -> Response:
    """Sign in. The answer has the tokens of a new session, and the session."""
    signed_in = await service.sign_in(change, data.email, data.password, client_of(request), data.code)
    return signed_in_response(signed_in)


@sessions.get("/sessions", response_model=PageOf[SessionRead], openapi_extra=described(SESSIONS))
async def list_sessions(request: Request, caller: Caller, query: SessionsQuery, repository: Repository) -> Response:
    """List where you are signed in, newest first."""
    return page_response(request, await repository.list(caller.user_id, caller, query))


@sessions.get("/sessions/{session_id}", response_model=SessionRead, openapi_extra=described(SessionRead))
async def get_session(
    request: Request, session_id: UUID, caller: Caller, view: SessionView, repository: Repository
) -> Response:
    """Get a session of yours."""
    return unversioned_response(request, await repository.get(session_id, caller, view))


@sessions.delete("/sessions", status_code=204)
@_ENDING
async def end_sessions(
    change: RecentChange,
    repository: Repository,
    but: Annotated[
        Literal["current"] | SkipJsonSchema[None],
        Query(alias="except", description="`current` leaves this session.", examples=["current"]),
    ] = None,
) -> None:
    """Sign out everywhere, or everywhere else. Only a session of the last five minutes may do it."""
    caller = change.caller
    await repository.revoke_all(change, caller.user_id, but=caller.session_id if but else None)


@sessions.delete("/sessions/current", status_code=204)
@operation(urgent=True, repeatable=False, never=(SessionNotFound,))
async def end_current_session(change: CurrentChange, repository: Repository) -> None:
    """Sign out."""
    caller = change.caller
    await repository.end(change, caller.user_id, caller.session_id)


@sessions.delete("/sessions/{session_id}", status_code=204)
@_ENDING
async def end_session(session_id: UUID, change: RecentChange, repository: Repository) -> None:
    """Sign out somewhere else. Only a session of the last five minutes may do it."""
    await repository.end(change, change.caller.user_id, session_id)


@oauth.post(
    "/token",
    response_model=Tokens,
    responses={200: {"headers": {"Cache-Control": {}, "Deprecation": {}, "Link": {}}}},
)
# These are an InvalidRequest and an InvalidGrant here.
@operation(  # check: a password or a token says who
    public=True,
    slow=True,
    repeatable=False,
    never=(InvalidInput, InvalidCredentials, SecondFactorRequired, SecondFactorWrong, SessionNotFound),
)
async def token(
    request: Request,
    response: Response,
    form: Annotated[TokenRequest, Form()],
    change: PublicChange,
    service: Sessions,
) -> Tokens | Response:
    """Prolong a session. A sign-in by `grant_type=password` is deprecated, and refused unless this server allows it."""
    tokens = await service.grant(change, form, client_of(request))
    if tokens is None:
        # Returned and not raised: the session's end is to be committed.
        return problem(request, InvalidGrant())
    response.headers.update(NEVER_STORED)
    if form.grant_type == "password":
        response.headers.update(DEPRECATED)
    return tokens


@oauth.post("/revoke", response_class=Response)
@operation(public=True, urgent=True, repeatable=False, never=(InvalidInput,))  # check: its holder may end a session
async def revoke(form: Annotated[RevocationRequest, Form()], change: PublicChange, service: Sessions) -> Response:
    """Sign out: revoke a refresh token, and so end its session."""
    await service.revoke(change, form.token)
    return Response()


def signed_in_response(signed_in: SignIn) -> Response:
    """201 with a new session."""
    headers = {**NEVER_STORED, "Location": f"{API_PREFIX}/auth/sessions/{signed_in.session_id}"}
    return Response(signed_in.to_json(), 201, headers, "application/json")  # check: tokens, and a document


def client_of(request: Request) -> Client:
    """Who asks. What clients say of themselves is cut, and without what does not print."""
    address = request.client.host if request.client else ""
    return Client(_printable(address, 100), _printable(request.headers.get("user-agent", ""), 200))


def _printable(text: str, longest: int) -> str:
    return _UNPRINTABLE.sub(" ", text[:longest]).strip()


router = APIRouter(routes=[*sessions.routes, *oauth.routes])
