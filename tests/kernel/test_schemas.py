"""The types that request bodies are made of."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
from pydantic import AwareDatetime, BaseModel, Field, HttpUrl, TypeAdapter, ValidationError, create_model

from shared.manifest import discover
from shared.schemas import Date, Input, Instant, Key, Line

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

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


class Meeting(Input):
    """Declared by somebody who has not heard of Instant."""

    at: datetime
    ends_at: Instant | None = None
    others: list[AwareDatetime] = Field(default_factory=list)
    by_name: dict[str, datetime | None] = Field(default_factory=dict)
    late: Annotated[datetime, Field(ge=NOON)] = NOON


class TestAnInstant:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-01-01T12:00:00Z", NOON),
            ("2026-01-01t12:00:00z", NOON),
            ("2026-01-01 14:30:00+02:30", NOON),
            ("2026-01-01T12:00:00-00:00", NOON),
            ("2026-01-01T12:00:00.000000999Z", NOON),
            ("2025-12-31T12:01:00-23:59", NOON),
            ("0001-01-01T00:00:00Z", datetime.min.replace(tzinfo=UTC)),
            ("0001-01-01T23:59:00+23:59", datetime.min.replace(tzinfo=UTC)),
            ("9999-12-31T23:59:59.999999999Z", datetime.max.replace(tzinfo=UTC)),
            ("9999-12-31T00:00:59.999999-23:59", datetime.max.replace(tzinfo=UTC)),
        ],
    )
    def test_is_a_date_and_time_with_an_offset_and_becomes_one_of_utc(self, text, expected):
        found = taken(Instant, text)
        assert (found, found.utcoffset()) == (expected, timedelta(0))

    NONE: tuple[object, ...] = (
        *(
            "0001-01-01T00:00:00+23:59",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-23:59",
            "0000-12-31T23:59:00Z",
        ),
        *("10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "+2026-01-01T00:00:00Z", "2026-01-01T24:00:00Z"),
        *("2026-06-30T23:59:60Z", "2026-02-29T00:00:00Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+23:60"),
        *("2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00Z", "2026-01-01_00:00:00Z", "2026-01-01T00:00:00,5Z"),
        *("2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+0000", "20260101T000000Z", "٢٠٢٦-01-01T00:00:00Z", " ", ""),
        *("2026-01-01T00:00:00Z\n", " 2026-01-01T00:00:00Z", "infinity", "now", "NaN", "1e3", "-0", "0", "1767225600"),
        *(0, -0.0, 1e3, 1e400, 10**30, True, None, [], {}),
    )

    @pytest.mark.parametrize("value", NONE, ids=repr)
    def test_is_nothing_else(self, value):
        with pytest.raises(ValidationError):
            taken(Instant, value)

    @pytest.mark.parametrize("value", NONE, ids=repr)
    def test_is_what_every_datetime_of_a_body_is(self, value):
        for place in ({"at": value}, {"others": [value]}, {"late": value}):
            with pytest.raises(ValidationError):
                taken(Meeting, {"at": "2026-01-01T12:00:00Z"} | place)
        if value is not None:
            for place in ({"ends_at": value}, {"by_name": {"x": value}}):
                with pytest.raises(ValidationError):
                    taken(Meeting, {"at": "2026-01-01T12:00:00Z"} | place)

    def test_in_a_body_keeps_its_bounds_and_its_place_in_the_document(self):
        assert taken(Meeting, {"at": "2026-01-01T13:00:00+01:00"}).at == NOON
        with pytest.raises(ValidationError):
            taken(Meeting, {"at": "2026-01-01T12:00:00Z", "late": "2026-01-01T11:59:59Z"})
        declared = Meeting.model_json_schema()["properties"]
        assert declared["at"] == {"format": "date-time", "title": "At", "type": "string"}
        assert declared["ends_at"]["anyOf"] == [{"format": "date-time", "type": "string"}, {"type": "null"}]


@dataclass
class Point:
    at: datetime


class Lax(BaseModel):
    at: datetime


class Pair(NamedTuple):
    at: datetime


class TestAFieldOfABody:
    @pytest.mark.parametrize(
        ("form", "named"),
        [
            (Point, "dataclass Point"),
            (Lax, "Lax"),
            (list[Lax] | None, "Lax"),
            (dict[str, Point], "dataclass Point"),
            (Pair, "Pair"),
            (set[int], "set"),
            (frozenset[str], "frozenset"),
            (HttpUrl, "url"),
            (bytes, "bytes"),
            (complex, "complex"),
            (Path, "Path"),
        ],
        ids=str,
    )
    def test_is_nothing_that_would_not_be_checked_or_that_no_column_holds(self, form, named):
        """Within a dataclass or another model, Pydantic would go on to take seconds for a datetime."""
        with pytest.raises(TypeError, match=rf"Schema\.value has a .*{named}.*, which no request can have"):
            create_model("Schema", __base__=Input, value=(form, ...))

    @pytest.mark.parametrize("text", ["PT0S", "P400D", "-P1DT2H0.25S", "PT0.000001S", "P999999999DT23H59M59.999999S"])
    def test_that_is_a_duration_is_dumped_as_it_is_sent(self, text):
        """Pydantic would write 400 days as a year and 35 days, which are other days to PostgreSQL."""
        schema = create_model("Schema", __base__=Input, value=(timedelta, ...))
        assert schema.model_validate({"value": text}).model_dump(mode="json") == {"value": text}

    def test_may_be_an_input_or_the_body_itself(self):
        class Node(Input):
            at: datetime
            inner: "list[Node] | None" = None

        assert Node.model_validate({"at": "2026-01-01T12:00:00Z", "inner": [{"at": "2026-01-01T12:00:00Z"}]})
        with pytest.raises(ValidationError):
            Node.model_validate({"at": "2026-01-01T12:00:00Z", "inner": [{"at": 0}]})

    @pytest.mark.parametrize(
        ("form", "good", "bad"),
        [
            (Annotated[Decimal, Field(ge=0)], "0.5", "-0.5"),
            (Annotated[timedelta, Field(gt=timedelta(0))], "PT1S", "PT0S"),
            (Annotated[time, Field(ge=time(8))], "08:00:00", "07:59:59"),
            (Annotated[date, Field(le=date(2026, 1, 1))], "2026-01-01", "2026-01-02"),
            (Annotated[int, Field(ge=1)], 2**31 - 1, 2**31),
            (Annotated[int, Field(lt=2**40)], 2**40 - 1, 2**40),
            (Annotated[float, Field(le=1)], 1, 1.5),
            (Annotated[str, Field(min_length=2)], "ab", "a"),
            (list[bool], [True], [1]),
            (dict[str, Decimal], {"a": "1"}, {"a": 1}),
            (dict[str, Any], {"a": {"b": "x"}}, {"a": {"b": "\0"}}),
        ],
        ids=str,
    )
    def test_keeps_its_bounds(self, form, good, bad):
        schema = create_model("Schema", __base__=Input, value=(form, ...))
        schema.model_validate({"value": good})
        with pytest.raises(ValidationError):
            schema.model_validate({"value": bad})


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
