"""The operations of an OpenAPI document, with what applies to each of them from around it."""

import json
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.openapi.alternatives import Json, component

METHODS = ("get", "query", "post", "put", "patch", "delete", "head", "options", "trace")
"""`query` is OpenAPI 3.2's."""


@dataclass(frozen=True)
class Operation:
    """One operation of a document."""

    document: Json
    path: str
    method: str
    node: Json

    @property
    def id(self) -> str:
        """What it is called, in generated clients too."""
        return str(self.node.get("operationId", f"{self.method.upper()} {self.path}"))

    @property
    def place(self) -> tuple[str, str]:
        """Method and path; what a parameter of the path is called is nothing to the wire."""
        return self.method, re.sub(r"\{[^}]*\}", "{}", self.path)

    @property
    def tags(self) -> list[str]:
        """Generated clients group by the first one."""
        return list(self.node.get("tags", ()))

    @property
    def names_in_path(self) -> list[str]:
        """The parameters of the path, in their order."""
        return re.findall(r"\{([^}]*)\}", self.path)

    @cached_property
    def parameters(self) -> dict[tuple[str, str], Json]:
        """By where they are and name: of a header in lower case, of the path its number."""
        shared = self.document["paths"][self.path].get("parameters", ())
        return {self._key(each): each for each in (resolved(self.document, p) for p in (*shared, *self._own))}

    @property
    def _own(self) -> list[Json]:
        return list(self.node.get("parameters", ()))

    def _key(self, parameter: Json) -> tuple[str, str]:
        where, name = parameter["in"], parameter["name"]
        if where == "path" and name in self.names_in_path:
            return where, str(self.names_in_path.index(name))
        return where, name.lower() if where == "header" else name

    @property
    def ways_in(self) -> list[frozenset[str]]:
        """Of each way to be let in, what it demands: schemes, and scopes of them. Nothing, where all are let in."""
        demanded = self.node.get("security", self.document.get("security")) or [{}]
        return [frozenset([*way, *(f"{s}:{scope}" for s in way for scope in way[s])]) for way in demanded]

    def is_same(self, other: "Operation", changed: Set[str]) -> bool:
        """Whether all that is said of both is equal, word by word; see `are_same`."""
        return are_same(self._said, other._said, changed)

    @property
    def _said(self) -> list[Any]:
        shared = self.document["paths"][self.path].get("parameters")
        return [self.path, self.method, self.node, shared, [sorted(way) for way in self.ways_in]]

    def __str__(self) -> str:
        return f"{self.id} ({self.method.upper()} {self.path})"


def operations(document: Json) -> Iterator[Operation]:
    """All of them, in the order of the document."""
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                yield Operation(document, path, method, item[method])


def resolved(document: Json, node: Json) -> Json:
    """What a parameter, body, answer or header says that may be a reference."""
    while "$ref" in node:
        node = component(document, node["$ref"])
    return node


def are_same(old: Any, new: Any, changed: Set[str]) -> bool:
    """Whether two parts of documents are equal, and refer to none of the `changed_components`."""
    return are_equal(old, new) and not (changed and changed & references(old))


def are_equal(one: Any, other: Any) -> bool:
    """Whether they are the same JSON. Python's own equality takes 1 for true."""
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def references(node: Any) -> set[str]:
    """The references in a part of a document."""
    found = set()
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += node.values()
            if isinstance(reference := node.get("$ref"), str):
                found.add(reference)
    return found


def referred(document: Json, nodes: Iterable[Any]) -> Json:
    """What these parts of a document refer to, and what that refers to in its turn, by the references."""
    found: Json = {}
    waiting = references([*nodes])
    while waiting:
        reference = waiting.pop()
        found[reference] = component(document, reference)
        waiting |= references(found[reference]) - found.keys()
    return found


def changed_components(old: Json, new: Json) -> set[str]:
    """The references to components that are not the same in both documents, or that refer to such."""
    was, now = (
        {
            f"#/components/{kind}/{name}": node
            for kind, of in document.get("components", {}).items()
            for name, node in of.items()
        }
        for document in (old, new)
    )
    found = {reference for reference in was if not are_equal(was[reference], now.get(reference))}
    leads = {reference: references(node) for reference, node in was.items()} if found else {}
    while more := {reference for reference in leads.keys() - found if leads[reference] & found}:
        found |= more
    return found


def reachable(document: Json, nodes: Iterable[Any]) -> set[str]:
    """The names of the schemas that these parts of a document use."""
    references = referred(document, nodes)
    return {each.rpartition("/")[2] for each in references if each.startswith("#/components/schemas/")}
