"""Runs every state-changing request, with no line in its module: one unit of work, committed before the reply, with
idempotency key, preconditions, dry run, minimal answer, and retries after conflicts with other changes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from fastapi import Request, Response

from shared.auth import READ, Authenticator, Principal, scope_of
from shared.errors import CommitInDoubt, Conflict, Contended, DomainError, Unauthenticated, Unavailable
from shared.http.edge import bearer_token, request_id_of
from shared.http.routes.endpoints import Handle
from shared.http.routes.traits import Traits, needed
from shared.http.routes.wishes import Wishes
from shared.observing import current_activity
from shared.rows import Origin
from shared.settings import Settings
from shared.turns import Turns
from shared.wire import Database, Run
from shared.writes import Answer, Change, Idempotency, Keyed, Permission, Precondition, Resources

CHANGE = "change"
"""The key of the Change in the state of a request."""

MOST_ATTEMPTS = 3
"""How often a unit of work is run when deadlocks or serialization failures stop it."""


class TooManyChanges(Unavailable):
    """Other changes of yours are still running. Try again shortly."""


def change_turns(settings: Settings) -> Turns:
    """For the changes of one account, which take at most three quarters of the connections."""
    return Turns(max(1, settings.pool_size * 3 // 4), settings.pool_wait_seconds, TooManyChanges)


@dataclass(eq=False)
class Mutations:
    """Runs the endpoints that change state."""

    database: Database
    authenticator: Authenticator
    idempotency: Idempotency
    resources: Resources
    turns: Turns
    require_if_match: bool

    async def run(
        self, request: Request, handle: Handle, wishes: Wishes, traits: Traits, target: UUID | None
    ) -> Response:
        """The endpoint's answer, after the commit; within a batch, the batch commits later. Raises TooManyChanges,
        Contended, CommitInDoubt, InsufficientScope and KeyRefused, beside what the endpoint raises.

        `target` is the row in the path that a precondition is about.
        """
        outer: Change | None = request.scope["state"].get(CHANGE)
        precondition = self._precondition(wishes)
        try:
            if outer is not None:
                outer.caller.require_scopes(needed(request))
                change = replace(outer, precondition=precondition, target=target, is_settled=False)
                response = await self._handle(request, handle, change)
            else:
                new = partial(Change, precondition=precondition, target=target)
                response = await self._committed(request, handle, wishes, traits, new)
        except Conflict as conflict:
            # Only its own transaction shows what a batch has done so far.
            read = self.database.read if outer is None else outer.unit.execute
            await self._name_obstacle(conflict, request.scope["state"].get(CHANGE), read)
            raise
        return _minimal(response) if wishes.is_minimal else response

    async def _committed(
        self, request: Request, handle: Handle, wishes: Wishes, traits: Traits, new: Callable[..., Change]
    ) -> Response:
        principal = await self._principal(request, traits)
        # The whole body, before a connection is taken: a slow client holds none. An upload is on disk.
        content = getattr(request.state, "content_digest", None) or await request.body()
        keyed = self._keyed(request, wishes, principal, content)
        # A caller with an invalid token is probably refused: take no connection before that either.
        is_late = traits.slow or (principal is None and bearer_token(request.headers) is not None)
        answer = partial(self._once_late if is_late else self._once, keyed) if keyed else self._handle
        variables = _origin(principal, request).variables()
        attempts = 0
        while True:
            attempts += 1
            try:
                demand = self.authenticator.demand(principal) if principal and principal.is_admin is None else None
                async with (
                    self.turns.of(principal.user_id if principal else None),
                    self.database.unit_of_work(dry_run=wishes.dry_run, variables=variables, demand=demand) as unit,
                ):
                    change = new(unit, principal)
                    return await self._within_session(answer(request, handle, change), change)
            except Unavailable as error:
                # After a commit in doubt, the next attempt finds by the key whether it was kept.
                is_again = isinstance(error, Contended) or (isinstance(error, CommitInDoubt) and keyed is not None)
                if attempts == MOST_ATTEMPTS or not is_again:
                    raise _told(error) from error.__cause__
            current_activity.get().retries += 1
            await asyncio.sleep(random.uniform(0, 0.05 * attempts))  # noqa: S311 (to not meet again)

    async def _within_session(self, answer: Awaitable[Response], change: Change) -> Response:
        """The answer. Whoever has no session any more is told that, and not what else is wrong. Raises InvalidToken."""
        try:
            return await answer
        except Exception:
            if change.principal is not None and change.unit.is_unmet:
                await self.authenticator.checked(change.principal)
            raise

    async def _once(self, keyed: Keyed, request: Request, handle: Handle, change: Change) -> Response:
        """The answer that was kept under the key, or else a new one, which is kept."""
        known = await self.idempotency.begin(change.unit, keyed)
        if known is not None:
            return await self._replay(request, handle, change, known)
        return await self._kept(keyed, request, handle, change)

    async def _once_late(self, keyed: Keyed, request: Request, handle: Handle, change: Change) -> Response:
        """The same for a slow endpoint, or a caller with an invalid token: until its first statement, the key is not
        locked, and no connection is held.
        """
        known = await self.idempotency.look(keyed)
        if known is not None:
            return await self._replay(request, handle, change, known)

        async def begin() -> None:
            if await self.idempotency.begin(change.unit, keyed) is not None:
                raise Contended  # An answer was kept since we looked: the next attempt finds it.

        change.unit.before_first = begin
        return await self._kept(keyed, request, handle, change)

    async def _kept(self, keyed: Keyed, request: Request, handle: Handle, change: Change) -> Response:
        response = await self._handle(request, handle, change)
        if _is_to_be_kept(response):
            await self.idempotency.keep(change.unit, keyed, _answer(response, change))
        return response

    async def _replay(self, request: Request, handle: Handle, change: Change, known: Answer) -> Response:
        """The kept answer; for a caller who may no longer make the change, the refusal of a fresh request."""
        if change.principal is not None:
            try:
                await self.resources.demand(change.unit.execute, change.principal, known.permissions)
            except DomainError as refusal:
                await self._handle(request, handle, change)
                raise refusal from None  # A fresh request would succeed, but this is a replay: roll back and refuse.
        return Response(known.content, known.status, {**dict(known.headers), "Idempotency-Replayed": "true"})

    async def _handle(self, request: Request, handle: Handle, change: Change) -> Response:
        request.scope["state"][CHANGE] = change
        response = await handle(request)
        change.demand_settled()
        return response

    async def _name_obstacle(self, conflict: Conflict, change: Change | None, read: Run) -> None:
        """Add the row in the way to the problem, if the caller may see it."""
        if (named := conflict.obstacle) is None or change is None or change.principal is None:
            return
        with suppress(DomainError, LookupError):  # Nobody sees rows of a table that is no resource.
            change.principal.require_scopes(frozenset({scope_of(named.resource, writes=False)}))
            await self.resources.demand(read, change.principal, [Permission(named.resource, READ, named.id)])
            conflict.members = {**conflict.members, "obstacle": named.model_dump(mode="json")}

    def _keyed(self, request: Request, wishes: Wishes, principal: Principal | None, content: bytes) -> Keyed | None:
        if wishes.key is None or wishes.dry_run:
            return None
        target = request.scope.get("raw_path", b"") + b"?" + request.scope["query_string"]
        return self.idempotency.keyed(wishes.key, principal, request.method.encode(), target, content)

    def _precondition(self, wishes: Wishes) -> Precondition | None:
        if wishes.if_match is None and wishes.if_none_match is None and not self.require_if_match:
            return None
        return Precondition(wishes.if_match, wishes.if_none_match, self.require_if_match)

    async def _principal(self, request: Request, traits: Traits) -> Principal | None:
        """The caller, or None. Endpoints that need a caller refuse an invalid token themselves.

        A slow endpoint is to do no work for a session that has ended, and a public one goes on without it, so these two
        have it checked first. Of all others, the first statement of the unit of work demands it.
        """
        token = bearer_token(request.headers)
        with suppress(Unauthenticated):
            if token is not None:
                caller = await self.authenticator.caller(token, needed(request))
                return await self.authenticator.checked(caller) if traits.slow or traits.public else caller
        return None


def _origin(principal: Principal | None, request: Request) -> Origin:
    id = request_id_of(request.scope)
    return Origin(principal.user_id, principal.session_id, id) if principal else Origin(request_id=id)


def _told(error: Unavailable) -> Unavailable:
    """What the client hears in the end: an attempt before the last one may have been kept."""
    return CommitInDoubt() if current_activity.get().is_in_doubt else error


def _is_to_be_kept(response: Response) -> bool:
    """Successes only: the reason for a refusal may pass. No answers that must not be stored, such as tokens."""
    return response.status_code < 400 and "no-store" not in response.headers.get("cache-control", "")


def _answer(response: Response, change: Change) -> Answer:
    headers = [(name, value) for name, value in response.headers.items() if name != "content-length"]
    return Answer(response.status_code, headers, bytes(response.body), change.permissions)


def _minimal(response: Response) -> Response:
    """The answer without its document (RFC 7240 §4.2)."""
    if "etag" not in response.headers or not 200 <= response.status_code < 300:
        return response
    headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
    status = 201 if response.status_code == 201 else 204
    return Response(b"", status, {**headers, "Preference-Applied": "return=minimal"})
