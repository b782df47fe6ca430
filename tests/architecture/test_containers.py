"""The containers: that everything in them builds, can be overridden, and tells what it lacks."""

import dataclasses
from uuid import uuid4

import pytest
from dependency_injector import containers, errors, providers

from app.container import compose
from shared.container import KernelContainer
from shared.http.container import HttpContainer
from shared.manifest import discover
from shared.reads.reader import Representation

FOUND = discover()
CONTAINERS: dict[str, type[containers.DeclarativeContainer]] = {
    "kernel": KernelContainer,
    "http": HttpContainer,
    **{module.name: module.container for module in FOUND},
}
GIVEN = (providers.Dependency, providers.DependenciesContainer)
"""What a container is given and does not make."""


class TestProviders:
    @pytest.mark.parametrize(
        ("owner", "name"),
        [
            pytest.param(owner, name, id=f"{owner}.{name}")
            for owner, container in CONTAINERS.items()
            for name, provider in container.providers.items()
            if not isinstance(provider, GIVEN)
        ],
    )
    async def test_build(self, application, owner, name):
        """Each has the arguments that what it makes takes."""
        container = getattr(application, owner, None) or application.containers[owner]
        assert container.providers[name]() is not None

    @pytest.mark.parametrize("owner", ["kernel", "http"])
    async def test_that_are_not_overridden_are_singletons_in_the_kernel(self, application, owner):
        """They hold connections, threads, keys and counts: a second one would be a leak."""
        for name, provider in getattr(application, owner).providers.items():
            if not isinstance(provider, providers.DependenciesContainer):
                assert provider() is provider(), name

    @pytest.mark.needs("tags")
    async def test_can_each_be_overridden_and_the_endpoint_sees_it(self, signed_in, application):
        """What a test puts in a provider's place is what the endpoint gets, until the test takes it away."""
        ann = await signed_in()

        class Stub:
            async def get(self, *_: object) -> Representation:
                return Representation(uuid4(), b'{"from":"the stub"}', version=1)

        with application.containers["tags"].repository.override(providers.Object(Stub())):
            assert (await ann.get(f"/tags/{uuid4()}")).json() == {"from": "the stub"}
        assert (await ann.get(f"/tags/{uuid4()}")).status_code == 404

    async def test_of_the_kernel_can_be_overridden_for_every_module(self, application):
        """An override of the kernel's reaches what the modules build on it."""
        passwords = object()
        with application.kernel.passwords.override(providers.Object(passwords)):
            assert application.containers["users"].service()._passwords is passwords

    @pytest.mark.needs("projects")
    async def test_of_a_module_can_be_overridden_for_those_that_require_it(self, application):
        """An override of a module's api reaches the others' services."""
        users = application.containers["users"].api()
        users.planted = True
        with application.containers["users"].api.override(providers.Object(users)):
            assert application.containers["projects"].service()._users is users


class TestDependencies:
    @pytest.mark.needs("projects")
    def test_of_a_container_that_lacks_one_are_named(self, settings):
        """A manifest that forgot a requirement its container has."""
        by_name = {module.name: module for module in FOUND}
        projects = dataclasses.replace(by_name["projects"], requires=("users",))
        with pytest.raises(errors.Error, match=r'"ProjectsContainer" has undefined dependencies: ".*\.tags"'):
            compose(settings, [by_name["users"], by_name["tags"], projects])

    def test_on_what_the_kernel_does_not_have_are_named(self, settings):
        """A module that asks the kernel for something it does not offer."""

        class Planted(containers.DeclarativeContainer):
            kernel = providers.DependenciesContainer()
            service: providers.Factory[object] = providers.Factory(object, kernel.sundial)

        planted = dataclasses.replace(FOUND[0], name="planted", container=Planted, handles={}, settings=None)
        with pytest.raises(errors.Error, match=r'undefined dependencies: "Planted\.kernel\.sundial"'):
            compose(settings, [planted])

    def test_of_every_container_are_met_by_its_manifest(self, application):
        """What a container asks of other modules is what its manifest requires, and the kernel and settings."""
        for module in application.modules:
            asked = {name for name, made in module.container.providers.items() if isinstance(made, GIVEN)}
            given = {"kernel"} | ({"settings"} if module.settings else set())
            assert asked - given <= set(module.requires), module.name
