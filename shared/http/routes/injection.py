"""Injection into endpoints and FastAPI dependencies, by parameters `Annotated[Service, Provide[Container.service]]`.

Binding rewrites signatures: a bound function has no marked parameter, and depends on bound functions only. So FastAPI
sees nothing of injection, and no request pays for a resolver. A function is bound to one application at a time. This
file is also the seam to dependency-injector, whose markers have an undocumented `provider` and `modifier`:
tests/seams/test_injector.py.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

from dependency_injector.containers import Container
from dependency_injector.wiring import Closing, Provide, Provider
from fastapi import FastAPI
from fastapi.params import Depends

_MARKERS: Any = (Provide, Provider, Closing)
_PROVIDE: Any = Provide
"""Classes, though their types say otherwise."""

F = TypeVar("F", bound=Callable[..., Any])
Supply = Callable[[], Any]
"""A provider. It is called for each request, so that overrides take effect at once."""


class UnresolvedError(Exception):
    """No provider for a parameter; the message says which one and what to do."""


class Binder:
    """Binds functions to containers of one application: a module's and the kernel's."""

    def __init__(self, own: Container, kernel: Container, http: Container, app: FastAPI) -> None:
        self._own = own
        self._kernel = kernel
        self._http = http
        self._app = app
        self._bound: dict[Callable[..., Any], Callable[..., Any]] = {}

    @property
    def dependency_overrides(self) -> Mapping[Callable[..., Any], Callable[..., Any]]:
        """The application's, which name functions as they are in the source."""
        return {self.bound(one): self.bound(other) for one, other in self._app.dependency_overrides.items()}

    def provided(self, name: str) -> Any:
        """An object of the container for HTTP, by name."""
        return self._http.providers[name]()

    def bound(self, function: F) -> F:
        """The function without its marked parameters; the same one for the same function. Raises UnresolvedError."""
        if function not in self._bound:
            self._bound[function] = rewritten(function, self._provider, self.bound)
        return self._bound[function]  # type: ignore[return-value]

    def _provider(self, marker: Any) -> Supply:
        wanted = marker.provider
        own, kernel = _name(self._own), _name(self._kernel)
        if not isinstance(marker, _PROVIDE) or marker.modifier is not None:
            raise UnresolvedError("in a way that is not known: only Provide[…] of a provider is")
        if isinstance(wanted, str):
            if wanted not in self._own.providers:
                raise UnresolvedError(f"for '{wanted}', and {own} has no provider of that name")
            return self._own.providers[wanted]
        for container in (self._own, self._kernel):
            for name, provider in _class_of(container).providers.items():
                if provider is wanted:
                    return container.providers[name]
        raise UnresolvedError(f"for a provider that neither {own} nor {kernel} has itself: name one that is there")


class Unbound:
    """Hides marked parameters from FastAPI until the route is bound. The functions cannot be called."""

    def provided(self, name: str) -> Any:
        """Raises RuntimeError."""
        raise RuntimeError(f"This route is not bound to an application, so there is no '{name}'.")

    def bound(self, function: F) -> F:
        """The function without its marked parameters, for inspection only."""
        return rewritten(function, lambda _: _fail, self.bound)


def rewritten(function: F, provider_of: Callable[[Any], Supply], bound: Callable[[F], F]) -> F:
    """The function with its markers resolved and its dependencies bound; itself when it has neither."""
    given: dict[str, Supply] = {}
    parameters = []
    # Annotations may be strings, as for FastAPI.
    signature = inspect.signature(function, eval_str=True)
    for name, parameter in signature.parameters.items():
        if (marker := _marker(parameter)) is None:
            parameters.append(_with_bound_dependency(parameter, bound))
            continue
        try:
            given[name] = provider_of(marker)
        except UnresolvedError as error:
            raise UnresolvedError(f"{inspect.unwrap(function).__qualname__} asks in '{name}' {error}.") from None
    if parameters == list(signature.parameters.values()):
        return function

    # FastAPI unwraps it to tell whether to await it.
    @functools.wraps(function)
    def filled(*args: Any, **values: Any) -> Any:
        for name, provider in given.items():
            values[name] = provider()
        return function(*args, **values)

    filled.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return filled  # type: ignore[return-value]


def takes(function: Callable[..., Any], kind: type) -> bool:
    """Whether the function or one of its dependencies gets a parameter of this type from a dependency."""
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        given, marks = _parts(parameter)
        for mark in (*marks, parameter.default):
            if isinstance(mark, Depends) and (given is kind or takes(mark.dependency or given, kind)):
                return True
    return False


def _parts(parameter: inspect.Parameter) -> tuple[Any, Sequence[Any]]:
    """The type of a parameter, and its marks."""
    annotation = parameter.annotation
    kind, *marks = get_args(annotation) if get_origin(annotation) is Annotated else [annotation]
    return kind, marks


def _with_bound_dependency(parameter: inspect.Parameter, bound: Callable[[F], F]) -> inspect.Parameter:
    annotation = parameter.annotation
    kind, marks = _parts(parameter)
    rebound = [_with_bound(mark, kind, bound) for mark in marks]
    if any(one is not other for one, other in zip(marks, rebound, strict=True)):
        annotation = Annotated[(kind, *rebound)]
    default = _with_bound(parameter.default, kind, bound)
    if annotation is parameter.annotation and default is parameter.default:
        return parameter
    return parameter.replace(annotation=annotation, default=default)


def _with_bound(mark: Any, kind: Any, bound: Callable[[F], F]) -> Any:
    """The mark, bound if it is a dependency. `Depends()` calls the parameter's type."""
    if not isinstance(mark, Depends):
        return mark
    function: Any = kind if mark.dependency is None else mark.dependency
    dependency = bound(function)
    return mark if dependency is function else dataclasses.replace(mark, dependency=dependency)


def _marker(parameter: inspect.Parameter) -> Any:
    """The mark of a parameter to inject; `Depends(Provide[…])` is one, too."""
    marks = (*_parts(parameter)[1], parameter.default)
    for mark in (mark.dependency if isinstance(mark, Depends) else mark for mark in marks):
        if isinstance(mark, _MARKERS):
            return mark
    return None


def _class_of(container: Container) -> Any:
    return getattr(container, "declarative_parent", None) or container


def _name(container: Container) -> str:
    return getattr(_class_of(container), "__name__", "the container")


def _fail() -> Any:
    raise RuntimeError("This endpoint is not bound to an application.")
