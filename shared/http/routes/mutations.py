"""What every state-changing request has, with no line in its module: one unit of work, committed before the reply; an
idempotency key, preconditions, a dry run, a minimal answer; and another try where another change stood in the way.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from fastapi import Request, Response

from shared.auth import Authenticator, InvalidToken, Principal
from shared.errors import CommitInDoubt, Conflict, Contended, DomainError, Unauthenticated, Unavailable
from shared.http.edge import bearer_token, request_id_of
from shared.http.routes.wishes import Wishes
from shared.settings import Settings
from shared.turns import Turns
from shared.wire import Database, Origin, origin
from shared.writes import Answer, Idempotency, Keyed, Precondition, PreconditionFailed, Resources, precondition

Handle = Callable[[Request], Awaitable[Response]]
Once = Callable[[Request, Handle, Keyed], Awaitable[Response]]

MOST_ATTEMPTS = 3
"""How often a unit of work is run when it meets another in a deadlock or a serialization failure."""


class TooManyChanges(Unavailable):
    """Other changes of yours take long just now. Try again shortly."""


def change_turns(settings: Settings) -> Turns:
    """Of the changes of one account: they have three quarters of the connections at the most."""
    return Turns(max(1, settings.pool_size * 3 // 4), settings.pool_wait_seconds, TooManyChanges)


class Mutations:
    """Runs the endpoints that change state."""

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        idempotency: Idempotency,
        resources: Resources,
        turns: Turns,
        *,
        require_if_match: bool,
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._idempotency = idempotency
        self._resources = resources
        self._turns = turns
        self._require_if_match = require_if_match

    async def run(self, request: Request, handle: Handle, wishes: Wishes, *, is_slow: bool) -> Response:
        """The endpoint's answer, once what it did is committed; within a batch, that is later."""
        caller = self._caller(request)
        came_from = origin.set(_origin(caller, request))
        demanded = precondition.set(self._precondition(wishes))
        try:
            if self._database.in_unit_of_work:
                response = await self._handle(request, handle)
            else:
                once = self._once_late if is_slow else self._once
                response = await self._in_unit_of_work(request, handle, wishes, caller, once)
        except Conflict as conflict:
            await self._name_obstacle(conflict, caller)
            raise
        finally:
            precondition.reset(demanded)
            origin.reset(came_from)
        return _minimal(response) if wishes.is_minimal else response

    async def _in_unit_of_work(
        self, request: Request, handle: Handle, wishes: Wishes, caller: Principal | None, once: Once
    ) -> Response:
        # All of it before a connection is taken: a client that is slow holds none. An upload is on disk by now.
        content = getattr(request.state, "content_digest", None) or await request.body()
        keyed = self._keyed(request, wishes, caller, content)
        attempts = 0
        while True:
            attempts += 1
            try:
                async with (
                    self._turns.of(caller.user_id if caller else None),
                    self._database.unit_of_work(dry_run=wishes.dry_run),
                ):
                    if keyed is None:
                        return await self._handle(request, handle)
                    return await once(request, handle, keyed)
            except (Contended, CommitInDoubt) as error:
                # Whether what was in doubt was kept, the key tells the next attempt.
                if attempts == MOST_ATTEMPTS or (isinstance(error, CommitInDoubt) and keyed is None):
                    raise
            await asyncio.sleep(random.uniform(0, 0.05 * attempts))  # noqa: S311 (only not to meet again)

    async def _once(self, request: Request, handle: Handle, keyed: Keyed) -> Response:
        """The answer that was kept under the key, or a new one that is kept."""
        keyed, known = await _named(self._idempotency.begin, keyed)
        if known is not None:
            return await self._replay(request, handle, keyed, known)
        return await self._kept(request, handle, keyed)

    async def _once_late(self, request: Request, handle: Handle, keyed: Keyed) -> Response:
        """The same for an endpoint that is slow: nobody is kept from the key, and no connection is held, until it has
        done its work and comes to its first statement.
        """
        keyed, known = await _named(self._idempotency.look, keyed)
        if known is not None:
            return await self._replay(request, handle, keyed, known)

        async def begin() -> None:
            if await self._idempotency.begin(keyed) is not None:
                raise Contended  # One was kept since we looked: the next attempt finds it.

        self._database.unit.before_first = begin
        return await self._kept(request, handle, keyed)

    async def _kept(self, request: Request, handle: Handle, keyed: Keyed) -> Response:
        response = await self._handle(request, handle)
        if _is_to_be_kept(response):
            await self._idempotency.keep(keyed, _answer(response, self._database))
        return response

    async def _replay(self, request: Request, handle: Handle, keyed: Keyed, known: Answer) -> Response:
        await self._demand_still(request, handle, keyed, known)
        return _replayed(known)

    async def _demand_still(self, request: Request, handle: Handle, keyed: Keyed, known: Answer) -> None:
        """Raises, for a caller who may not do it any more, what a fresh request would be refused with."""
        if keyed.caller is None:
            return
        try:
            for resource, action, id in known.permissions:
                await self._resources.demand(resource, action, id, keyed.caller)
        except DomainError as refusal:
            await handle(request)
            raise refusal from None  # A fresh request would succeed, but this is a replay: roll back and refuse.

    async def _handle(self, request: Request, handle: Handle) -> Response:
        demanded = precondition.get()
        if demanded is not None:
            demanded.is_settled = False  # Of an attempt before.
        response = await handle(request)
        if demanded is not None and not demanded.is_settled and demanded.wants_one:
            raise PreconditionFailed
        return response

    async def _name_obstacle(self, conflict: Conflict, caller: Principal | None) -> None:
        """Have the problem tell which row is in the way, if the caller may see it."""
        if conflict.obstacle is None or caller is None:
            return
        resource, id = conflict.obstacle
        with suppress(DomainError, LookupError):  # The rows of a table that is no resource, nobody sees.
            await self._resources.demand(resource, "read", id, caller)
            conflict.members = {**conflict.members, "obstacle": {"resource": resource, "id": str(id)}}

    def _keyed(self, request: Request, wishes: Wishes, caller: Principal | None, content: bytes) -> Keyed | None:
        if wishes.key is None or wishes.dry_run:
            return None
        target = request.scope.get("raw_path", b"") + b"?" + request.scope["query_string"]
        return self._idempotency.keyed(wishes.key, caller, request.method.encode(), target, content)

    def _precondition(self, wishes: Wishes) -> Precondition | None:
        if wishes.if_match is None and wishes.if_none_match is None and not self._require_if_match:
            return None
        return Precondition(wishes.if_match, wishes.if_none_match, self._require_if_match)

    def _caller(self, request: Request) -> Principal | None:
        """Who says to be calling. What is wrong with their token, the endpoint tells, unless it asks for none."""
        token = bearer_token(request.headers)
        try:
            return self._authenticator.caller(token) if token is not None else None
        except Unauthenticated:
            return None


