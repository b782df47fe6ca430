"""How much JSON a request may hold, checked before it is parsed: to parse, validate and report a value costs a hundred
times what it costs to send it.
"""

import re

MOST_VALUES = 20_000
"""Of a body. A batch of 100 operations with 100 ids each has 11,000; to refuse as many unknown fields takes 10 ms."""
DEEPEST = 100
"""How deep a value may be nested; without this limit, Python's stack is the limit."""

TOO_COMPLEX = {
    "type": "too_complex",
    "loc": ("body",),
    "msg": f"Input should have fewer values, and be at most {DEEPEST} levels deep",
}
"""What is wrong with such a body, as pydantic tells its errors."""

_TEXT = re.compile(rb'"[^"]*"?')
"""A string without escapes. One that never closes matches to the end: otherwise the search would begin anew at each
quote in it, and 900 kB of quotes would take an hour.
"""
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def is_too_complex(content: bytes, most_values: int = MOST_VALUES) -> bool:
    """Whether the JSON has more than `most_values` values, or is nested too deeply. The parser refuses malformed JSON.

    It counts the characters that end a value. The first count includes those within strings: it is never too low, and
    clears most bodies. Only the other bodies are counted again, without their strings.
    """
    if content.count(b"[") + content.count(b"{") <= DEEPEST and _values(content) <= most_values:
        return False
    most_texts = 2 * most_values  # Each value may be one, and have another for its name.
    outline, texts = _TEXT.subn(b"", content.replace(rb"\\", b"").replace(rb"\"", b""), most_texts + 1)
    return texts > most_texts or _values(outline) > most_values or _is_too_deep(outline)


def _values(content: bytes) -> int:
    return 1 + content.count(b",") + content.count(b"]") + content.count(b"}")


def _is_too_deep(outline: bytes) -> bool:
    """Brackets that never close are left to the parser, which refuses them."""
    depth = deepest = 0
    for bracket in outline.translate(None, _NO_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return depth == 0 and deepest > DEEPEST
