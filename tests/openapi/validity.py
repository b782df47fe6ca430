"""A small judge of JSON values, which shares no code with the comparison of schemas: it says if a schema allows one."""

import re
from typing import Any

Json = dict[str, Any]
TYPES = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def allows(schema: Json, value: Any) -> bool:
    """Whether a value fits, by JSON Schema 2020-12. Of the keywords those that the strategies of the tests write."""
    kinds = schema.get("type", list(TYPES))
    fits = any(TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))
    fits = fits and ("enum" not in schema or any(_same(value, each) for each in schema["enum"]))
    fits = fits and ("const" not in schema or _same(value, schema["const"]))
    fits = fits and all(allows(each, value) for each in schema.get("allOf", ()))
    fits = fits and ("anyOf" not in schema or any(allows(each, value) for each in schema["anyOf"]))
    if isinstance(value, str):
        return fits and _text(schema, value)
    if isinstance(value, list):
        return fits and _list(schema, value)
    if isinstance(value, dict):
        return fits and _object(schema, value)
    return fits and (not TYPES["number"](value) or _within(schema, "minimum", "maximum", value))


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _within(schema: Json, lower: str, upper: str, value: float) -> bool:
    return bool(schema.get(lower, value) <= value <= schema.get(upper, value))


def _text(schema: Json, value: str) -> bool:
    return _within(schema, "minLength", "maxLength", len(value)) and bool(re.search(schema.get("pattern", ""), value))


def _list(schema: Json, value: list[Any]) -> bool:
    within = _within(schema, "minItems", "maxItems", len(value))
    return within and all(allows(schema.get("items", {}), each) for each in value)


def _object(schema: Json, value: Json) -> bool:
    members = schema.get("properties", {})
    known = schema.get("additionalProperties", True) is not False or value.keys() <= members.keys()
    there = set(schema.get("required", ())) <= value.keys()
    return known and there and all(allows(members[name], value[name]) for name in value if name in members)
