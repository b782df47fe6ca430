"""`trellis module docs`: what each module is, as Markdown, with a picture of all in Mermaid."""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from fastapi.routing import APIRoute

import app
from app.development.checking import Tree
from app.development.interfaces import interface
from shared.events import Event
from shared.http.routes import Route
from shared.manifest import Module, discover
from shared.rows import EXPIRIES, Model, owners

ROOT = Path(app.__path__[0]).parent


@click.command("docs", epilog="Example: trellis module docs tags")
@click.argument("name", required=False)
def docs_command(name: str | None) -> None:
    """Print what a module is, or a picture of all modules and what each of them is."""
    modules = discover()
    if name is not None and name not in {module.name for module in modules}:
        raise click.BadParameter(f"There is no module '{name}'.")
    tree = Tree.at(ROOT)
    parts = [] if name else ["# The modules", picture(modules)]
    parts += [description(module, tree) for module in modules if name in {None, module.name}]
    click.echo("\n\n".join(parts))


def picture(modules: Sequence[Module]) -> str:
    """The modules in Mermaid: what they require, and dotted the events that reach them."""
    publisher = {event: module.name for module in modules for event in module.publishes}
    lines = [f"    {module.name}" for module in modules]
    lines += [f"    {module.name} --> {required}" for module in modules for required in module.requires]
    lines += [
        f"    {publisher[event]} -. {event.__name__} .-> {module.name}"
        for module in modules
        for event in [*module.handles, *_later(module)]
    ]
    return "\n".join(["```mermaid", "flowchart BT", *lines, "```"])


def description(module: Module, tree: Tree) -> str:
    """All that the manifest leads to, a heading each; what a module has none of is left out."""
    sections = {
        "Requires": module.requires,
        "Publishes": [f"`{line}`" for line in interface(tree, module.name)],
        "Endpoints": [*_endpoints(module)],
        "Who may do what": [*_permissions(module)],
        "Tables": [*_tables(module.name)],
        "Handles": [f"`{event.__name__}`, by `{_named(method)}`" for event, method in module.handles.items()],
        "Jobs": [*_jobs(module)],
        "Adds to": [f"`{point.name}`" for point in module.extends],
        "Settings": [*_settings(getattr(module, "settings", None))],
        "Commands": [f"`trellis {module.name} {command.name}`: {command.help}" for command in module.commands],
    }
    parts = [f"## {module.name}", *dict.fromkeys(filter(None, (getattr(tag, "about", "") for tag in _tags(module))))]
    parts += [
        "\n".join([f"**{heading}**", "", *(f"- {line}" for line in lines)])
        for heading, lines in sections.items()
        if lines
    ]
    return "\n\n".join(parts)


def _routes(module: Module) -> Iterator[APIRoute]:
    return (route for route in module.router.routes if isinstance(route, APIRoute))


def _tags(module: Module) -> Iterable[Any]:
    return (tag for route in _routes(module) for tag in route.tags)


def _endpoints(module: Module) -> Iterator[str]:
    for route in _routes(module):
        is_public = isinstance(route, Route) and route.traits.public
        summary = (inspect.getdoc(route.endpoint) or "").partition("\n")[0]
        for method in sorted(route.methods or ()):
            yield f"`{method} {route.path}`{' (public)' if is_public else ''}: {summary}"


def _permissions(module: Module) -> Iterator[str]:
    for repository in module.resources:
        yield f"{repository.resource()}: whoever has a role reads"
        for action, roles in sorted(repository.policy.allowed.items()):
            yield f"{repository.resource()}: {', '.join(sorted(map(str, roles)))} may {action}"


def _tables(name: str) -> Iterator[str]:
    for table, owner in sorted(owners().items()):
        if owner == name:
            rows = Model.metadata.tables[table]
            columns = (f"{column.name} (secret)" if "secret" in column.info else column.name for column in rows.c)
            yield f"`{table}`: {', '.join(columns)}{'; rows expire' if rows in EXPIRIES else ''}"


def _later(module: Module) -> Mapping[type[Event], Any]:
    """The events that jobs of the module handle."""
    later: Mapping[type[Event], Any] = getattr(module, "later", {})
    return later


def _jobs(module: Module) -> Iterator[str]:
    yield from (f"`{event.__name__}`, later, by `{_named(method)}`" for event, method in _later(module).items())
    yield from (f"every {job.every}, by `{_named(job.method)}`" for job in getattr(module, "periodic", ()))


def _settings(kind: Any) -> Iterator[str]:
    for name, field in kind.model_fields.items() if kind is not None else ():
        yield f"`{(kind.model_config.get('env_prefix', '') + name).upper()}`: {field.description or ''}".rstrip(": ")


def _named(method: Any) -> str:
    return getattr(method, "__qualname__", str(method))
