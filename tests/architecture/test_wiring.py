"""The wiring: that endpoints get what they ask for, of their own application, and that the start stops where not."""

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from dependency_injector import providers, wiring
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

import modules
from app.asgi import create_app
from app.container import compose
from shared.http.routes.routing import Route
from shared.manifest import ManifestError, Module, discover
from tests.callers import anonymous
from tests.database import clone
from tests.patience import PATIENCE

FOUND = discover()

CONTAINER = """
    from dependency_injector import containers, providers

    class PlantedContainer(containers.DeclarativeContainer):
        kernel = providers.DependenciesContainer()
        service = providers.Object("the service")
"""
ROUTER = """
    {first}
    from typing import Annotated
    from dependency_injector.wiring import Provide, Provider, as_int
    from fastapi import APIRouter, Depends
    from modules.{name}.container import PlantedContainer
    from modules.users.container import UsersContainer
    from shared.http.routes import Caller, operation, resource_router

    async def nested(service: Annotated[object, {marker}]) -> object:
        return service

    router = {router}

    @router.get({path!r})
    {decorator}
    async def show(
        service: Annotated[object, {marker}], same: Annotated[object, Depends(nested)] {parameters}
    ) -> list[str]:
        return [str(service), str(same)]
"""
MANIFEST = """
    from modules.{name}.container import PlantedContainer
    from modules.{name}.router import router
    from shared.manifest import Module

    module = Module(name="{name}", container=PlantedContainer, router=router)
"""
OF_SERVICE = "Provide[PlantedContainer.service]"

Plant = Callable[..., Module]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Makes a module whose endpoint wants a provider: `plant("Provide[PlantedContainer.service]")`."""
    monkeypatch.setattr(modules, "__path__", [*modules.__path__, str(tmp_path)])
    name = "planted"
    folder = tmp_path / name

    def make(
        marker: str = OF_SERVICE,
        *,
        path: str = "",
        decorator: str = "@operation(public=True)",
        router: str = "resource_router('/planted')",
        parameters: str = "",
        first: str = "",
    ) -> Module:
        values = {"name": name, "marker": marker, "path": path, "decorator": decorator, "router": router}
        values |= {"parameters": parameters, "first": first}
        folder.mkdir()
        for file, content in {"__init__": "", "container": CONTAINER, "router": ROUTER, "module": MANIFEST}.items():
            (folder / f"{file}.py").write_text(dedent(content.format(**values)))
        module: Module = importlib.import_module(f"modules.{name}.module").module
        return module

    yield make
    for loaded in [loaded for loaded in sys.modules if loaded.startswith(f"modules.{name}")]:
        del sys.modules[loaded]


@pytest.fixture
def refusal(settings) -> Callable[..., str]:
    """The sentence that the start stops with."""

    def refused(*of: Module) -> str:
        with pytest.raises(ManifestError) as raised:
            create_app(compose(settings, of))
        return str(raised.value)

    return refused


def dependants(app: FastAPI) -> Iterator[Dependant]:
    """Of every endpoint, and of what they depend on."""
    routes = [found.original_route for found in iter_route_contexts(app.routes)]
    waiting = [route.dependant for route in routes if isinstance(route, APIRoute)]
    while waiting:
        dependant = waiting.pop()
        yield dependant
        waiting += dependant.dependencies


def marked(function: Callable[..., object]) -> set[str]:
    """The parameters that are marked, of what dependency-injector takes for a marker."""
    parameters = inspect.signature(function).parameters
    return {name for name, parameter in parameters.items() if wiring._extract_marker(parameter)}


class TestAnApplication:
    async def test_leaves_no_marker_for_fastapi(self, app):
        """Every parameter of every endpoint, and of what they depend on."""
        assert [found for found in dependants(app) if found.call and marked(found.call)] == []

    async def test_has_markers_to_resolve(self, app):
        """The check above does look at something: every module has endpoints that are injected."""
        injected = {
            found.call.__module__
            for found in dependants(app)
            if inspect.isfunction(found.call) and marked(inspect.unwrap(found.call))
        }
        assert injected >= {f"modules.{module.name}.router" for module in FOUND}

    @pytest.mark.parametrize("marker", [OF_SERVICE, "Provide['service']", f"Depends({OF_SERVICE})"])
    @pytest.mark.parametrize("first", ["", "from __future__ import annotations"])
    async def test_gives_the_endpoint_what_it_asked_for(self, plant, settings, marker, first):
        """Also where annotations are strings."""
        app = create_app(compose(settings, [plant(marker, first=first)]))
        async with anonymous(app) as client:
            assert (await client.get("/planted")).json() == ["the service", "the service"]

    async def test_calls_the_provider_for_each_request(self, plant, settings):
        application = compose(settings, [plant()])
        app = create_app(application)
        async with anonymous(app) as client:
            with application.containers["planted"].service.override(providers.Object("another")):
                assert (await client.get("/planted")).json() == ["another", "another"]
            assert (await client.get("/planted")).json() == ["the service", "the service"]

    async def test_lets_fastapi_override_dependencies_by_their_names_in_the_source(self, plant, settings):
        module = plant()
        app = create_app(compose(settings, [module]))
        nested = sys.modules["modules.planted.router"].nested
        async with anonymous(app) as client:
            app.dependency_overrides[nested] = lambda: "overridden"
            assert (await client.get("/planted")).json() == ["the service", "overridden"]
            app.dependency_overrides.clear()
            assert (await client.get("/planted")).json() == ["the service", "the service"]

    async def test_does_not_change_the_router(self, plant, settings):
        """It is another application's as well; alone it serves nothing."""
        module = plant()
        (route,) = module.router.routes
        create_app(compose(settings, [module]))
        assert module.router.routes == [route]
        assert isinstance(route, Route)
        with pytest.raises(RuntimeError, match="not bound to an application"):
            route.provided("mutations")
        with pytest.raises(RuntimeError, match="not bound to an application"):
            route.endpoint()

    async def test_may_be_one_of_two_in_a_process(self, settings, monkeypatch):
        """On two databases, with two limits, asked in turns and at once."""
        monkeypatch.setattr("modules.users.failures.LONGEST_WAIT", PATIENCE)
        account = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
        with clone("one") as one, clone("other") as other:
            changes = ({"database_url": one}, {"database_url": other, "max_body_bytes": 50})
            applications = [compose(settings.model_copy(update=change), FOUND) for change in changes]
            apps = [create_app(application) for application in applications]
            try:
                async with anonymous(apps[0]) as first, anonymous(apps[1]) as second:
                    assert (await first.post("/users", json=account)).status_code == 201
                    assert (await second.post("/users", json=account)).status_code == 413
                    signing_in = {"email": account["email"], "password": account["password"]}
                    asked = [client.post("/auth/sessions", json=signing_in) for client in (first, second) * 3]
                    answers = await asyncio.gather(*asked)
                    assert [answer.status_code for answer in answers] == [201, 413] * 3
                    headers = {"Authorization": f"Bearer {answers[0].json()['access_token']}"}
                    asked = [client.get("/users/me", headers=headers) for client in (first, second) * 3]
                    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200, 401] * 3
                    with applications[1].containers["users"].repository.override(providers.Object(None)):
                        assert (await first.get("/users/me", headers=headers)).json()["full_name"] == "Ann"
            finally:
                for application in applications:
                    await application.kernel.database().close()


