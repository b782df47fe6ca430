"""Names: each schema has one of its own, which stays the same whatever other modules there are."""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, get_args

from fastapi.routing import APIRoute
from pydantic import BaseModel

from shared.rows import owner_of

_REFERENCE = "#/components/schemas/"
_DATA = {"example", "examples", "default", "const", "enum", "required"}
"""Members that hold values and no schemas."""
_MAPS = {"properties", "$defs", "responses", "headers", "content"}
"""Members whose own members have any name, such as `title` or `default`."""


def name_enumerations(document: dict[str, Any], routes: Iterable[APIRoute]) -> None:
    """An enumeration of a module is named after both, as `ProjectsRole`: other modules have a `Role`, too."""
    schemas, renamed = document["components"]["schemas"], {}
    for kind in {kind for route in routes for model in _models(route) for kind in _enumerations(model)}:
        if (owner := owner_of(kind)) == "kernel":
            continue
        # Pydantic gives the longer name to classes of the same name.
        for known in {kind.__name__, f"{kind.__module__}.{kind.__name__}".replace(".", "__")} & schemas.keys():
            renamed[known] = "".join(word.capitalize() for word in owner.split("_")) + kind.__name__
    for known, name in renamed.items():
        schemas[name] = schemas.pop(known) | {"title": name}
    for part in _objects(document):
        known = str(part.get("$ref")).removeprefix(_REFERENCE)
        if known in renamed:
            part["$ref"] = _REFERENCE + renamed[known]


def tidy(document: dict[str, Any]) -> None:
    """Leave out what no operation refers to, and the titles that only repeat a member's name: generators make the names
    of classes of them, which are then the same for several.
    """
    schemas = document["components"]["schemas"]
    for part in _objects(document["paths"]):
        part.pop("title", None)
    for name, schema in schemas.items():
        for part in _objects(schema):
            part.pop("title", None)
        schema["title"] = name
    used: set[str] = set()
    found = _references(document["paths"])
    while found:
        used |= found
        found = {name for known in found for name in _references(schemas[known])} - used
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(used)}


def _references(part: Any) -> set[str]:
    references = (str(one["$ref"]) for one in _objects(part) if "$ref" in one)
    return {one.removeprefix(_REFERENCE) for one in references if one.startswith(_REFERENCE)}


def _objects(part: Any, *, is_map: bool = False) -> Iterator[dict[str, Any]]:
    """Each object within that is no example or value."""
    if isinstance(part, list):
        for one in part:
            yield from _objects(one)
    elif isinstance(part, dict):
        if not is_map:
            yield part
        for name, one in part.items():
            if is_map or name not in _DATA:
                yield from _objects(one, is_map=not is_map and name in _MAPS)


def _models(route: APIRoute) -> Iterator[Any]:
    yield route.response_model
    yield from (answer.get("model") for answer in route.responses.values())
    if route.body_field is not None:
        yield route.body_field.field_info.annotation


def _enumerations(kind: Any) -> Iterator[type[Enum]]:
    """The enumerations in a type, and in the fields of a schema."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        yield kind
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for field in kind.model_fields.values():
            yield from _enumerations(field.annotation)
    for inner in get_args(kind):
        yield from _enumerations(inner)
