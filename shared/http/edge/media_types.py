"""Media types (RFC 9110 §8.3.1): what a body says that it is, and what of that on offer a client likes best."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.http.edge.headers import elements

# Each character can stand in one place alone, so nothing malformed is read again and again. Possessive quantifiers
# would say so, but Python before 3.11.5 takes them wrongly.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (no secret)
_VALUE = rf'(?:{_TOKEN}|"[^"\\]*(?:\\.[^"\\]*)*")'
_PARAMETER = rf"[ \t]*;(?:[ \t]*{_TOKEN}={_VALUE})?"
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:{_PARAMETER})*)[ \t]*")
_PAIR = re.compile(rf"({_TOKEN})=({_VALUE})")
_WEIGHT = re.compile(r"0?\.[0-9]+|[01]\.?0*")
"""Of a range. `.2` is none by RFC 9110 §12.4.2, but Java's HttpURLConnection sends it."""


class MediaType(NamedTuple):
    """A media type, or a range of them."""

    name: str
    """`type/subtype` in small letters."""
    parameters: Mapping[str, str]
    """By name in small letters."""


@lru_cache(maxsize=200)
def media_type(text: str) -> MediaType | None:
    """What a field says; None when that is no media type, or it says something twice.

    The extended parameters of RFC 2231 (`charset*0*=…`) are other names here: HTTP's media types do not have them.
    """
    match = _MEDIA_TYPE.fullmatch(text)
    if match is None:
        return None
    pairs = [(name.lower(), _unquoted(value)) for name, value in _PAIR.findall(match[2])]
    parameters = dict(pairs)
    return MediaType(match[1].lower(), parameters) if len(parameters) == len(pairs) else None


def preferred(accepted: Sequence[str], offered: Sequence[str]) -> str | None:
    """Of the types on offer the one that the `Accept` lines weigh most, by the most specific range that it is in (RFC
    9110 §12.5.1); None when none is acceptable.

    Of two that weigh the same it is the one that is named more precisely, and then the first. What is no range counts
    for nothing, and without a range anything goes.
    """
    given = [found for found in map(_range, elements(accepted)) if found is not None]
    if not given:
        return offered[0]
    judged = [(max(_fits(name, given), default=(0, 0.0)), name) for name in offered]
    (_, weight), best = max(judged, key=lambda one: (one[0][1], one[0][0]))
    return best if weight > 0 else None


def _range(text: str) -> tuple[MediaType, float] | None:
    found = media_type(text)
    if found is None:
        return None
    weight = found.parameters.get("q", "1")
    return (found, float(weight)) if _WEIGHT.fullmatch(weight) else None


def _fits(name: str, given: Sequence[tuple[MediaType, float]]) -> list[tuple[int, float]]:
    """How precisely each range that the type is in names it, and its weight there. All that we send is UTF-8."""
    fitting = {"*/*": 2, f"{name.partition('/')[0]}/*": 4, name: 6}
    found = []
    for (range_, parameters), weight in given:
        more = {key: value.lower() for key, value in parameters.items() if key != "q"}
        if range_ in fitting and more in ({}, {"charset": "utf-8"}):
            found.append((fitting[range_] + len(more), weight))
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
