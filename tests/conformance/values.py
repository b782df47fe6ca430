"""Values of columns and fields: some of each type to store, what Python says of them, and what no server likes."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import TypeAdapter

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When rows of the tests were made or deleted."""

SAME = ("eq", "ne", "in")
ORDERED = (*SAME, "lt", "lte", "gt", "gte")
TEXT = (*ORDERED, "contains")

OPERATORS: Mapping[type, tuple[str, ...]] = {
    **dict.fromkeys((bool, UUID, Enum), SAME),
    **dict.fromkeys((int, float, Decimal, date, datetime, time, timedelta), ORDERED),
    str: TEXT,
    list: ("contains", "overlaps"),
    dict: ("contains",),
}
"""The filters that a field has, by its type (docs/guide/paging.md)."""


def _contains(value: Any, given: Any) -> bool:
    """Text in any case, a list all elements, an object all members (as PostgreSQL's `@>`)."""
    if isinstance(value, str):
        return str(given).lower() in value.lower()
    if isinstance(value, dict):
        return all(name in value and _contains(value[name], one) for name, one in given.items())
    return all(one in value for one in given) if isinstance(value, list) else bool(value == given)


HOLDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, given: bool(value == given),
    "ne": lambda value, given: bool(value != given),
    "in": lambda value, given: value in given,
    "lt": lambda value, given: value is not None and value < given,
    "lte": lambda value, given: value is not None and value <= given,
    "gt": lambda value, given: value is not None and value > given,
    "gte": lambda value, given: value is not None and value >= given,
    "contains": lambda value, given: value is not None and _contains(value, given),
    "overlaps": lambda value, given: value is not None and any(one in value for one in given),
}
"""What each operator means. Of a null, only `ne` holds."""

SAMPLES: Mapping[type, tuple[Any, ...]] = {
    bool: (False, True),
    float: (-1.5, 0.0, 2.25),
    Decimal: (Decimal(-1), Decimal(0), Decimal(7)),
    int: (-1, 0, 7),
    date: (date(2026, 1, 1), date(2026, 1, 2), date(2026, 2, 1)),
    datetime: (NOON, NOON + timedelta(microseconds=1), NOON + timedelta(days=1)),
    time: (time(0, 0), time(12, 30), time(23, 59, 59)),
    timedelta: (timedelta(0), timedelta(seconds=90), timedelta(days=3)),
    str: ("ka", "kb", "kc"),
    dict: ({}, {"a": "ka"}, {"a": "ka", "b": "kb"}),
}
"""Values to store, by their types. Text of small letters alone, which every collation puts in Python's order."""

FORMATTED: Mapping[type, tuple[Any, ...]] = {
    str: ("https://example.org/another", "another@example.org"),
    UUID: (UUID("0198a5b0-6f00-7000-8000-00000000000f"),),
}
"""More values to send, which fields with a format take. They are in no order that is tested."""

ROWS = 9


def samples(annotation: Any, *, is_unique: bool, every: int = 1) -> list[Any]:
    """A value of this type for each of ROWS rows: with ties, and with nulls where there may be. The next value comes
    every so many rows. Empty of a type whose values cannot be made up, such as a reference.
    """
    kind = plain(annotation)
    nulls: list[Any] = [None] if takes_null(annotation) else []
    if is_unique:
        return [*(f"k{letter}" for letter in "hagfbecd"), *(nulls or ["ki"])] if kind is str else []
    some = [*kind] if type_of(annotation) is Enum else SAMPLES.get(type_of(annotation), ())
    if get_origin(kind) is list:
        elements = samples(get_args(kind)[0], is_unique=False)
        some = [elements[:count] for count in range(len(elements[:4]))]
    values = [*some, *nulls]
    return [values[n // every % len(values)] for n in range(ROWS)] if some else []


def plain(annotation: Any) -> Any:
    """`str` of `str | None`."""
    if get_origin(annotation) not in {Union, UnionType}:
        return annotation
    return next(kind for kind in get_args(annotation) if kind is not NoneType)


def type_of(annotation: Any) -> Any:
    """The same, with `Enum` for every enumeration, and `list` for every list."""
    kind = get_origin(plain(annotation)) or plain(annotation)
    return Enum if isinstance(kind, type) and issubclass(kind, Enum) else kind


def takes_null(annotation: Any) -> bool:
    return NoneType in get_args(annotation)


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def parsed(annotation: Any, value: Any) -> Any:
    """A member of a document, as Python compares it."""
    return _adapter(annotation).validate_json(json.dumps(value))


def written(value: Any) -> str:
    """A value of a document, as it stands in a query."""
    if isinstance(value, list):
        return ",".join(map(written, value))
    return value if isinstance(value, str) else json.dumps(value)


def placed(value: Any) -> tuple[Any, ...]:
    """The place of a value in an order: null is greater than all else."""
    return (1,) if value is None else (0, value)


HOSTILE = (
    *('"Grüße „alle“ 🎉"', '"e\u0301"', '"ﷺ ﬁ ①"'),
    *('"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"', '"\\u202e\\ufeff"', '"\\r\\n"', '""', '"   "'),
    *("-1", "0", "0.1", "1e400", "-1e400", "9223372036854775808", str(10**400), "1" * 5000, "NaN", "Infinity", "-0.0"),
    *('"0000-00-00"', '"0001-01-01"', '"9999-12-31"', '"10000-01-01"', '"2026-02-30"', '"-infinity"', '"now"'),
    *('"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2026-01-01T24:00:00Z"', '"2026-01-01T00:00:00"'),
    *("true", "null", "[]", "{}", "[null]", '{"a": 1}', "[" * 100 + "]" * 100, '[[["x"]]]'),
    *(
        json.dumps("x" * 10_240),
        json.dumps("😀" * 10_240),
        json.dumps("e\u0301" * 5_000),
        json.dumps("'; DROP TABLE x; --"),
    ),
    *(
        '"P99999999999Y"',
        '"P1D"',
        '"25:00"',
        '"http://"',
        '"javascript:alert(1)"',
        '"@"',
        '"00000000-0000-0000-0000-000000000000"',
    ),
)
"""Values that some server somewhere did not survive, as they are spelled in JSON."""
