"""Changes of the contract that are made on purpose, each with the sentence and the judgement that it should get.

They are made to the application's own document, into which `ground` puts one more operation that has everything.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from tests.openapi.alternatives import Json
from tests.openapi.differences import Change, differences

PATH = "/planted/{planted_id}"


Planting = Callable[[Json], object]


def ground(document: Json) -> Json:
    """A copy of the document, with one more operation."""
    grown = copy.deepcopy(document)
    grown |= {"openapi": "3.1.0", "servers": [{"url": "/"}]}
    grown["info"]["version"] = "0.1.0"
    grown["components"]["securitySchemes"]["Planted"] = {"type": "oauth2", "flows": {}}
    grown["paths"][PATH] = {"put": _operation()}
    grown["components"]["schemas"] |= _schemas()
    return grown


def planted(document: Json, *changes: Planting) -> Json:
    """A document with these changes. What they do not touch is shared, not copied: the document is large."""
    parts = {kind: dict(of) for kind, of in document["components"].items()}
    parts["schemas"] |= {name: copy.deepcopy(of) for name, of in parts["schemas"].items() if name.startswith("Planted")}
    parts["securitySchemes"] = copy.deepcopy(parts["securitySchemes"])
    paths = document["paths"] | {PATH: copy.deepcopy(document["paths"][PATH])}
    grown = document | {"paths": paths, "components": parts, "info": dict(document["info"])}
    for change in changes:
        change(grown)
    return grown


def at(document: Json, path: str) -> Any:
    """A node by its place: below the planted operation, or below `Planted…`, a schema; with `/`, of the whole."""
    root: Any = document if path.startswith("/") else put(document)
    first, *steps = path.strip("/").split(".") if path else ("",)
    if first.startswith("Planted"):
        root = document["components"]["schemas"][first]
    elif first:
        root = root[first]
    for step in steps:
        root = root[int(step) if isinstance(root, list) else step]
    return root


def contract_changes(old: Json, new: Json) -> list[Change]:
    """The changes, without what is only said in other words."""
    return [change for change in differences(old, new) if not change.sentence.startswith("reworded: ")]


def put(document: Json) -> Json:
    """The planted operation."""
    found: Json = document["paths"][PATH]["put"]
    return found


def sets(path: str, **values: Any) -> Planting:
    """Set keywords of a node."""
    return lambda document: at(document, path).update(copy.deepcopy(values))


def drops(path: str, *keys: str) -> Planting:
    """Remove keys of an object, or elements of a list."""

    def change(document: Json) -> None:
        node = at(document, path)
        for key in keys:
            node.remove(key) if isinstance(node, list) else node.pop(key)

    return change


def becomes(path: str, value: Any) -> Planting:
    """Replace a node in whole."""

    def change(document: Json) -> None:
        above, _, key = path.rpartition(".")
        parent = at(document, above)
        parent[int(key) if isinstance(parent, list) else key] = copy.deepcopy(value)

    return change


def adds(path: str, value: Any) -> Planting:
    """Put an element at the end of a list."""
    return lambda document: at(document, path).append(copy.deepcopy(value))


def all_of(*changes: Planting) -> Planting:
    """Several changes as one."""
    return lambda document: [change(document) for change in changes]


def _operation() -> Json:
    def answer(name: str) -> Json:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    return {
        "operationId": "planted_put",
        "tags": ["planted", "more"],
        "summary": "Put it.",
        "security": [{"Planted": []}],
        "parameters": [
            {"name": "planted_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
            {"name": "q", "in": "query", "schema": {"type": "string", "maxLength": 50}},
            {
                "name": "sort",
                "in": "query",
                "explode": False,
                "schema": {"type": "array", "items": {"enum": ["a", "b"]}},
            },
            {"name": "If-Match", "in": "header", "schema": {"type": "string"}},
        ],
        "requestBody": {
            "required": True,
            "content": {**answer("PlantedWrite"), "text/csv": {"schema": {"type": "string"}}},
        },
        "responses": {
            "200": {
                "description": "Done.",
                "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                "content": {**answer("PlantedRead"), "text/csv": {"schema": {"type": "string"}}},
            },
            "204": {"description": "Nothing to say."},
            "409": {
                "description": "A conflict.",
                "content": {
                    "application/problem+json": {
                        "schema": {
                            "oneOf": [
                                {"$ref": "#/components/schemas/PlantedTaken"},
                                {"$ref": "#/components/schemas/PlantedBusy"},
                            ]
                        }
                    }
                },
            },
            "410": {
                "description": "Gone.",
                "content": {
                    "application/problem+json": {
                        "schema": {"type": "object", "properties": {"code": {"enum": ["gone", "purged"]}}}
                    }
                },
            },
        },
    }


def _schemas() -> Iterator[tuple[str, Json]]:
    """Fields of all kinds, the same ones to send and to get; and two problems."""
    fields = {
        "name": {"type": "string", "minLength": 1, "maxLength": 50},
        "slug": {"type": "string", "pattern": "^[a-z]+$"},
        "day": {"type": "string", "format": "date"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "ratio": {"type": "number", "multipleOf": 2},
        "kind": {"enum": ["red", "green"]},
        "open": {"type": "string", "x-extensible-enum": ["one", "two"]},
        "colour": {"anyOf": [{"enum": ["red", "green"]}, {"type": "string"}]},
        "parent": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "labels": {"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 9},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        "inner": {"type": "object", "properties": {"deep": {"type": "string"}}, "required": ["deep"]},
        "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
        "limit": {"type": "integer", "default": 20},
        "shape": {
            "oneOf": [{"$ref": "#/components/schemas/PlantedCircle"}, {"$ref": "#/components/schemas/PlantedSquare"}],
            "discriminator": {"propertyName": "is"},
        },
        "both": {"allOf": [{"$ref": "#/components/schemas/PlantedCircle"}, {"required": ["is"]}]},
        "self": {"type": "array", "items": {"$ref": "#/components/schemas/PlantedNode"}},
    }
    for name in ("PlantedWrite", "PlantedRead"):
        yield name, {"type": "object", "properties": copy.deepcopy(fields), "required": ["name", "parent", "size"]}
    yield "PlantedCircle", {"type": "object", "properties": {"is": {"const": "circle"}, "r": {"type": "number"}}}
    yield "PlantedSquare", {"type": "object", "properties": {"is": {"const": "square"}, "a": {"type": "number"}}}
    node = {"next": {"$ref": "#/components/schemas/PlantedNode"}, "value": {"type": "string"}}
    yield "PlantedNode", {"type": "object", "properties": node}
    for code in ("Taken", "Busy"):
        members = {
            "code": {"const": code.lower()},
            "type": {"const": f"/problems/{code.lower()}"},
            "hint": {"type": "string"},
        }
        yield f"Planted{code}", {"type": "object", "properties": members, "required": ["code", "type"]}
