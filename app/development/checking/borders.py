"""The borders of a module: what its files may import of other modules, of the kernel and of libraries."""

import ast
from collections.abc import Collection, Iterator, Mapping

from app.development.checking.places import Place, is_within
from app.development.checking.sources import Finding, Source
from app.development.checking.tree import Tree

Requirements = Mapping[str, Collection[str]]
"""The modules that each module's manifest requires."""

_FOR_TESTS = frozenset({"tests.factories", "tests.test_contract"})

KEPT: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        ("fastapi", "starlette", "shared.http"),
        ("router",),
        "Only routers speak HTTP: raise a domain error, and let the kernel translate it.",
    ),
    (
        ("dependency_injector",),
        ("container", "router"),
        "Take what is needed as an argument of the constructor; the module's container passes it.",
    ),
    (("app",), (), "Nothing imports the composition root: let the kernel offer what both need."),
)
"""Packages, the files of a module that may import them, and what others do instead. Tests may import all."""


def imports_past_an_api(place: Place) -> Iterator[Finding]:
    """A module imports another only through that one's `api`, and only when its own manifest requires it."""
    yield from imports_of_modules(place.tree, place.source)


def imports_of_modules(tree: Tree, source: Source) -> Iterator[Finding]:
    """The imports of modules in a file, wherever it is, that are not to be."""
    for node, module, name in [*source.imports, *_reached(tree, source)]:
        imported = f"{module}.{name}" if name and tree.is_module(f"{module}.{name}") else module
        if advice := objection(source.name, imported, tree.requires):
            yield source.finding(node, f"{imported} is imported: {advice}")
        elif name and _is_api_of_another(source.name, module) and name not in tree.offered(module):
            advice = "take what `__all__` there names, or have that one offer it."
            yield source.finding(node, f"{module} does not offer {name}: {advice}")


def _reached(tree: Tree, source: Source) -> Iterator[tuple[ast.AST, str, str]]:
    """What is reached by way of an import, as an import: `modules.users.models.User` after `import modules.users.api`,
    `reads.listing.Page` after `from shared import reads`.
    """
    whole = {module for _, module, name in source.imports if not name}
    for node, dotted in source.chains:
        module, name, begun = dotted, "", source.begun(node)
        while "." in module and not tree.is_module(module):
            module, _, name = module.rpartition(".")
        is_told = begun == module or module in whole
        if is_within(module, begun) and "." in module and (not is_told or module.endswith(".api")):
            yield node, module, name


def objection(importer: str, imported: str, requires: Requirements) -> str | None:
    """What to do instead of this import; None when it is fine.

    Tests of a module may also import the tables and the factories of a required one: they make rows with them; and what
    it promises, where rows of theirs are part of its own.
    """
    target, path = _split(imported)
    if target is None:
        return None
    source, own_path = _split(importer)
    if source is None:
        return "outside of modules/ no module is known by name, so take it from the manifests."
    if source == target:
        return None
    for_tests = is_within(own_path, "tests") and (is_within(path, "models") or path in _FOR_TESTS)
    if not is_within(path, "api") and not for_tests:
        return f"take what it needs from modules.{target}.api, or have that offer it."
    if target not in requires.get(source, ()):
        return f"name '{target}' in `requires` of modules/{source}/module.py, or do without."
    return None


def imports_what_is_kept_elsewhere(place: Place) -> Iterator[Finding]:
    """HTTP stays in routers, injection in containers, and nobody imports the composition root."""
    if place.is_in("tests"):
        return
    for node, module, _ in place.source.imports:
        for packages, files, advice in KEPT:
            if any(is_within(module, package) for package in packages) and not place.is_in(*files):
                yield place.source.finding(node, f"{module} is imported: {advice}")


def imports_tests(place: Place) -> Iterator[Finding]:
    """Tests are imported by tests alone."""
    if place.is_in("tests"):
        return
    for node, module, name in place.source.imports:
        if is_within(f"{module}.{name}", f"modules.{place.module}.tests"):
            yield place.source.finding(node, f"{module} is imported: move what the application needs out of the tests.")


def enters_a_room_past_its_face(place: Place) -> Iterator[Finding]:
    """What a room of the kernel offers, its `__init__` names. Tests may look inside."""
    rooms = {
        source.name
        for path, source in place.tree.sources.items()
        if path.startswith("shared/") and path.endswith("/__init__.py") and source.imports
    }
    for node, module, name in [*place.source.imports, *_reached(place.tree, place.source)]:
        imported = f"{module}.{name}" if place.tree.is_module(f"{module}.{name}") else module
        if room := room_entered(place.source.name, imported, rooms):
            yield place.source.finding(node, f"{imported} is imported: import from {room}, its face.")


def room_entered(importer: str, imported: str, rooms: Collection[str]) -> str | None:
    """The room that this import enters past its face; None when it is fine."""
    room = imported.rpartition(".")[0]
    is_fine = room not in rooms or is_within(importer, room) or ".tests" in importer
    return None if is_fine else room


def _is_api_of_another(importer: str, imported: str) -> bool:
    target, path = _split(imported)
    return path == "api" and target != _split(importer)[0]


def _split(name: str) -> tuple[str | None, str]:
    """The module and the path in it: `modules.tags.tests.factories` is `tests.factories` of `tags`."""
    package, _, rest = name.partition(".")
    module, _, path = rest.partition(".")
    return (module, path) if package == "modules" and module else (None, "")


RULES = (imports_past_an_api, imports_what_is_kept_elsewhere, imports_tests, enters_a_room_past_its_face)
