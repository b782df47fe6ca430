"""The table of routes, a tree of path segments: to find a route takes a step a segment, however many routes there are.

It stands before the application's routes, and finds the route that FastAPI would find by trying them in order.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from fastapi.routing import APIRoute
from starlette import routing
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from shared.http.routes.endpoints import Handle, direct_way
from shared.http.routes.fastapi_seam import methods_of, paths_of
from shared.http.routes.query import QUERY
from shared.http.routes.routing import Route
from shared.observing import OTHER

_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::str)?\}")

_ROUTE = "trellis.route"


@dataclass(frozen=True, eq=False)
class Entry:
    """A route in the table."""

    place: int
    """Its index among the application's routes: of two that match, the first one answers."""
    route: BaseRoute
    names: tuple[str, ...] | None = None
    """The parameters of its path; None when the segments alone do not decide whether it matches."""
    methods: frozenset[str] | None = None
    direct: Handle | None = None
    endpoint: Callable[..., Any] | None = None
    template: str = OTHER
    """Its path, with the names of the parameters."""
    units: int = 1
    """What a request costs its client."""

    def match(self, scope: Scope, values: Sequence[str]) -> tuple[Match, Scope]:
        """Whether the route matches, and what it adds to the scope, as in Starlette."""
        if self.names is None:
            return self.route.matches(scope)
        if self.methods is not None and scope["method"] not in self.methods:
            return Match.PARTIAL, {}
        parameters = dict(zip(self.names, values, strict=True))
        if "path_params" in scope:  # From the application around this one.
            parameters = {**scope["path_params"], **parameters}
        return Match.FULL, {"endpoint": self.endpoint, "path_params": parameters, "route": self.route}


@dataclass(eq=False)
class _Node:
    """The routes that begin with some segments."""

    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    entries: list[Entry] = field(default_factory=list)
    """Routes whose paths end here."""
    below: list[Entry] = field(default_factory=list)
    """Routes that may match longer paths: mounts, routers, other kinds of parameters."""

    def next(self, segment: str) -> tuple["_Node", bool] | None:
        """The node for a segment of a route's path, made if needed, and whether the segment is a parameter; None for
        any other kind of segment.
        """
        if _PARAMETER.fullmatch(segment):
            self.parameter = self.parameter or _Node()
            return self.parameter, True
        return None if "{" in segment else (self.literals.setdefault(segment, _Node()), False)


Candidate = tuple[Entry, Sequence[str]]
"""An entry that may match, with the values of its parameters."""


class Found(NamedTuple):
    """The route that answers, or else the methods that the path has."""

    entry: Entry | None
    scope: Scope
    allowed: frozenset[str] = frozenset()

    def refusal(self) -> HTTPException:
        """The error when no route answers: 405 with the path's methods (RFC 9110 §10.2.1), or 404."""
        if not self.allowed:
            return HTTPException(404)
        methods = self.allowed | {"HEAD"} if "GET" in self.allowed else self.allowed
        return HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})


