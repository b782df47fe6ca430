"""The routes of modules: a state-changing request runs in one unit of work, committed before the reply is sent."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute

from shared.auth import READS, WRITES, Needed, Principal, scope_of
from shared.http.edge import Tag, operation_id
from shared.http.routes.endpoints import Handle, direct_way, json_checked
from shared.http.routes.fastapi_seam import last_id
from shared.http.routes.injection import Binder, Unbound, takes
from shared.http.routes.mutations import Mutations
from shared.http.routes.traits import Traits
from shared.http.routes.wishes import Wishes
from shared.reads import ListQuery

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110 §9.2.1): their reads take the read lane."""

API_PREFIX = "/api/v1"


class Route(APIRoute):
    """Opens the unit of work at the edge: a return commits, an exception (of COMMIT, too) rolls back everything.

    A router has it unbound. Each application has its own copy, bound to its containers.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._given = (path, endpoint, options)
        self._binder: Binder | Unbound = Unbound()
        if options.get("status_code") == 204 and not isinstance(options.get("response_class"), type):
            options = options | {"response_class": Response}  # An empty body is not `null`, and has no media type.
        traits: Traits = getattr(endpoint, "traits", Traits())
        super().__init__(path, self._binder.bound(endpoint), **options)
        # What is made is not there to be compared, whatever the path names: that is what it is part of.
        about = None if self.status_code == 201 else last_id(self)
        self.traits = traits if traits.about else replace(traits, about=about)
        self.wants_principal = takes(endpoint, Principal)
        """Whether it takes a `Caller`, `CurrentPrincipal` or `Administrator`."""
        self.takes_query = takes(endpoint, ListQuery) and not self.changes
        """Whether it is a list, which also answers to QUERY."""
        self.needed = self._needed()
        """The scopes that a key needs. Where nobody said that keys may, none may."""

    @property
    def changes(self) -> bool:
        """Whether it may change state."""
        return not (self.methods or set()) <= SAFE_METHODS

    def _needed(self) -> Needed:
        group = next(iter(self.tags), None)
        keys = group.keys if isinstance(group, Tag) else ()
        if self.traits.public or keys is None:
            return frozenset()
        is_open = (WRITES if self.changes else READS) in keys
        resource = str(group).replace("-", "_")  # The table is called so.
        return frozenset({scope_of(resource, writes=self.changes)}) if is_open else None

    def bound(self, binder: Binder) -> Self:
        """The same route of an application. Raises UnresolvedError."""
        path, endpoint, options = self._given
        route = type(self)(path, binder.bound(endpoint), **options | {"dependency_overrides_provider": binder})
        route._binder = binder  # noqa: SLF001 (its own)
        return route

    def location(self, id: UUID, of: APIRouter | None = None) -> str:
        """The path of a row of the router's resource, or of another router's."""
        if of is not None:
            return f"{API_PREFIX}/{of.tags[0]}/{id}"
        above, resource, _ = self.path.partition(f"/{self.tags[0]}")
        return f"{above}{resource}/{id}"

    def provided(self, name: str) -> Any:
        """An object of the application's container for HTTP. Raises RuntimeError for an unbound route."""
        return self._binder.provided(name)

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()
        if self.body_field is not None and not isinstance(self.body_field.field_info, Form):
            handle = json_checked(handle, is_required=self.body_field.field_info.is_required())
        return self._within(handle)

    @cached_property
    def direct(self) -> Handle | None:
        """The endpoint without FastAPI, where that means the same."""
        own = (type(self).get_route_handler, type(self).matches, type(self).handle)
        if own != (Route.get_route_handler, APIRoute.matches, APIRoute.handle):
            return None
        handle = direct_way(self)
        return None if handle is None else self._within(handle)

    def _target(self, request: Request) -> UUID | None:
        """The row that a precondition is about, if the path names it."""
        named = request.scope["path_params"].get(self.traits.about)
        try:
            return UUID(str(named)) if named is not None else None
        except ValueError:
            return None  # The endpoint refuses it.

    def _within(self, handle: Handle) -> Handle:
        """The handler, within a unit of work if it may change state."""
        if not self.changes:
            return handle

        async def mutate(request: Request) -> Response:
            wishes = Wishes.of(request) if self.traits.repeatable else Wishes.none_in(request)
            mutations: Mutations = self.provided("mutations")
            return await mutations.run(request, handle, wishes, self.traits, self._target(request))

        return mutate


def resource_router(
    path: str, route_class: type[Route] = Route, *, about: str = "", keys: Collection[str] | None = (READS, WRITES)
) -> APIRouter:
    """The router of a resource: `resource_router("/projects")` serves `/api/v1/projects`, tagged `projects`: the last
    part of the path.

    `about` is a paragraph for the clients that read the OpenAPI document. `keys` is what API keys may do here: those
    with the scope `projects:read` read, those with `projects:write` do all else. None: the whole needs no scope, but
    each part of it, as the operations of a batch.
    """
    return APIRouter(
        prefix=API_PREFIX + path,
        tags=[Tag(path.rpartition("/")[2], about, keys)],
        route_class=route_class,
        generate_unique_id_function=operation_id,
    )
