"""The wiring: that nothing reaches an endpoint unresolved, and that the start stops where it would."""

import ast
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from uuid import uuid4

import pytest
from dependency_injector import wiring
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

import modules
from app.container import Application, compose
from shared.manifest import Module, discover
from tests.architecture.trees import ROOT
from tests.callers import anonymous

FOUND = discover()

CONTAINER = """
    from dependency_injector import containers, providers

    class PlantedContainer(containers.DeclarativeContainer):
        kernel = providers.DependenciesContainer()
        service = providers.Object("the service")
"""
ROUTER = """
    from typing import Annotated
    from dependency_injector.wiring import Provide, inject
    from fastapi import APIRouter, Depends
    from modules.{name}.container import PlantedContainer
    from modules.users.container import UsersContainer

    router = APIRouter(prefix="/planted", tags=["planted"])

    @router.get("")
    {decorator}
    async def show(service: Annotated[object, Depends(Provide[{provider}])]) -> str:
        return str(service)
"""
MANIFEST = """
    from modules.{name}.container import PlantedContainer
    from modules.{name}.router import router
    from shared.manifest import Module

    module = Module(name="{name}", container=PlantedContainer, router=router)
"""

Plant = Callable[..., Module]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, application: Application) -> Iterator[Plant]:
    """Makes a module whose endpoint wants a provider: `plant("PlantedContainer.service")`."""
    monkeypatch.setattr(modules, "__path__", [*modules.__path__, str(tmp_path)])
    name = f"planted_{uuid4().hex}"  # dependency-injector remembers by name what it ever wired.

    def make(provider: str, decorator: str = "@inject") -> Module:
        folder = tmp_path / name
        folder.mkdir()
        for file, content in {"__init__": "", "container": CONTAINER, "router": ROUTER, "module": MANIFEST}.items():
            source = content.format(name=name, provider=provider, decorator=decorator)
            (folder / f"{file}.py").write_text(dedent(source))
        module: Module = importlib.import_module(f"modules.{name}.module").module
        return module

    yield make
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(f"modules.{name}")]:
        del sys.modules[loaded]
    application.wire()  # Wiring is global: give the kernel's dependencies back.


def serving(application: Application) -> FastAPI:
    """The wired application, with nothing but its modules' routers."""
    application.wire()
    app = FastAPI()
    for module in application.modules:
        app.include_router(module.router, prefix="/api/v1")
    return app


def unresolved(app: FastAPI) -> set[str]:
    """The parameters that would get a raw marker: `endpoint(parameter)`."""
    routes = [found.original_route for found in iter_route_contexts(app.routes)]
    waiting = [route.dependant for route in routes if isinstance(route, APIRoute)]
    found = set()
    while waiting:
        dependant = waiting.pop()
        found |= {f"{_name(dependant)}({name})" for name in _markers(dependant) - _injected(dependant)}
        waiting += dependant.dependencies
    return found


def _name(dependant: Dependant) -> str:
    return f"{dependant.call.__module__}.{dependant.call.__name__}" if dependant.call else ""


def _markers(dependant: Dependant) -> set[str]:
    """The parameters that are marked, whether FastAPI sees them or not."""
    if dependant.call is None or wiring._is_marker(dependant.call):
        return set()
    parameters = inspect.signature(inspect.unwrap(dependant.call)).parameters
    return {name for name, parameter in parameters.items() if wiring._extract_marker(parameter)}


def _injected(dependant: Dependant) -> set[str]:
    """The parameters for which wiring found a provider."""
    # There is no public way to ask.
    patched = dependant.call and wiring._patched_registry.get_callable(dependant.call)
    return set(patched.injections) if patched else set()


class TestWiring:
    async def test_leaves_no_marker_unresolved(self, app):
        """Every parameter of every endpoint, and of what they depend on."""
        assert unresolved(app) == set()

    async def test_looks_at_parameters(self, app):
        """The check above does look at something: every module has endpoints that are injected."""
        found = [context.original_route for context in iter_route_contexts(app.routes)]
        injected = {
            route.endpoint.__module__ for route in found if isinstance(route, APIRoute) if _markers(route.dependant)
        }
        assert injected == {f"modules.{module.name}.router" for module in FOUND}

    async def test_of_a_good_module_gives_the_endpoint_what_it_asked_for(self, plant, settings):
        """The planted module works, so what the following ones find is their own flaw."""
        app = serving(compose(settings, [plant("PlantedContainer.service")]))
        assert unresolved(app) == set()
        async with anonymous(app) as client:
            assert (await client.get("/planted")).json() == "the service"

    def test_finds_an_endpoint_that_is_not_injected(self, plant, settings):
        """Without @inject the marker itself arrives, and nothing warns of it but this check."""
        app = serving(compose(settings, [plant("PlantedContainer.service", decorator="")]))
        assert {found.split(".")[-1] for found in unresolved(app)} == {"show(service)"}

    @pytest.mark.parametrize("provider", ["UsersContainer.service", "'sundial'"])
    def test_stops_the_start_at_a_marker_that_resolves_to_nothing(self, plant, settings, provider):
        """Another module's provider, and one that is not there."""
        application = compose(settings, [plant(provider)])
        with pytest.raises(wiring.UnresolvedMarkerWarning):
            application.wire()

    def test_stops_the_start_also_where_warnings_are_no_errors(self, plant, settings):
        """In production."""
        application = compose(settings, [plant("UsersContainer.service")])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(Exception, match=r"(?i)service|marker"):
                application.wire()

    def test_is_not_defeated_by_postponed_annotations(self):
        """With `from __future__ import annotations`, Provide in an annotation silently does not inject."""
        files = [*ROOT.glob("modules/*/router.py"), *ROOT.glob("shared/http/**/*.py")]
        assert len(files) > len(FOUND)
        assert [file for file in files if postpones_annotations(file.read_text())] == []

    def test_would_find_postponed_annotations(self):
        """The check can fail."""
        assert postpones_annotations('"""A docstring."""\nfrom __future__ import annotations\n')
        assert not postpones_annotations("from fastapi import APIRouter  # from __future__ import annotations")


def postpones_annotations(source: str) -> bool:
    """Whether a file's annotations are strings."""
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.ImportFrom)]
    return any(node.module == "__future__" and any(a.name == "annotations" for a in node.names) for node in imports)
