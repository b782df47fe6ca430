"""Which operations answer which problem, as the OpenAPI document says."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Json = Any


class Operation(NamedTuple):
    """An operation of the document."""

    id: str
    method: str
    path: str
    summary: str
    tag: str


def operations_by_code(document: Mapping[str, Json]) -> Mapping[str, list[Operation]]:
    """By a problem's code, the operations with an answer that names it, in the order of the document."""
    known: dict[str, frozenset[str]] = {}
    found: dict[str, list[Operation]] = {}
    for operation, described in _operations(document):
        refusals = (answer for status, answer in described["responses"].items() if not status.startswith(("2", "3")))
        for code in frozenset().union(*(_named(answer, document, known) for answer in refusals)):
            found.setdefault(code, []).append(operation)
    return found


def number_of_operations(document: Mapping[str, Json]) -> int:
    """How many the document has."""
    return sum(1 for _ in _operations(document))


def _operations(document: Mapping[str, Json]) -> Iterator[tuple[Operation, Mapping[str, Json]]]:
    for path, item in document["paths"].items():
        for method, described in item.items():
            if isinstance(described, dict) and "responses" in described:
                summary, tag = described.get("summary", ""), described.get("tags", ["other"])[0]
                yield Operation(described["operationId"], method.upper(), path, summary, tag), described


def _named(node: Json, document: Mapping[str, Json], known: dict[str, frozenset[str]]) -> frozenset[str]:
    """The codes that a part of the document gives: in enumerations and constants, and as `code` or name of an example.

    `known` has those of references, each of which is looked at once.
    """
    match node:
        case {"$ref": str(reference)}:
            if reference not in known:
                known[reference] = frozenset()  # A schema may refer to itself.
                known[reference] = _named(_at(document, reference), document, known)
            return known[reference]
        case dict():
            given = [*node.get("enum", ()), node.get("const"), node.get("code"), *node.get("examples", ())]
            parts = [_named(part, document, known) for part in node.values()]
            return frozenset(code for code in given if isinstance(code, str)).union(*parts)
        case list():
            return frozenset().union(*(_named(part, document, known) for part in node))
    return frozenset()


def _at(document: Mapping[str, Json], reference: str) -> Json:
    """What a reference within the document points to."""
    found: Json = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found
