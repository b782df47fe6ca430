"""Media types (RFC 9110 §8.3.1): the type of a body, and the type on offer that a client prefers."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.http.edge.headers import elements

# Each character can match in one place only, so malformed text causes no backtracking. Possessive quantifiers would
# say so, but have a bug in Python before 3.11.5.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (no secret)
_VALUE = rf'(?:{_TOKEN}|"[^"\\]*(?:\\.[^"\\]*)*")'
_PARAMETER = rf"[ \t]*;(?:[ \t]*{_TOKEN}={_VALUE})?"
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:{_PARAMETER})*)[ \t]*")
_PAIR = re.compile(rf"({_TOKEN})=({_VALUE})")
_WEIGHT = re.compile(r"0?\.[0-9]+|[01]\.?0*")
"""The weight of a range. RFC 9110 §12.4.2 does not allow `.2`, but Java's HttpURLConnection sends it."""


class MediaType(NamedTuple):
    """A media type, or a range of them."""

    name: str
    """`type/subtype` in small letters."""
    parameters: Mapping[str, str]
    """By name in small letters."""


@lru_cache(maxsize=200)
def media_type(text: str) -> MediaType | None:
    """The media type in a field; None when it is malformed or repeats a parameter.

    Extended parameters of RFC 2231 (`charset*0*=…`) count as other names: HTTP does not have them.
    """
    match = _MEDIA_TYPE.fullmatch(text)
    if match is None:
        return None
    pairs = [(name.lower(), _unquoted(value)) for name, value in _PAIR.findall(match[2])]
    parameters = dict(pairs)
    return MediaType(match[1].lower(), parameters) if len(parameters) == len(pairs) else None


def preferred(accepted: Sequence[str], offered: Sequence[str]) -> str | None:
    """The type on offer with the greatest weight in `Accept`, by the most specific range that matches it (RFC 9110
    §12.5.1); None when none is acceptable.

    Of equal weights, the type that is named more precisely wins, then the first. Malformed ranges are ignored; without
    a range, the first type is taken.
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
    """Precision and weight of each range that matches the type. All that we send is UTF-8."""
    fitting = {"*/*": 2, f"{name.partition('/')[0]}/*": 4, name: 6}
    found = []
    for (range_, parameters), weight in given:
        more = {key: value.lower() for key, value in parameters.items() if key != "q"}
        if range_ in fitting and more in ({}, {"charset": "utf-8"}):
            found.append((fitting[range_] + len(more), weight))
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
