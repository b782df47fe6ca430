"""The manifest: one typed object that describes a module; and how manifests are found, checked and ordered."""

import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import click
from dependency_injector import providers
from dependency_injector.containers import DeclarativeContainer
from fastapi import APIRouter
from pydantic import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from shared.events import Event
from shared.extensions import ExtensionPoint
from shared.jobs import PERIODS, Payloads, Periodic
from shared.settings import ModuleSettings, Settings, variables_of
from shared.upkeep import Seeding
from shared.writes import Repository


class ManifestError(Exception):
    """The modules do not fit together; the message says which and why."""


@dataclass(frozen=True)
class Module:
    """What a module is made of. `modules/<name>/module.py` holds one as `module`."""

    name: str
    """The folder's name; also the label of the module's migration branch."""
    container: type[DeclarativeContainer]
    """Takes `kernel`, and the `api` of each required module by its name. Has `service`, and perhaps `api`."""
    router: APIRouter
    """Made with `resource_router`. The composition root binds its endpoints to the container."""
    requires: Sequence[str] = ()
    """The modules whose `api.py` this one imports and whose tables its foreign keys may name."""
    publishes: Sequence[type[Event]] = ()
    handles: Mapping[type[Event], Callable[[Any, Any, Any], Awaitable[None]]] = field(default_factory=dict)
    """Methods of what the container makes, such as its `service`, which take the change and the event, in the
    publisher's transaction."""
    later: Mapping[type[Event], Callable[[Any, Any, Any], Awaitable[None]]] = field(default_factory=dict)
    """The same, but a worker runs them soon after, each in a transaction of its own, and again when they fail. They
    come in any order, and what they do outside the database they may do twice. The event may be the module's own."""
    periodic: Sequence[Periodic] = ()
    """Methods that a worker runs every so often: `Periodic(TagService.tidy, every="day")`."""
    extends: Mapping[ExtensionPoint[Any], Any] = field(default_factory=dict)
    """Contributions to extension points of the kernel and of required modules."""
    resources: Sequence[type[Repository[Any]]] = ()
    """The repositories of resources: the change feed has their changes, for callers whom their policies allow."""
    settings: type[ModuleSettings] | None = None
    """Read from the environment, and given to the container's Dependency `settings`."""
    commands: Sequence[click.Command] = ()
    """Subcommands of `trellis <name>`; click's context object opens the module's container."""
    seed: Callable[[Seeding], None] | None = None
    """Fills the module's tables for `trellis seed`; runs after those of the modules it requires. The first line of its
    docstring is the help of `--<name>`, the option that says how many rows."""

    def scopes(self) -> frozenset[str]:
        """Those that its routes ask of keys."""
        return frozenset[str]().union(*(getattr(route, "needed", None) or () for route in self.router.routes))

    def makes(self) -> Mapping[str, type[Any]]:
        """The classes of what its container makes, by the names there."""
        return {
            name: provider.cls
            for name, provider in self.container.providers.items()
            if isinstance(provider, providers.Factory | providers.BaseSingleton)
        }

    def maker_of(self, method: Callable[..., Any]) -> str | None:
        """What makes the object that has this method, by its name in the container."""
        called = getattr(method, "__name__", str(method))
        return next((name for name, kind in self.makes().items() if getattr(kind, called, ...) is method), None)

    def variables(self) -> Mapping[str, FieldInfo]:
        """The fields of its settings, by their environment variables."""
        return {} if self.settings is None else variables_of(self.settings, self.name)


