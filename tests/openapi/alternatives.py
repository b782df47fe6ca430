"""A JSON Schema (2020-12, as OpenAPI 3.1 has it) as a list of plain alternatives, so that two can be compared.

References are followed, members of `allOf` are put into one, and `anyOf`, `oneOf`, lists of types and 3.0's `nullable`
become alternatives of one type each. So two ways to write the same schema give the same alternatives.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

Json = dict[str, Any]
Schema = Json | bool

ANYTHING = "anything"
WORDS = frozenset({"title", "description", "summary", "example", "examples", "externalDocs", "$comment", "xml"})
"""What people read and no program relies on."""
OF_THE_WHOLE = ("default", "deprecated", "readOnly", "writeOnly", "discriminator")
"""Keywords that say something of a field rather than of its values."""
COMPOSITION = frozenset({"$ref", "allOf", "anyOf", "oneOf", "type", "nullable", "const", "enum"})
KINDS = {
    "object": {
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
    },
    "array": {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"},
    "string": {"minLength", "maxLength", "pattern", "contentEncoding", "contentMediaType"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}
"""The keywords that say something of one type alone."""
UNITED = {"required", "x-extensible-enum"}
LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}


class Value(NamedTuple):
    """A value of an enumeration; as JSON, because in Python True is 1."""

    json: str


@dataclass(frozen=True)
class Alternative:
    """What is allowed of one type: its JSON type, the component that says so, and keywords without composition."""

    kind: str
    name: str | None
    keywords: Json

    @property
    def values(self) -> frozenset[Value] | None:
        """Those that alone are allowed; None if it is no enumeration."""
        return self.keywords.get("enum")

    @property
    def label(self) -> str:
        """What it is called in a sentence."""
        return f"`{self.name}`" if self.name else self.kind


def component(document: Json, reference: str) -> Any:
    """What a local reference leads to. Raises KeyError if that is not there."""
    steps = (step.replace("~1", "/").replace("~0", "~") for step in reference.removeprefix("#/").split("/"))
    return reduce(lambda node, step: node[step], steps, document)


def of_the_whole(document: Json, schema: Schema, keyword: str) -> Any:
    """What a keyword says of a field: its own, or that of what it refers to or is composed of. None if nothing."""
    if isinstance(schema, bool):
        return None
    if keyword in schema:
        return schema[keyword]
    members = [member for key in ("allOf", "anyOf", "oneOf") for member in schema.get(key, ())]
    if reference := schema.get("$ref"):
        members.append(component(document, reference))
    found = (of_the_whole(document, member, keyword) for member in members)
    return next((each for each in found if each is not None), None)


def alternatives(document: Json, schema: Schema) -> list[Alternative]:
    """All that the schema allows; none for `false`."""
    if isinstance(schema, bool):
        return [Alternative(ANYTHING, None, {})] if schema else []
    groups = [_own(schema)]
    if reference := schema.get("$ref"):
        groups.append(_named(reference.rpartition("/")[2], alternatives(document, component(document, reference))))
    groups += [alternatives(document, member) for member in schema.get("allOf", ())]
    groups += [
        [alternative for member in schema[union] for alternative in alternatives(document, member)]
        for union in ("anyOf", "oneOf")
        if union in schema
    ]
    found = groups[0]
    for group in groups[1:]:
        both = (_both(one, other) for one, other in product(found, group))
        found = [each for each in both if each is not None]
    return _distinct(found)


def _own(schema: Json) -> list[Alternative]:
    """What the schema says itself, beside references and compositions."""
    rest = {key: value for key, value in schema.items() if key not in COMPOSITION | WORDS | {*OF_THE_WHOLE}}
    if "x-extensible-enum" in rest:
        rest["x-extensible-enum"] = [json.dumps(value, sort_keys=True) for value in rest["x-extensible-enum"]]
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    types = schema.get("type", [] if values is None else [kind_of(value) for value in values])
    kinds = dict.fromkeys([types] if isinstance(types, str) else types)
    if schema.get("nullable") and kinds:
        kinds["null"] = None
    if values is None:
        return [_plain(kind, rest) for kind in kinds or [ANYTHING]]
    of = {kind: frozenset(Value(json.dumps(v, sort_keys=True)) for v in values if is_of(kind, v)) for kind in kinds}
    return [_plain(kind, rest | ({"enum": of[kind]} if kind != "null" else {})) for kind in kinds if of[kind]]


def kind_of(value: object) -> str:
    """The JSON type of a value."""
    if isinstance(value, bool):
        return "boolean"
    kinds: dict[type, str] = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def is_of(kind: str, value: object) -> bool:
    """Whether a value is of a JSON type. Every integer is a number."""
    return kind_of(value) == kind or (kind == "number" and kind_of(value) == "integer")


def _plain(kind: str, keywords: Json) -> Alternative:
    """Without keywords that say nothing of this type, and without those that only repeat the default."""
    others = [
        words for other, words in KINDS.items() if kind not in (ANYTHING, other, {"number": "integer"}.get(other))
    ]
    nothing = {"minLength": 0, "minItems": 0, "minProperties": 0, "uniqueItems": False}
    foreign = frozenset().union(*others)
    kept = {k: v for k, v in keywords.items() if k not in foreign and not (k in nothing and nothing[k] == v)}
    if kind in ("null", "boolean"):
        kept.pop("format", None)
    return Alternative(kind, None, kept)


def _named(name: str, found: list[Alternative]) -> list[Alternative]:
    """With the name of the component. Of one that is a choice, each alternative keeps its own name."""
    alone = len(found) == 1
    return [Alternative(each.kind, name if alone else each.name or name, each.keywords) for each in found]


def _both(one: Alternative, other: Alternative) -> Alternative | None:
    """What both allow; None if that is nothing."""
    if {one.kind, other.kind} == {"integer", "number"}:
        kind = "integer"
    elif ANYTHING in (one.kind, other.kind) or one.kind == other.kind:
        kind = other.kind if one.kind == ANYTHING else one.kind
    else:
        return None
    keywords = dict(one.keywords)
    for key, value in other.keywords.items():
        keywords[key] = _narrower(key, keywords[key], value) if key in keywords else value
    if keywords.get("enum") == frozenset():
        return None
    return Alternative(kind, one.name or other.name, _plain(kind, keywords).keywords)


def _narrower(key: str, one: Any, other: Any) -> Any:
    """What a keyword says when two members of `allOf` have it."""
    if one == other:
        said: Any = one
    elif key in LOWER | UPPER:
        said = max(one, other) if key in LOWER else min(one, other)
    elif key == "enum":
        said = one & other
    elif key in UNITED:
        said = [*one, *(each for each in other if each not in one)]
    elif key in ("properties", "patternProperties"):
        shared = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
        said = one | other | shared
    elif key in ("items", "additionalProperties", "propertyNames"):
        said = {"allOf": [one, other]}
    else:
        said = f"{json.dumps(one, sort_keys=True)} and {json.dumps(other, sort_keys=True)}"
    return said


def _distinct(found: Iterable[Alternative]) -> list[Alternative]:
    """Each once. Enumerations that differ in their values alone are one, as in `anyOf` of constants."""
    merged: dict[str, Alternative] = {}
    for each in found:
        rest = {key: value for key, value in each.keywords.items() if key != "enum"}
        key = json.dumps([each.kind, each.name, each.values is None, rest], sort_keys=True)
        known = merged.get(key, each)
        values = {"enum": known.values | each.values} if known.values and each.values else {}
        merged[key] = Alternative(each.kind, each.name, each.keywords | values)
    return _with_open_values(list(merged.values()))


def _with_open_values(found: list[Alternative]) -> list[Alternative]:
    """An enumeration beside the same type without one is open: it tells values that are known, among others."""
    rest = {id(each): {k: v for k, v in each.keywords.items() if k != "enum"} for each in found}
    free = [each for each in found if each.values is None]
    closed = [each for each in found if each.values is not None]
    opened = []
    for each in free:
        known = [other for other in closed if other.kind == each.kind and rest[id(other)] in ({}, each.keywords)]
        closed = [other for other in closed if other not in known]
        values = sorted(value.json for other in known for value in other.values or ())
        told = {"x-extensible-enum": values} if values else {}
        opened.append(Alternative(each.kind, each.name, each.keywords | told))
    return closed + opened
