"""What shared/http/routes/injection.py relies on and dependency-injector does not promise.

- a marker has the `provider` that it was made with, or its name, and the `modifier`;
- `Provide`, `Provider` and `Closing` are classes, of which a marker is an instance;
- a container's class has the very providers that its attributes are, and an instance those of the same names.
"""

from dependency_injector import containers, providers
from dependency_injector.wiring import Closing, Provide, Provider, as_int


class Container(containers.DeclarativeContainer):
    kernel = providers.DependenciesContainer()
    service = providers.Object("the service")


class TestAMarker:
    def test_has_what_it_was_made_with(self):
        assert Provide[Container.service].provider is Container.service
        assert Provide[Container.service].modifier is None
        assert Provide["service"].provider == "service"
        assert Provide["service", as_int()].modifier is not None

    def test_is_of_its_class(self):
        for kind in (Provide, Provider, Closing):
            assert isinstance(kind, type)
            assert isinstance(kind[Container.service], kind)


class TestAContainer:
    def test_has_the_providers_of_its_class_by_their_names(self):
        container = Container()
        assert container.declarative_parent is Container
        assert Container.providers["service"] is Container.service
        assert container.providers["service"] is container.service
        assert container.service is not Container.service
        assert Container.kernel.sundial not in Container.providers.values()
