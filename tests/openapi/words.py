"""What is only said in other words: titles, descriptions, summaries and examples."""

import json
from collections.abc import Iterator
from typing import Any

from tests.openapi.alternatives import WORDS, Json
from tests.openapi.operations import operations

NAMES = {"properties", "patternProperties", "$defs", "schemas", "parameters", "responses", "headers", "content"} | {
    *("mapping", "securitySchemes", "callbacks", "links", "requestBodies", "scopes", "encoding", "flows", "variables")
}
"""Keys of objects whose keys are names; a field may be called `description`."""
DATA = frozenset({"default", "enum", "const"})
HEAD = ("info", "tags", "servers", "externalDocs")


def reworded(old: Json, new: Json) -> list[str]:
    """The operations and schemas of which words differ; `the head` is what the document says of the whole."""
    parts = [_parts(document) for document in (old, new)]
    return [name for name, node in parts[0].items() if name in parts[1] and _differ(node, parts[1][name])]


def _parts(document: Json) -> dict[str, Any]:
    components = document.get("components", {})
    head = {key: document.get(key) for key in HEAD} | {"components": {**components, "schemas": None}}
    return (
        {"the head": head}
        | {operation.id: operation.node for operation in operations(document)}
        | {f"`{name}`": schema for name, schema in components.get("schemas", {}).items()}
    )


def _differ(old: Any, new: Any) -> bool:
    if old == new:
        return False
    was, now = dict(_words(old)), dict(_words(new))
    return any(was[place] != now[place] for place in was.keys() & now.keys())


def _words(node: Any, place: str = "", *, are_names: bool = False) -> Iterator[tuple[str, str]]:
    """The words of each object, by its place. An element of a list is known by its name, if it has one."""
    if isinstance(node, list):
        for index, each in enumerate(node):
            name = each.get("name", index) if isinstance(each, dict) else index
            yield from _words(each, f"{place}/{name}")
    elif isinstance(node, dict):
        words = {} if are_names else {key: node[key] for key in node if key in WORDS}
        yield place, json.dumps(words, sort_keys=True)
        for key, value in node.items():
            if are_names or key not in WORDS | DATA:
                yield from _words(value, f"{place}/{key}", are_names=not are_names and key in NAMES)
