"""What differs between two JSON Schemas, in words, and whom it breaks.

One rule judges: who sends may send less than before is a break for requests, who reads may meet more than before is one
for answers. Problems are answers that clients treat by their status when they do not know them: there a new word is
no break, and one that is gone is (RFC 9457 §3.1). Members are the exception: an answer may always get new ones.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

from tests.openapi.alternatives import (
    ANYTHING,
    COMPOSITION,
    LOWER,
    UPPER,
    Alternative,
    Json,
    Schema,
    alternatives,
    of_the_whole,
)
from tests.openapi.operations import are_same, changed_components


class Way(Enum):
    """Where a schema stands."""

    REQUEST = "requests"
    ANSWER = "answers"
    PROBLEM = "problems"


class Found(NamedTuple):
    """One difference: its kind in a word, what differs, and where it breaks clients."""

    verb: str
    what: str
    breaks: frozenset[Way] = frozenset()


SENDERS = frozenset({Way.REQUEST})
READERS = frozenset({Way.ANSWER, Way.PROBLEM})
EVERYBODY = SENDERS | READERS
SEPARATELY = {"enum", "properties", "required", "additionalProperties", "items", "prefixItems", "x-extensible-enum"}
"""Keywords that have a comparison of their own."""
ONE_SIDED = {"multipleOf", "pattern", "format", "uniqueItems", "propertyNames", "contentEncoding", "contentMediaType"}
"""Keywords that only narrow what would be allowed without them."""


def narrowed(what: str) -> Found:
    """Less is allowed."""
    return Found("narrowed", what, SENDERS)


def widened(what: str) -> Found:
    """More is allowed."""
    return Found("widened", what, READERS)


class SchemaDifferences:
    """Of two documents."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._open: list[tuple[str, str]] = []
        self._changed = changed_components(old, new)

    def between(self, old: Schema, new: Schema, place: str) -> Iterator[Found]:
        """All differences. `place` is how a sentence calls what the schema describes."""
        if are_same(old, new, self._changed):
            return
        with self._entered(old, new) as is_new:
            if is_new:
                yield from self._of_the_whole(old, new, place)
                yield from self._alternatives(alternatives(self._old, old), alternatives(self._new, new), place)

    @contextmanager
    def _entered(self, old: Schema, new: Schema) -> Iterator[bool]:
        """A schema that contains itself is compared once on each way into it."""
        pair = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True))
        is_new = pair not in self._open
        self._open.append(pair)
        try:
            yield is_new
        finally:
            self._open.pop()

    def _of_the_whole(self, old: Schema, new: Schema, place: str) -> Iterator[Found]:
        def told(keyword: str) -> tuple[Any, Any]:
            return of_the_whole(self._old, old, keyword), of_the_whole(self._new, new, keyword)

        was, now = told("default")
        if was != now:
            what = f"default of {place} ({_told(was)} → {_told(now)})"
            yield Found("changed", what, SENDERS if was is not None else frozenset())
        was, now = (each and each.get("propertyName") for each in told("discriminator"))
        if was != now:
            breaks = EVERYBODY if was and now else frozenset[Way]()
            yield Found("changed", f"discriminator of {place} ({_told(was)} → {_told(now)})", breaks)
        was, now = map(bool, told("deprecated"))
        if was != now:
            yield Found("deprecated" if now else "reinstated", place)
        for keyword, doing, whom in (("readOnly", "sent", SENDERS), ("writeOnly", "answered", READERS)):
            was, now = map(bool, told(keyword))
            if was != now:
                yield Found(
                    "narrowed" if now else "widened", f"{place} ({_no(now)}{doing})", whom if now else frozenset()
                )

    def _alternatives(self, old: list[Alternative], new: list[Alternative], place: str) -> Iterator[Found]:
        pairs = _pairs(old, new)
        for was, now in pairs:
            yield from self.between_alternatives(was, now, place)
        lost = [each for each in old if all(each is not was for was, _ in pairs)]
        gained = [each for each in new if all(each is not now for _, now in pairs)]
        less = [o.label for o in lost if not any(self._fits(o, n, Way.REQUEST, place) for n in new)]
        more = [n.label for n in gained if not any(self._fits(o, n, Way.ANSWER, place) for o in old)]
        if less and more:
            yield Found("changed", f"type of {place} ({' or '.join(less)} → {' or '.join(more)})", EVERYBODY)
        elif less:
            yield narrowed(f"{place} (no longer {' or '.join(less)})")
        elif more:
            are_objects = all(n.kind == "object" for n in gained)
            yield Found(
                "widened", f"{place} (also {' or '.join(more)})", frozenset({Way.ANSWER}) if are_objects else READERS
            )

    def _fits(self, old: Alternative, new: Alternative, way: Way, place: str) -> bool:
        """Whether all of the old is within the new (REQUEST), or all of the new within the old (ANSWER)."""
        inner, outer = (old, new) if way is Way.REQUEST else (new, old)
        kinds = {inner.kind, ANYTHING} | ({"number"} if inner.kind == "integer" else set())
        return outer.kind in kinds and all(
            way not in found.breaks for found in self.between_alternatives(old, new, place, kinds_are_told=True)
        )

    def between_alternatives(
        self, old: Alternative, new: Alternative, place: str, *, kinds_are_told: bool = False
    ) -> Iterator[Found]:
        """Two of the same kind. What is in a component is called by the component's name."""
        place = f"`{old.name}`" if old.name else place
        if not kinds_are_told and old.kind != new.kind:
            is_narrower = old.kind == ANYTHING or new.kind == "integer"
            yield (narrowed if is_narrower else widened)(f"{place} ({old.kind} → {new.kind})")
        yield from self._values(old, new, place)
        yield from self._members(old.keywords, new.keywords, place)
        yield from self._items(old.keywords, new.keywords, place)
        for keyword in sorted((old.keywords.keys() | new.keywords.keys()) - SEPARATELY - COMPOSITION):
            yield from _keyword(keyword, old.keywords.get(keyword), new.keywords.get(keyword), place)

    def _values(self, old: Alternative, new: Alternative, place: str) -> Iterator[Found]:
        if old.values is None or new.values is None:
            if new.values is not None:
                yield narrowed(f"{place} (one of {', '.join(sorted(value.json for value in new.values))})")
            elif old.values is not None:
                yield widened(f"{place} (no longer one of {', '.join(sorted(value.json for value in old.values))})")
        else:
            for value in sorted(old.values - new.values):
                yield Found("removed", f"value `{value.json}` of {place}", SENDERS | {Way.PROBLEM})
            for value in sorted(new.values - old.values):
                yield Found("added", f"value `{value.json}` of {place}", frozenset({Way.ANSWER}))
        was, now = (set(each.keywords.get("x-extensible-enum", ())) for each in (old, new))
        # Without a list, the schema names no values at all.
        whom = SENDERS | {Way.PROBLEM} if now else frozenset({Way.PROBLEM})
        for value in sorted(was - now):
            yield Found("removed", f"value `{value}` of {place}, which is open", whom)
        for value in sorted(now - was):
            yield Found("added", f"value `{value}` of {place}, which is open")

    def _members(self, old: Json, new: Json, place: str) -> Iterator[Found]:
        was, now = old.get("properties", {}), new.get("properties", {})
        had, has = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(was.keys() - now.keys()):
            yield Found("removed", f"field {_inside(place, name)}", EVERYBODY)
        for name in sorted(now.keys() - was.keys()):
            required = "required " if name in has else ""
            yield Found("added", f"{required}field {_inside(place, name)}", SENDERS if required else frozenset())
        for name in sorted(has - had - (now.keys() - was.keys())):
            yield narrowed(f"{_inside(place, name)} (always there)")
        for name in sorted(had - has - (was.keys() - now.keys())):
            yield widened(f"{_inside(place, name)} (not always there)")
        for name in sorted(was.keys() & now.keys()):
            yield from self.between(was[name], now[name], _inside(place, name))
        yield from self._others(old.get("additionalProperties", True), new.get("additionalProperties", True), place)

    def _others(self, old: Schema, new: Schema, place: str) -> Iterator[Found]:
        """Fields without a name in the schema. Whoever reads passes over those that are unknown to it."""
        if (old is False) != (new is False):
            verb, breaks = ("narrowed", SENDERS) if new is False else ("widened", frozenset[Way]())
            yield Found(verb, f"{place} ({_no(new is False)}other fields)", breaks)
        elif old != new or isinstance(old, dict):
            yield from self.between(old, new, _inside(place, "*"))

    def _items(self, old: Json, new: Json, place: str) -> Iterator[Found]:
        was, now = old.get("prefixItems", []), new.get("prefixItems", [])
        rest = old.get("items", True), new.get("items", True)
        for index in range(max(len(was), len(now))):
            first, second = (side[index] if index < len(side) else rest[i] for i, side in enumerate((was, now)))
            yield from self.between(first, second, _inside(place, f"[{index}]"))
        if rest != (True, True):
            yield from self.between(*rest, _inside(place, "[]"))


