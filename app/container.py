"""The composition root: the discovered modules, each in its container, put together on the kernel."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dependency_injector import providers
from dependency_injector.containers import Container
from dependency_injector.wiring import UnresolvedMarkerWarning

from shared.container import KernelContainer
from shared.events import Event, Events, Handler
from shared.extensions import Extensions
from shared.manifest import Module
from shared.settings import Settings


@dataclass(frozen=True)
class Application:
    """The kernel and the modules' containers, by name, in start order."""

    kernel: KernelContainer
    modules: Sequence[Module]
    containers: dict[str, Container]

    def build(self) -> None:
        """Make every singleton now: documents that do not compile stop the start, and no first request waits."""
        for container in (self.kernel, *self.containers.values()):
            for provider in container.providers.values():
                if isinstance(provider, providers.Singleton):
                    provider()

    def wire(self) -> None:
        """Connect each module's router to its own container, and the kernel's dependencies to the kernel's."""
        with warnings.catch_warnings():
            # A marker that resolves to nothing would reach the endpoint as an object, which would answer 200.
            warnings.simplefilter("error", UnresolvedMarkerWarning)
            self.kernel.wire(modules=["shared.http.routes.authentication"], warn_unresolved=True)
            for module in self.modules:
                self.containers[module.name].wire(modules=[f"modules.{module.name}.router"], warn_unresolved=True)


def compose(settings: Settings, modules: Sequence[Module]) -> Application:
    """Build every container. Raises dependency-injector's Error, naming it, when one lacks what it needs."""
    handlers: dict[type[Event], list[Callable[[], Handler]]] = {
        event: [] for module in modules for event in module.publishes
    }
    kernel = KernelContainer(
        settings=providers.Object(settings),
        extensions=providers.Object(Extensions(pair for module in modules for pair in module.extends.items())),
        events=providers.Object(Events(handlers)),
        repositories=providers.Object(tuple(resource for module in modules for resource in module.resources)),
    )
    composed: dict[str, Container] = {}
    for module in modules:
        wanted = {name: composed[name].api for name in module.requires if name in module.container.providers}
        container = composed[module.name] = module.container(kernel=kernel, **wanted)
        container.check_dependencies()
        for event, method in module.handles.items():
            handlers[event].append(_bound(container, method.__name__))
    return Application(kernel, modules, composed)


def _bound(container: Container, method: str) -> Callable[[], Handler]:
    return lambda: getattr(container.service(), method)
