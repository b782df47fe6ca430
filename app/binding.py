"""Binds modules' routes to an application's containers. A route that does not fit stops the start with a sentence."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from app.container import Application
from shared.http.routes import Binder, Route, UnresolvedError, operations_in
from shared.manifest import ManifestError, Module


def bound_routes(application: Application, module: Module, app: FastAPI) -> Iterator[Route]:
    """The routes of a module for an application. Raises ManifestError."""
    binder = Binder(application.containers[module.name], application.kernel, application.http, app)
    for route in module.router.routes:
        path = getattr(route, "path", "another router")
        if not isinstance(route, Route):
            raise ManifestError(
                f"Module '{module.name}': its router has {path}, which is no Route of the kernel's: make the router "
                "with resource_router, and one of several with APIRouter(routes=[*one.routes, *other.routes])."
            )
        endpoint = _named(route.endpoint)
        if not (route.wants_principal or route.traits.public):
            raise ManifestError(
                f"Module '{module.name}': {endpoint} does not ask who calls: give it a Caller, CurrentPrincipal or "
                "Administrator, or declare it with @operation(public=True)."
            )
        if route.traits.about is not None and route.traits.about not in route.param_convertors:
            raise ManifestError(
                f"Module '{module.name}': {endpoint} is about '{route.traits.about}', which is no parameter of {path}: "
                "name one that is."
            )
        try:
            yield route.bound(binder)
        except UnresolvedError as error:
            raise ManifestError(f"Module '{module.name}': {error}") from None


def refuse_twins(routes: Iterable[BaseRoute]) -> None:
    """Raises ManifestError when two routes have the same method and path, whatever the parameters' names."""
    known: dict[tuple[str, str], str] = {}
    for method, path, endpoint in operations_in(routes):
        key, name = (method, re.sub(r"\{[^:}]*", "{", path)), _named(endpoint)
        if (other := known.get(key)) is not None:
            raise ManifestError(f"{method} {path} is answered by {other} and by {name}: give one of them another path.")
        known[key] = name


def _named(endpoint: Callable[..., Any]) -> str:
    return f"{endpoint.__module__}.{endpoint.__qualname__}"
