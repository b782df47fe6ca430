"""Exact types: what Pydantic takes for a plain type is narrowed to one spelling, and to what a column holds.

A seam: Pydantic does not promise the shape of its core schemas. tests/seams/test_pydantic.py tells when a release
changes it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from shared import values

_Node = dict[str, Any]
_OPAQUE = {"default", "metadata", "serialization", "function", "config", "computed_fields"}
"""The parts of a core schema that hold no schemas of input."""


def _each(schema: Any, changes: Mapping[str, Callable[[_Node], _Node]]) -> Any:
    """The core schema with each node changed as its type says. What one of our validators checks stays."""
    if isinstance(schema, list):
        return [_each(part, changes) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if str(kind).startswith("function-") and schema["function"]["function"] in values.SPELLINGS:
        return schema
    if isinstance(kind, str) and kind in changes:
        return changes[kind](schema)
    return {name: part if name in _OPAQUE else _each(part, changes) for name, part in schema.items()}


def _spelt(spelling: values.Spelling) -> Callable[[_Node], _Node]:
    return lambda node: dict(core_schema.no_info_wrap_validator_function(spelling, node))


def _of_integer(node: _Node) -> _Node:
    lower = {} if node.keys() & {"ge", "gt"} else {"ge": -(2**31)}
    upper = {} if node.keys() & {"le", "lt"} else {"le": 2**31 - 1}
    return {**node, **lower, **upper, "strict": True}


def _described(describe: Callable[[_Node], _Node]) -> Callable[[_Node], _Node]:
    """The node, with the JSON schema that the function makes of it."""

    def changed(node: _Node) -> _Node:
        metadata = {"pydantic_js_functions": [lambda _schema, _handler: describe(node)]}
        return {**node, "metadata": {**node.get("metadata", {}), **metadata}}

    return changed


def _digits(node: _Node) -> _Node:
    places = min(node.get("decimal_places", values.MOST_DIGITS), values.MOST_DIGITS)
    whole = min(max(node["max_digits"] - places, 1), values.MOST_DIGITS) if "max_digits" in node else values.MOST_DIGITS
    fraction = rf"(\.[0-9]{{1,{places}}})?" if places else ""
    return {"type": "string", "format": "decimal", "pattern": f"^-?[0-9]{{1,{whole}}}{fraction}$"}


_PERIOD = core_schema.plain_serializer_function_ser_schema(values.period_text, when_used="json")
_TOLD: Mapping[str, Callable[[_Node], _Node]] = {
    "decimal": _described(_digits),
    "time": _described(lambda _: {"type": "string", "format": "time-local"}),
}
_EXACT: Mapping[str, Callable[[_Node], _Node]] = {
    "any": lambda node: dict(core_schema.no_info_after_validator_function(values.storable_json, node)),
    "bool": lambda node: {**node, "strict": True},
    "date": _spelt(values.date),
    "datetime": _spelt(values.instant),
    "decimal": lambda node: _spelt(values.decimal)(_TOLD["decimal"](node)),
    "float": lambda node: {**node, "strict": True, "allow_inf_nan": False},
    "int": _of_integer,
    "str": lambda node: dict(core_schema.no_info_after_validator_function(values.storable, node)),
    "time": lambda node: _spelt(values.time)(_TOLD["time"](node)),
    "timedelta": lambda node: _spelt(values.duration)({**node, "serialization": _PERIOD}),
}
_HELD = {
    *_EXACT,
    *("model", "model-fields", "model-field", "default", "nullable", "union", "tagged-union", "definitions"),
    *("definition-ref", "list", "tuple", "dict", "enum", "literal", "uuid", "none", "chain", "json-or-python"),
    *("lax-or-strict", "function-before", "function-after", "function-wrap", "function-plain"),
}
"""The types of nodes that a request may have."""


class Exactly:
    """A base of request schemas, and in an `Annotated`: each type within is as `Input` says.

    Raises TypeError for a schema with what no column holds, or with a schema within that is not exact.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: CoreSchema = handler(source)
        for name, field in _fields(schema).items():
            for kind in _unfit(field, handler):
                raise TypeError(
                    f"{source.__name__}.{name} has a {kind}, which no request can have: a schema within another is an "
                    "Input, several values are a list, a URL is a Url."
                )
        found: CoreSchema = _each(schema, _EXACT)
        return found


class Told:
    """A base of documents, and in an `Annotated`: the OpenAPI document says of decimal numbers and times what Pydantic
    does not.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        found: CoreSchema = _each(handler(source), _TOLD)
        return found


def _fields(schema: Any) -> _Node:
    while "fields" not in schema and "schema" in schema:
        schema = schema["schema"]
    return cast("_Node", schema.get("fields", {}))


def _unfit(schema: Any, handler: GetCoreSchemaHandler) -> Iterator[str]:
    """What a request must not have, by name."""
    if isinstance(schema, list):
        for part in schema:
            yield from _unfit(part, handler)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "definition-ref":
        with suppress(LookupError):  # The class that is being made, within itself.
            yield from _unfit(handler.resolve_ref_schema(cast("CoreSchema", schema)), handler)
    elif kind == "model":
        if not issubclass(schema["cls"], Exactly):
            yield schema["cls"].__name__
    elif isinstance(kind, str) and kind not in _HELD:
        yield f"{kind} {schema['cls'].__name__}" if "cls" in schema else kind
    else:
        for name, part in schema.items():
            yield from () if name in _OPAQUE else _unfit(part, handler)
