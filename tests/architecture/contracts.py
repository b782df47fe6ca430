"""The import-linter contract of our own: the faces of the kernel's rooms. `trellis module check` has the modules'."""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output

from app.development.checking import room_entered


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


def _line(graph: ImportGraph, importer: str, imported: str) -> int | str:
    details = graph.get_import_details(importer=importer, imported=imported)
    return min((detail["line_number"] for detail in details), default="?")