class TestRefusals:
    """Each is one sentence, that names the module, the endpoint and what to do."""

    def test_of_a_name_that_is_not_there(self, plant, refusal):
        assert refusal(plant("Provide['sundial']")) == (
            "Module 'planted': show asks in 'service' for 'sundial', and PlantedContainer has no provider of that name."
        )

    @pytest.mark.parametrize("marker", ["Provide[UsersContainer.service]", "Provide[PlantedContainer.kernel.database]"])
    def test_of_a_provider_of_another_container(self, plant, refusal, marker):
        assert refusal(plant(marker)) == (
            "Module 'planted': show asks in 'service' for a provider that neither PlantedContainer nor KernelContainer "
            "has itself: name one that is there."
        )

    @pytest.mark.parametrize("marker", ["Provider[PlantedContainer.service]", "Provide['service', as_int()]"])
    def test_of_another_way_to_ask(self, plant, refusal, marker):
        assert "asks in 'service' in a way that is not known: only Provide[…] of a provider is." in refusal(
            plant(marker)
        )

    def test_of_an_endpoint_that_asks_nobody_who_calls(self, plant, refusal):
        assert refusal(plant(decorator="")) == (
            "Module 'planted': modules.planted.router.show does not ask who calls: give it a Caller, CurrentPrincipal "
            "or Administrator, or declare it with @operation(public=True)."
        )

    def test_but_not_of_one_that_does(self, plant, settings):
        assert create_app(compose(settings, [*FOUND, plant(decorator="", parameters=", caller: Caller")]))

    def test_of_what_is_no_parameter(self, plant, refusal):
        decorator = "@operation(public=True, about='id')"
        assert refusal(plant(decorator=decorator)) == (
            "Module 'planted': modules.planted.router.show is about 'id', which is no parameter of /api/v1/planted: "
            "name one that is."
        )

    def test_of_a_router_of_another_kind(self, plant, refusal):
        assert refusal(plant(router="APIRouter(prefix='/planted')")).startswith(
            "Module 'planted': its router has /planted, which is no Route of the kernel's: make the router with"
        )

    @pytest.mark.parametrize(
        ("router", "path", "told"),
        [
            (
                "resource_router('/users')",
                "/{other}",
                "GET /api/v1/users/{other} is answered by modules.users.router.get",
            ),
            ("resource_router('/changes')", "", "GET /api/v1/changes is answered by modules.planted.router.show"),
        ],
    )
    def test_of_two_routes_of_one_path_and_method(self, plant, refusal, router, path, told):
        """Across modules and the kernel's own; what a parameter is called makes no other path."""
        sentence = refusal(*FOUND, plant(router=router, path=path, parameters=", other: str" if path else ""))
        assert sentence.startswith(told)
        assert sentence.endswith(": give one of them another path.")
