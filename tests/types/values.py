"""Values of each type: what a document shows of them, in ascending order, and what is none of them."""

from typing import Any

_FAR = "9" * 40 + "." + "9" * 40

GOOD: dict[str, list[Any]] = {
    "line": ["a", "b", "é, \"x\" 'y' \\"],
    "prose": ["a\nb", "b", "é\r\n\t, 👩‍👧"],
    "at": ["0001-01-01T00:00:00+00:00", "2026-01-01T12:00:00.5+00:00", "9999-12-31T23:59:59.999999+00:00"],
    "day": ["0001-01-01", "2026-02-28", "9999-12-31"],
    "clock": ["00:00:00", "12:30:00.5", "23:59:59.999999"],
    "price": ["-9999999999.99", "0.10", "9999999999.99"],
    "amount": [f"-{_FAR}", "0.0000000000000000000000001", "12.50", _FAR],
    "period": ["-P999999999D", "-PT0.000001S", "PT0S", "P1DT2H30M", "P400D", "P999999999DT23H59M59.999999S"],
    "flag": [False, True],
    "small": [-(2**15), 0, 2**15 - 1],
    "number": [-(2**31), 0, 2**31 - 1],
    "big": [-(2**63), 2**53 + 1, 2**63 - 1],
    "ratio": [-1.7976931348623157e308, 5e-324, 0.1, 1e22],
    "shade": ["dark", "light"],
    "reference": ["00000000-0000-0000-0000-000000000000", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"],
    "settings": [{}, {"a": None, "é": [1, {"b": True}], "c": "x, y"}, {"a": 1.5e10, "big": 2**70}],
    "labels": [[], ["a", "b"], ["b", 'x, "y"', ""]],
    "shades": [[], ["dark"], ["light", "dark"]],
    "link": ["http://example.com/", "https://user@example.com:8080/a?b=c#d"],
    "mail": ["ada@example.com", "grace@example.com"],
}

NO_TEXT: list[Any] = [1, True, [], {}]
NO_NUMBER: list[Any] = ["1", True, [], {}, ""]
BAD: dict[str, list[Any]] = {
    "line": [*NO_TEXT, "", "a\nb", "a\0", "\ud800", "x" * 201],
    "prose": [*NO_TEXT, "a\0b", "\udfff"],
    "at": [*NO_TEXT, "2026-01-01", "2026-01-01T12:00:00", "0001-01-01T00:00:00+00:01", "2026-02-30T12:00:00Z", "1"],
    "day": [*NO_TEXT, "2026-02-30", "2026-1-1", "2026-01-01T00:00:00Z", "0", "10000-01-01"],
    "clock": [*NO_TEXT, "24:00:00", "12:30", "12:30:00Z", "12:30:00+01:00", "12:30:60", "12:30:00.1234567", "45000"],
    "price": [*NO_TEXT, 1.5, "1e2", "NaN", "Infinity", "1.005", "10000000000", " 1", "+1", "1_0", ".5", "1.", "١"],
    "amount": [*NO_TEXT, 1.5, "1e400", "sNaN", "-", "1" * 41, "0." + "1" * 41],
    "period": [*NO_TEXT, "P1Y", "P1M", "P1W", "P", "PT", "P1DT", "1:30:00", "P1000000000D", "pt1h", "PT1.5H", "3600"],
    "flag": ["true", "false", "on", 0, 1, "", [], {}],
    "small": [*NO_NUMBER, 2**15, -(2**15) - 1, 1.0, 0.5],
    "number": [*NO_NUMBER, 2**31, -(2**31) - 1, 1.0, 10**400],
    "big": [*NO_NUMBER, 2**63, -(2**63) - 1, 1e3],
    "ratio": [*NO_NUMBER, "NaN", "Infinity", 10**400],
    "shade": [*NO_TEXT, "red", "DARK", ""],
    "reference": [*NO_TEXT, "x", "", "017f22e2-79b0-7cc3-98c4-dc0c0c07398"],
    "settings": ["{}", 1, True, [], {"a\0": 1}, {"a": ["\0"]}, {"\ud800": 1}, {"a": "x" * 100_000}, {"a": 2**5000}],
    "labels": ["a", 1, {}, [1], [None], ["a\0"], ["\ud800"], [["a"]]],
    "shades": ["dark", 1, {}, ["red"], [None], [1]],
    "link": [
        *NO_TEXT,
        "x",
        "ftp://x",
        "http:x",
        "http://",
        "http://a b",
        "javascript:alert(1)",
        "http://x/" + "a" * 2000,
    ],
    "mail": [*NO_TEXT, "x", "a@", "a@b c", "a@example.com\n", "a" * 250 + "@example.com"],
}

WORDS: dict[str, dict[str, Any]] = {
    "line": {"type": "string", "minLength": 1, "maxLength": 200},
    "prose": {"type": "string"},
    "at": {"type": "string", "format": "date-time"},
    "day": {"type": "string", "format": "date"},
    "clock": {"type": "string", "format": "time-local"},
    "price": {"type": "string", "format": "decimal", "pattern": r"^-?[0-9]{1,10}(\.[0-9]{1,2})?$"},
    "amount": {"type": "string", "format": "decimal", "pattern": r"^-?[0-9]{1,40}(\.[0-9]{1,40})?$"},
    "period": {"type": "string", "format": "duration"},
    "flag": {"type": "boolean"},
    "small": {"type": "integer", "minimum": -(2**15), "exclusiveMaximum": 2**15},
    "number": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "big": {"type": "integer", "format": "int64", "minimum": -(2**63), "exclusiveMaximum": 2**63},
    "ratio": {"type": "number"},
    "shade": {"$ref": "#/components/schemas/Shade"},
    "reference": {"type": "string", "format": "uuid"},
    "settings": {"type": "object", "additionalProperties": True},
    "labels": {"type": "array", "items": {"type": "string"}},
    "shades": {"type": "array", "items": {"$ref": "#/components/schemas/Shade"}},
    "link": {"type": "string", "format": "uri", "maxLength": 2000},
    "mail": {"type": "string", "format": "email", "maxLength": 254},
}
"""What the OpenAPI document says of each in a request."""

EQUALITY, ORDER = {"eq", "ne", "in"}, {"lt", "lte", "gt", "gte"}
OPERATORS: dict[str, set[str]] = {
    name: EQUALITY | ORDER | ({"contains"} if name in {"line", "prose", "link", "mail"} else set()) for name in GOOD
} | {
    **dict.fromkeys(("flag", "shade", "reference"), EQUALITY),
    "settings": {"contains"},
    "labels": {"contains", "overlaps"},
    "shades": {"contains", "overlaps"},
}
