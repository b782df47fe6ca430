"""The import-linter contracts of our own: the borders of the modules, and the faces of the kernel's rooms."""

from collections.abc import Collection, Mapping

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output

from shared.manifest import ManifestError, discover

Requirements = Mapping[str, Collection[str]]
"""The modules that each module's manifest requires."""


class ModuleBoundaries(Contract):
    """A module imports another only through that one's `api`, and only when its own manifest requires it.

    Tests of a module may also import the tables and the factories of a required one: they make rows with them.
    """

    type_name = "module_boundaries"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        problems = []
        try:
            requires = {module.name: module.requires for module in discover()}
        except (ImportError, ManifestError) as error:
            problems.append(f"Nothing tells what the modules require, as they do not load: {error}")
            requires = None
        problems += [
            f"{importer} (line {_line(graph, importer, imported)}) imports {imported}: {advice}"
            for imported in sorted(graph.modules)
            for importer in sorted(graph.find_modules_that_directly_import(imported))
            if (advice := objection(importer, imported, requires))
        ]
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in check.metadata["problems"]:
            output.print_error(problem, bold=False)
        output.new_line()


class RoomFaces(Contract):
    """A room of the kernel is entered by its face: from outside, nobody imports a file within it.

    A room is a package of `shared` that imports something into its `__init__`. Tests may look inside.
    """

    type_name = "room_faces"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        rooms = {
            name
            for name in graph.modules
            if name.startswith("shared.")
            and graph.find_children(name)
            and graph.find_modules_directly_imported_by(name)
        }
        problems = [
            f"{importer} (line {_line(graph, importer, imported)}) imports {imported}: import from {room}, its face."
            for imported in sorted(graph.modules)
            for importer in sorted(graph.find_modules_that_directly_import(imported))
            if (room := room_entered(importer, imported, rooms))
        ]
        return ContractCheck(kept=not problems, metadata={"problems": problems})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for problem in check.metadata["problems"]:
            output.print_error(problem, bold=False)
        output.new_line()


def room_entered(importer: str, imported: str, rooms: Collection[str]) -> str | None:
    """The room that this import enters past its face; None when it is fine."""
    room = imported.rpartition(".")[0]
    is_fine = room not in rooms or _is(importer, room) or ".tests" in importer
    return None if is_fine else room


def objection(importer: str, imported: str, requires: Requirements | None) -> str | None:
    """What to do instead of this import; None when it is fine. Without requirements, those are not looked at."""
    target, path = _split(imported)
    if target is None:
        return None
    source, own_path = _split(importer)
    if source is None:
        return "outside of modules/ no module is known by name, so take it from the manifests."
    if source == target:
        return None
    for_tests = _is(own_path, "tests") and (_is(path, "models") or path == "tests.factories")
    if not _is(path, "api") and not for_tests:
        return f"take what it needs from modules.{target}.api, or have that offer it."
    if requires is not None and target not in requires.get(source, ()):
        return f"name '{target}' in `requires` of modules/{source}/module.py, or do without."
    return None


def _split(name: str) -> tuple[str | None, str]:
    """The module and the path in it: `modules.tags.tests.factories` is `tests.factories` of `tags`."""
    package, _, rest = name.partition(".")
    module, _, path = rest.partition(".")
    return (module, path) if package == "modules" and module else (None, "")


def _is(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _line(graph: ImportGraph, importer: str, imported: str) -> int | str:
    details = graph.get_import_details(importer=importer, imported=imported)
    return min((detail["line_number"] for detail in details), default="?")