async def _named(find: Callable[[Keyed], Awaitable[Answer | None]], keyed: Keyed) -> tuple[Keyed, Answer | None]:
    """The request as it is known by its key, and the answer that was kept."""
    try:
        return keyed, await find(keyed)
    except InvalidToken:  # The session has ended. Endpoints that need one answer 401 themselves.
        keyed = replace(keyed, caller=None)
        return keyed, await find(keyed)


def _origin(caller: Principal | None, request: Request) -> Origin:
    id = request_id_of(request.scope)
    return Origin(caller.user_id, caller.session_id, id) if caller else Origin(request_id=id)


def _is_to_be_kept(response: Response) -> bool:
    """A change's own answer; not a refusal, whose reason may pass, and not what nobody may store, such as a token."""
    return response.status_code < 400 and "no-store" not in response.headers.get("cache-control", "")


def _answer(response: Response, database: Database) -> Answer:
    headers = [(name, value) for name, value in response.headers.items() if name != "content-length"]
    return Answer(response.status_code, headers, bytes(response.body), database.unit.permissions)


def _replayed(answer: Answer) -> Response:
    return Response(answer.content, answer.status, {**dict(answer.headers), "Idempotency-Replayed": "true"})


def _minimal(response: Response) -> Response:
    """The same without its document (RFC 7240 §4.2)."""
    if "etag" not in response.headers or not 200 <= response.status_code < 300:
        return response
    headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
    status = 201 if response.status_code == 201 else 204
    return Response(b"", status, {**headers, "Preference-Applied": "return=minimal"})