def _pairs(old: Sequence[Alternative], new: Sequence[Alternative]) -> list[tuple[Alternative, Alternative]]:
    """Each old alternative with the new one that is most like it, if there is one of its kind."""
    ranked = sorted(
        ((_likeness(o, n), -abs(i - k), i, k) for i, o in enumerate(old) for k, n in enumerate(new)), reverse=True
    )
    pairs: dict[int, int] = {}
    for likeness, _, i, k in ranked:
        if likeness > (0, 0, 0) and i not in pairs and k not in pairs.values():
            pairs[i] = k
    return [(old[i], new[k]) for i, k in sorted(pairs.items())]


def _likeness(old: Alternative, new: Alternative) -> tuple[int, int, int]:
    """By name, by kind, by what they have in common; nothing if they cannot be the same."""
    kinds = {old.kind, new.kind}
    if len(kinds) == 2 and kinds != {"integer", "number"}:
        return (0, 0, 0)
    was, now = (side.keywords.get("properties", {}) for side in (old, new))
    same = sum(1 for name in was.keys() & now.keys() if was[name] == now[name])
    values = len((old.values or frozenset()) & (new.values or frozenset()))
    alike = int((old.values is None) == (new.values is None)) + int(old.keywords == new.keywords)
    return (1 + int(old.name == new.name), 1 + int(old.kind == new.kind) + alike, same + values)


def _keyword(keyword: str, old: Any, new: Any, place: str) -> Iterator[Found]:
    """Of a keyword that is a bound, or that is compared as a whole."""
    if old == new:
        return
    what = f"{place} ({keyword} {_told(old)} → {_told(new)})"
    if keyword.startswith("x-"):
        yield Found("changed", what)
    elif keyword in LOWER | UPPER:
        is_narrower = new is not None and (old is None or (new < old) == (keyword in UPPER))
        yield narrowed(what) if is_narrower else widened(what)
    elif keyword in ONE_SIDED and (old is None or new is None):
        yield narrowed(what) if old is None else widened(what)
    else:
        yield Found("changed", what, EVERYBODY)


def _inside(place: str, name: str) -> str:
    """A part of a place. A place is a path in backticks, or words for the whole."""
    if not place.endswith("`"):
        return f"`{name}`"
    return f"{place[:-1]}{'' if name.startswith('[') else '.'}{name}`"


def _told(value: object) -> str:
    return "none" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _no(is_not: bool) -> str:
    return "no longer " if is_not else ""
