"""The composition root: the discovered modules, each in its container, put together on the kernel."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import Container

from app.fields import demand_field_names
from shared.container import KernelContainer
from shared.events import Event, Events, Handler
from shared.extensions import Extensions
from shared.http.container import HttpContainer
from shared.http.reads import JOURNAL_SCOPE
from shared.jobs import Key, Payloads, Run, delivery, leaving
from shared.manifest import ManifestError, Module
from shared.reads import faults
from shared.settings import Settings, settings_of
from shared.writes import Change


@dataclass(frozen=True)
class Application:
    """The kernel's containers and the modules', by name, in start order."""

    kernel: KernelContainer
    http: HttpContainer
    modules: Sequence[Module]
    containers: dict[str, Container]

    def build(self) -> None:
        """Make every singleton now: documents that do not compile stop the start, and no first request waits."""
        for container in (self.kernel, *self.containers.values(), self.http):
            for provider in container.providers.values():
                if isinstance(provider, providers.Singleton):
                    provider()

    def handlers(self) -> dict[type[Event], list[tuple[Callable[..., Awaitable[None]], type]]]:
        """For each event the methods that handle it, in start order, with their classes."""
        found = defaultdict[type[Event], list[tuple[Callable[..., Awaitable[None]], type]]](list)
        for module in self.modules:
            for event, method in module.handles.items():
                found[event].append((method, module.makes()[module.maker_of(method) or ""]))
        return found

    def runs(self) -> dict[Key, Run]:
        """How each job of the modules is run."""
        found: dict[Key, Run] = {}
        for module in self.modules:
            container = self.containers[module.name]
            for event, method in module.later.items():
                job = job_name(module, method)
                found[job, Payloads(event).name] = delivery(event, _bound(container, module, method))
            for periodic in module.periodic:
                found[job_name(module, periodic.method), None] = _run(_bound(container, module, periodic.method))
        return found


def job_name(module: Module, method: Callable[..., Any]) -> str:
    """What the queue calls a job of this module."""
    return f"{module.name}.{method.__name__}"


def compose(settings: Settings, modules: Sequence[Module]) -> Application:
    """Build every container. Raises ManifestError for a field of a name that none can have and for a document that
    shows what it must not, SettingsError for a module's setting that is wrong, and dependency-injector's Error, naming
    it, for a container that lacks what it needs.
    """
    for module in modules:
        demand_field_names(module)
    for package in ("shared", *(f"modules.{module.name}" for module in modules)):
        for fault in faults(package):
            raise ManifestError(fault)
    handlers: dict[type[Event], list[Callable[[], Handler]]] = {
        event: [] for module in modules for event in module.publishes
    }
    kernel = KernelContainer(
        settings=providers.Object(settings),
        extensions=providers.Object(Extensions(pair for module in modules for pair in module.extends.items())),
        events=providers.Object(Events(handlers)),
        scopes=providers.Object(frozenset({JOURNAL_SCOPE}.union(*(module.scopes() for module in modules)))),
        repositories=providers.Object(tuple(resource for module in modules for resource in module.resources)),
    )
    composed: dict[str, Container] = {}
    for module in modules:
        wanted: dict[str, Any] = {
            name: composed[name].api for name in module.requires if name in module.container.providers
        }
        if module.settings is not None:
            wanted["settings"] = providers.Object(settings_of(module.settings, module.name))
        container = composed[module.name] = module.container(kernel=kernel, **wanted)
        container.check_dependencies()
        for event, method in module.handles.items():
            handlers[event].append(_bound(container, module, method))
        for event, method in module.later.items():
            handlers[event].append(providers.Object(leaving(job_name(module, method), event)))
    return Application(kernel, HttpContainer(kernel=kernel), modules, composed)


def _bound(container: Container, module: Module, method: Callable[..., Any]) -> Callable[[], Any]:
    """Gives the method of the object that the container makes, when it is asked."""
    make = container.providers[module.maker_of(method) or ""]
    return lambda: getattr(make(), method.__name__)


def _run(provide: Callable[[], Callable[[Change], Awaitable[None]]]) -> Run:
    return lambda change, _: provide()(change)
