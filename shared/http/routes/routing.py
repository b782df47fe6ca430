"""The route of every module: what changes state runs in one unit of work, committed before the reply is sent."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from shared.http.edge import ANY_PROBLEM, operation_id
from shared.http.routes.endpoints import Handle, application, json_checked, short_way
from shared.http.routes.injection import injected
from shared.http.routes.mutations import Mutations
from shared.http.routes.wishes import PARAMETERS, Wishes

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110 §9.2.1): their reads take the read lane."""

API_PREFIX = "/api/v1"

E = TypeVar("E", bound=Callable[..., Any])


def slow(endpoint: E) -> E:
    """Declares that the endpoint works for long before its first statement: it hashes a password, or sends mail.

    So it is no part of a batch, whose transaction would stay open meanwhile, and an idempotency key takes a connection
    only with that statement.
    """
    endpoint.__dict__["is_slow"] = True
    return endpoint


def unrepeatable(endpoint: E) -> E:
    """Declares that a request takes no precondition, no dry run and no idempotency key: a sign-in, for example."""
    endpoint.__dict__["is_repeatable"] = False
    return endpoint


class Route(APIRoute):
    """Has its endpoint's dependencies injected, without a decorator that one could forget.

    And opens the unit of work at the edge: what returns is committed, what raises (COMMIT, too) is rolled back whole.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.is_slow: bool = getattr(endpoint, "is_slow", False)
        self.is_repeatable: bool = getattr(endpoint, "is_repeatable", True)
        if self.is_repeatable and not set(options.get("methods") or {"GET"}) <= SAFE_METHODS:
            extra = options.get("openapi_extra") or {}
            options["openapi_extra"] = extra | {"parameters": [*extra.get("parameters", []), *PARAMETERS]}
        super().__init__(path, injected(endpoint), **options)
        self._start = self.path.partition("{")[0]
        if not self.dependencies and (handle := short_way(self.endpoint, self.status_code)):
            self.app = application(handle if self._only_reads() else self._mutating(handle))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Most of a hundred routes begin otherwise, and telling that is cheaper than a regular expression.
        return super().matches(scope) if scope["path"].startswith(self._start) else (Match.NONE, {})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is not None and not isinstance(self.body_field.field_info, Form):
            handle = json_checked(handle)
        return handle if self._only_reads() else self._mutating(handle)

    def _only_reads(self) -> bool:
        return (self.methods or set()) <= SAFE_METHODS

    def _mutating(self, handle: Handle) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        wishes_of = Wishes.of if self.is_repeatable else Wishes.none_in

        async def mutate(request: Request) -> Response:
            mutations: Mutations = request.app.state.mutations
            return await mutations.run(request, handle, wishes_of(request), is_slow=self.is_slow)

        return mutate


def resource_router(path: str, route_class: type[Route] = Route) -> APIRouter:
    """The router of a resource: `resource_router("/projects")` serves `/api/v1/projects`, tagged `projects`."""
    return APIRouter(
        prefix=API_PREFIX + path,
        tags=[path.strip("/")],
        route_class=route_class,
        responses=ANY_PROBLEM,
        generate_unique_id_function=operation_id,
    )