def discover(package: str = "modules") -> tuple[Module, ...]:
    """The manifests of every module in the package, each after those it requires.

    A folder without Python sources is skipped: git leaves compiled files of other branches behind. Raises ManifestError
    when a folder has no manifest, a requirement is missing, modules require each other in a circle, an event is handled
    that no required module publishes, a handler or a periodic job is no method of what the container makes, an event
    for later has no form in the queue, a repository of the container is not among the resources, the container does not
    take the settings, or a setting has the variable of another.
    """
    folders = [folder for path in importlib.import_module(package).__path__ for folder in Path(path).iterdir()]
    names = [folder.name for folder in folders if folder.name[0] not in "._" and any(folder.rglob("*.py"))]
    modules = ordered([_manifest(package, name) for name in names])
    for module in modules:
        known = {event for other in modules if other.name in module.requires for event in other.publishes}
        for event in set(module.handles) - known:
            raise ManifestError(f"Module '{module.name}' handles {event.__name__}, which no required module publishes.")
        for event in set(module.later) - known - {*module.publishes}:
            raise ManifestError(
                f"Module '{module.name}' handles {event.__name__} later, which neither it nor a required module "
                "publishes."
            )
        _look_at_jobs(module)
        _look_at_container(module)
    _look_at_settings(modules)
    return modules


def _look_at_container(module: Module) -> None:
    for name, kind in module.makes().items():
        if issubclass(kind, Repository) and kind not in module.resources:
            raise ManifestError(
                f"Module '{module.name}': its container makes {kind.__name__} as '{name}', which is not among its "
                "resources: add it, so that the kernel tells of its changes."
            )
    if module.settings is not None and "settings" not in module.container.providers:
        raise ManifestError(
            f"Module '{module.name}' has settings, and its container does not take them: "
            f"settings = providers.Dependency(instance_of={module.settings.__name__})."
        )
    methods: tuple[tuple[str, Callable[..., Any]], ...] = (
        *((f"handles {event.__name__}", handler) for event, handler in module.handles.items()),
        *((f"handles {event.__name__} later", handler) for event, handler in module.later.items()),
        *((f"does something every {periodic.every}", periodic.method) for periodic in module.periodic),
    )
    for what, method in methods:
        if module.maker_of(method) is None:
            name = getattr(method, "__name__", str(method))
            raise ManifestError(
                f"Module '{module.name}' {what} by {name}, which is no method of what its container makes: name one "
                "that is."
            )


def _look_at_jobs(module: Module) -> None:
    for event in module.later:
        try:
            Payloads(event)
        except PydanticSchemaGenerationError as error:
            raise ManifestError(
                f"Module '{module.name}' handles {event.__name__} later, whose fields have no form in the queue: "
                f"{error.message.splitlines()[0]}"
            ) from None
    for periodic in module.periodic:
        if periodic.every not in PERIODS:
            raise ManifestError(
                f"Module '{module.name}' does something every {periodic.every}, but a period is one of: "
                f"{', '.join(PERIODS)}."
            )


def _look_at_settings(modules: Iterable[Module]) -> None:
    owners = dict.fromkeys(variables_of(Settings), "the kernel")
    for module in modules:
        for variable in module.variables():
            if variable in owners:
                raise ManifestError(
                    f"Module '{module.name}': its setting {variable} is one of {owners[variable]}, too."
                )
            owners[variable] = f"module '{module.name}'"


def ordered(modules: Iterable[Module]) -> tuple[Module, ...]:
    """The modules, each after those it requires; alphabetical where that leaves a choice."""
    by_name = {module.name: module for module in modules}
    for module in by_name.values():
        for name in module.requires:
            if name not in by_name:
                raise ManifestError(f"Module '{module.name}' requires '{name}', which is not there.")
    sorter = TopologicalSorter({module.name: module.requires for module in by_name.values()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ManifestError(f"Modules require each other in a circle: {' → '.join(error.args[1][::-1])}.") from None
    found: list[Module] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += [by_name[name] for name in ready]
        sorter.done(*ready)
    return tuple(found)


def _manifest(package: str, name: str) -> Module:
    path = f"{package}.{name}.module"
    try:
        module = getattr(importlib.import_module(path), "module", None)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise ManifestError(f"Folder '{name}' of {package}/ has no manifest: module.py is missing.") from None
    if not isinstance(module, Module):
        raise ManifestError(f"{path} defines no `module`.")
    if module.name != name:
        raise ManifestError(f"The manifest in folder '{name}' calls itself '{module.name}'.")
    return module
