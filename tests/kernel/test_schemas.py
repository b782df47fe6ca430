"""The types that request bodies are made of."""

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.manifest import discover
from shared.schemas import Date, Input, Key, Line

discover()  # Imports every module's schemas.


def taken(type, value):
    return TypeAdapter(type).validate_python(value)


class TestALine:
    @pytest.mark.parametrize("text", ["x", "é" * 200, "a b", "‎العربية", "👩‍👧", "नमस्ते"])
    def test_takes_text_of_every_script(self, text):
        assert taken(Line, text) == text

    def test_loses_the_white_space_around_it(self):
        assert taken(Line, "\n  x\t\u2028") == "x"

    @pytest.mark.parametrize(
        "text", ["a\nb", "a\rb", "a\tb", "a\0b", "\x1b[0mx", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b"]
    )
    def test_has_no_control_characters(self, text):
        with pytest.raises(ValidationError):
            taken(Line, text)

    @pytest.mark.parametrize("text", ["", " ", "\u00a0\u2003", "\u200b", "\u2060\ufeff", "\u200d \u200e", "\u00ad"])
    def test_shows_something(self, text):
        with pytest.raises(ValidationError):
            taken(Line, text)


class TestAKey:
    @pytest.mark.parametrize("text", ["x", " 42 ", " ", "crm/42", "\u200b", "x" * 200])
    def test_is_taken_exactly_as_sent(self, text):
        assert taken(Key, text) == text

    @pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "\x1b", "a\0b", "\ud800", 42])
    def test_is_short_and_has_no_control_characters(self, text):
        with pytest.raises(ValidationError):
            taken(Key, text)


class TestADate:
    def test_is_a_full_date(self):
        assert taken(Date, "2026-12-31").isoformat() == "2026-12-31"

    @pytest.mark.parametrize(
        "value", [0, 1.5, True, "0", "", "2026-1-1", "2026-01-01T00:00:00Z", "٢٠٢٦-٠١-٠١", "2026-02-30", "2026-01-01\n"]
    )
    def test_is_nothing_else(self, value):
        with pytest.raises(ValidationError):
            taken(Date, value)


def inputs(base=Input):
    for schema in base.__subclasses__():
        yield schema
        yield from inputs(schema)


SAMPLES: dict[str, list[object]] = {
    "string": ["off", "0", "1"],
    "integer": [0, 1, 10**30],
    "number": [0.5],
    "boolean": [True, False],
    "array": [[]],
    "object": [{}],
}
BODIES = [schema for schema in inputs() if schema.__module__.startswith("modules.") and schema.model_fields]


class TestEveryBody:
    @pytest.mark.parametrize("schema", BODIES, ids=lambda schema: schema.__name__)
    def test_takes_no_other_json_type_than_it_says(self, schema):
        """FastAPI hands over Python objects, and pydantic would make a date of a 0 and a boolean of an "off"."""
        document = schema.model_json_schema()
        for field, declared in document["properties"].items():
            types = set(_types(declared, document))
            assert types, json.dumps(declared)
            for type, values in SAMPLES.items():
                if type not in types and not (type == "integer" and "number" in types):
                    for value in values:
                        assert field in _wrong(schema, {field: value}), (field, value)


def _types(declared, document):
    if "$ref" in declared:
        yield from _types(document["$defs"][declared["$ref"].rpartition("/")[2]], document)
    for option in declared.get("anyOf", []):
        yield from _types(option, document)
    if "type" in declared:
        yield declared["type"]


def _wrong(schema, body):
    try:
        schema.model_validate(body)
    except ValidationError as error:
        return {found["loc"][0] for found in error.errors()}
    return set()
