"""How much JSON a request may hold, told before it is parsed: what a value costs to parse, validate and complain about
is a hundred times what it costs to send.
"""

import re

MOST_VALUES = 20_000
"""Of a body. A batch of 100 operations with 100 ids each has 11,000; to refuse as many unknown fields takes 10 ms."""
MOST_LINE_VALUES = 2_000
"""Of a line of an import, which is one resource."""
DEEPEST = 100
"""How many objects and arrays a value may be within; Python's own limit is that of its stack."""

TOO_COMPLEX = "too_complex"
MESSAGE = f"Input should have fewer values, and be at most {DEEPEST} levels deep"

_TEXT = re.compile(rb'"[^"]*"?')
"""Without escapes. One that never closes goes to the end: were it no match, each quote in it would be the start of
another look, and 900 kB of them would take an hour.
"""
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def is_too_complex(content: bytes, most_values: int = MOST_VALUES) -> bool:
    """Whether it has more values than so many, or is too deep. Where it is no JSON, the parser may be left to say so.

    It counts the characters that end a value. Those in texts are counted first as well: that is never too few, and
    clears most bodies. Only the others are counted again without their texts.
    """
    if content.count(b"[") + content.count(b"{") <= DEEPEST and _values(content) <= most_values:
        return False
    most_texts = 2 * most_values  # Each value may be one, and have another for its name.
    outline, texts = _TEXT.subn(b"", content.replace(rb"\\", b"").replace(rb"\"", b""), most_texts + 1)
    return texts > most_texts or _values(outline) > most_values or _is_too_deep(outline)


def _values(content: bytes) -> int:
    return 1 + content.count(b",") + content.count(b"]") + content.count(b"}")


def _is_too_deep(outline: bytes) -> bool:
    """A parser gives up by itself on what opens and never closes."""
    depth = deepest = 0
    for bracket in outline.translate(None, _NO_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return depth == 0 and deepest > DEEPEST
