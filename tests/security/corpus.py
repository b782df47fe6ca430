"""What no client should send: texts that some server somewhere did not survive."""

import json
from collections.abc import Iterator

from tests.conformance.values import HOSTILE

JSON_VALUES = HOSTILE
"""As they are spelled in JSON, texts and others."""


def _texts() -> Iterator[str]:
    yield from (text for value in HOSTILE if value.startswith('"') and isinstance(text := json.loads(value), str))
    yield from (chr(code) for code in (*range(32), *range(127, 160)))
    yield from (f"a{chr(code)}b" for code in (0, 9, 10, 13, 27, 127, 0x85, 0xA0, 0xAD, 0x2028, 0x2029, 0xFEFF, 0xFFFD))
    # Half a pair, what is no character, and what turns, joins or hides its neighbours.
    yield from (chr(code) for code in (0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xFDD0, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF))
    yield from (chr(code) for code in (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
    yield from ("e" + "\u0301" * 50, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0130\u0131\u017f\u212a", "ß" * 99)
    yield from (quote + attack for quote in ("", "'", '"', "')", "';") for attack in _STATEMENTS)
    yield from (f"{start}{attack}" for start in ("", "%0d%0a", "../" * 9) for attack in _ELSEWHERE)
    yield from _NUMBERS
    yield from (f"{sign}{number}" for sign in ("-", "+", " ", "0x") for number in _NUMBERS)
    yield from _TIMES
    yield from ("x" * length for length in (1, 2, 63, 64, 199, 200, 201, 255, 256, 1000, 3999, 4001))
    yield from (mark * 200 for mark in ",;:.[](){}<>&=%+*?!/\\|~^$#@_-")
    yield from (f"{one},{two}" for one in _WORDS for two in _WORDS)


_STATEMENTS = (
    *(" OR 1=1 --", "; DROP TABLE users; --", " UNION SELECT password_hash FROM users --", "; SELECT pg_sleep(9) --"),
    *("||pg_sleep(9)--", "/**/OR/**/1=1", " AND (SELECT 1 FROM pg_sleep(9)) IS NULL", "$$ OR 1=1 $$", "\\' OR 1=1 --"),
)
_ELSEWHERE = (
    *("etc/passwd", "Set-Cookie: a=b", "<script>alert(1)</script>", "javascript:alert(1)", "{{7*7}}", "${7*7}", "%s%n"),
    *("$(reboot)", "`reboot`", "| reboot", "<!ENTITY x SYSTEM 'file:///etc/passwd'>", "*)(uid=*", "http://127.0.0.1/"),
    *("file:///etc/passwd", "__proto__", "constructor", "a[b]=c", "a=b&c=d", "\\\\host\\share", "%00", "%ff", "%u0000"),
)
_NUMBERS = (
    *("0", "1", "32768", "2147483648", "4294967296", "9007199254740993", "9223372036854775808", "1e400", "1e-400"),
    *("0.1", "0.10", "1.", ".5", "1_000", "1,5", "٣", "Ⅷ", "½", "NaN", "Infinity", "9" * 400, "0" * 400, "00", "1e2"),
)
_TIMES = (
    *("0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2026-1-1", "20260101", "today", "epoch"),
    *("2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "2026-01-01 00:00:00Z", "2026-W01-1", "2026-01-01T00:00:00.9999999999Z"),
)
_WORDS = ("", "null", "true", "False", "undefined", "*", "id", "-created_at", "latest")

TEXTS = tuple(dict.fromkeys(_texts()))