class RouteTable(BaseRoute):
    """The routes of an application, also those that are added later."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self._routes = routes
        self._known: tuple[int, BaseRoute | None] = (0, None)
        self._root = _Node()

    def find(self, scope: Scope) -> Found:
        """The route that FastAPI would find for the request."""
        if self._known != (len(self._routes), self._routes[-1]):
            self._build()
        path = route_path(scope)
        allowed: set[str] = set()
        for entry, values in _told_apart(self._matching(path), scope):
            match, found = entry.match(scope, values)
            if match is Match.FULL:
                return Found(entry, found)
            if match is Match.PARTIAL:
                allowed |= entry.methods or methods_of(entry.route, scope)
        return Found(None, {}, frozenset(allowed))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Matches in place of all routes after it. When it finds none, they give the refusal."""
        found = self.find(scope) if scope["type"] == "http" else None
        if found is None or found.entry is None:
            return Match.NONE, {}
        return Match.FULL, {**found.scope, _ROUTE: found.entry.route}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: BaseRoute = scope.pop(_ROUTE)
        await route.handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)

    def _matching(self, path: str) -> Sequence[Candidate]:
        """The entries that may match, in the order of the routes, with the values of their parameters."""
        if path.endswith("\n") or not path.startswith("/"):  # Left to Starlette's regular expressions.
            return [(entry, ()) for entry in self._all()]
        groups: list[tuple[list[Entry], tuple[str, ...]]] = []
        reached: list[tuple[_Node, tuple[str, ...]]] = [(self._root, ())]
        for segment in path.split("/")[1:]:
            following = []
            for node, values in reached:
                if node.below:
                    groups.append((node.below, ()))
                if (literal := node.literals.get(segment)) is not None:
                    following.append((literal, values))
                if node.parameter is not None and segment:
                    following.append((node.parameter, (*values, segment)))
            reached = following
        for node, values in reached:
            groups += [(node.below, ()), (node.entries, values)] if node.below else [(node.entries, values)]
        found = [(entry, values) for entries, values in groups for entry in entries]
        return found if len(groups) == 1 else sorted(found, key=lambda one: one[0].place)

    def _all(self) -> Iterator[Entry]:
        for place, route in enumerate(self._routes):
            if route is not self:
                units = route.traits.units if isinstance(route, Route) else 1
                yield Entry(place, route, methods=_methods(route), template=getattr(route, "path", OTHER), units=units)

    def _build(self) -> None:
        self._known, self._root = (len(self._routes), self._routes[-1]), _Node()
        for entry in self._all():
            if not _is_plain(entry.route):
                for path in paths_of(entry.route):
                    node, _, _ = self._lead(path if _is_known(entry.route) else "")
                    node.below.append(entry)
                continue
            node, names, is_whole = self._lead(entry.route.path)  # type: ignore[attr-defined]
            own = replace(entry, direct=_direct(entry.route), endpoint=getattr(entry.route, "endpoint", None))
            if is_whole:
                node.entries.append(replace(own, names=names))
            else:
                node.below.append(own)

    def _lead(self, path: str) -> tuple[_Node, tuple[str, ...], bool]:
        """The node for the segments of a route's path, their parameters, and whether the whole path was followed."""
        node, names = self._root, list[str]()
        for segment in path.split("/")[1:]:
            step = node.next(segment)
            if step is None:
                return node, tuple(names), False
            node, is_parameter = step
            if is_parameter:
                names.append(segment.strip("{}").partition(":")[0])
        return node, tuple(names), path.startswith("/")


def _told_apart(matching: Sequence[Candidate], scope: Scope) -> Sequence[Candidate]:
    """Without paths that have parameters where another one has none, and not this method: that is a resource of its
    own. `PATCH /projects/import` changes no project.
    """
    own = [one for one in matching if not one[0].names]
    if len(own) == len(matching) or all(entry.names is None for entry, _ in own):
        return matching
    return matching if any(entry.match(scope, values)[0] is Match.FULL for entry, values in own) else own


def route_path(scope: Scope) -> str:
    """The path below the root path, as in Starlette."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    is_below = root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}
    return path[len(root) :] if is_below else path


def _is_plain(route: BaseRoute) -> bool:
    """Whether its path and methods alone decide what it matches."""
    return isinstance(route, routing.Route) and type(route).matches in {APIRoute.matches, routing.Route.matches}


def _is_known(route: BaseRoute) -> bool:
    """Whether it only matches paths that begin like its own."""
    return type(route).matches.__module__ in {routing.__name__, APIRoute.__module__}


def _methods(route: BaseRoute) -> frozenset[str] | None:
    methods = getattr(route, "methods", None) or ()
    return frozenset((*methods, *((QUERY,) if isinstance(route, Route) and route.takes_query else ()))) or None


def _direct(route: BaseRoute) -> Handle | None:
    if isinstance(route, Route):
        return route.direct
    if isinstance(route, APIRoute) and type(route) is APIRoute and route.body_field is None:
        return direct_way(route)
    return None
