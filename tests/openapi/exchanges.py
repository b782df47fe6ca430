"""What differs between an operation before and after: who may, parameters, body, answers and problems."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.openapi.alternatives import Alternative, Json, Schema, alternatives
from tests.openapi.operations import Operation, resolved
from tests.openapi.schemas import SchemaDifferences, Way

CODE = re.compile(r"value `.*` of (the body|`([^`]*\.)?code`)")


class Said(NamedTuple):
    """A difference: "removed", "parameter `q`", "of". Where the last one is missing, no operations are to be added."""

    verb: str
    what: str
    of: str = ""
    is_breaking: bool = False


class Exchanges:
    """The differences between operations of two documents."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._schemas = SchemaDifferences(old, new)

    def between(self, old: Operation, new: Operation) -> Iterator[Said]:
        """All of one operation."""
        yield from _names(old, new)
        yield from _ways_in(old, new)
        for key in sorted(old.parameters.keys() | new.parameters.keys()):
            yield from self._parameter(key, old.parameters.get(key), new.parameters.get(key))
        yield from self._body(old.node.get("requestBody"), new.node.get("requestBody"))
        was, now = old.node.get("responses", {}), new.node.get("responses", {})
        for status in sorted(was.keys() | now.keys()):
            yield from self._answer(status, was, now)
        yield from _raw(old.node, new.node, ("callbacks", "servers"))

    def _parameter(self, key: tuple[str, str], old: Json | None, new: Json | None) -> Iterator[Said]:
        what = f"parameter `{(new or old or {})['name']}` ({key[0]})"
        if old is None or new is None:
            required = "required " if new and new.get("required") else ""
            yield Said("removed" if new is None else "added", f"{required}{what}", "of", new is None or bool(required))
            return
        yield from _required(old, new, what)
        for (name, was), now in zip(_written(old).items(), _written(new).values(), strict=True):
            if was != now:
                told = f"({json.dumps(was)} → {json.dumps(now)})"
                yield Said("changed", f"{name} of {what} {told}", "of", is_breaking=True)
        yield from _deprecated(old, new, what, "of")
        for found in self._schemas.between(_schema_of(old), _schema_of(new), f"parameter `{new['name']}`"):
            yield Said(found.verb, found.what, "in requests of", Way.REQUEST in found.breaks)

    def _body(self, old: Json | None, new: Json | None) -> Iterator[Said]:
        was, now = resolved(self._old, old or {}), resolved(self._new, new or {})
        if old is None or new is None:
            if old is not new:
                required = "required " if now.get("required") else ""
                yield Said(
                    "removed" if new is None else "added", f"{required}body", "of", new is None or bool(required)
                )
            return
        yield from _required(was, now, "the body")
        yield from self._content(was, now, Way.REQUEST, "")

    def _answer(self, status: str, old: Json, new: Json) -> Iterator[Said]:
        """What is not listed may be allowed by a range or by `default`: to list it then is to say more exactly."""
        was, now = _of_status(old, status), _of_status(new, status)
        if status not in new:
            yield Said("removed", f"answer {status}", "of", is_breaking=status.isdigit())
        elif was is None:
            yield Said("added", f"answer {status}", "of", is_breaking=status.startswith("2"))
        else:
            if status not in old:
                yield Said("added", f"answer {status}", "of")
            was, now = resolved(self._old, was), resolved(self._new, now or {})
            way = Way.ANSWER if status.startswith(("1", "2", "3")) else Way.PROBLEM
            yield from self._headers(was, now, status)
            yield from self._content(was, now, way, f" ({status})")
            if was.get("links") != now.get("links"):
                yield Said("changed", f"links of answer {status}", "of")

    def _headers(self, old: Json, new: Json, status: str) -> Iterator[Said]:
        was, now = (
            {name.lower(): (name, resolved(document, header)) for name, header in answer.get("headers", {}).items()}
            for document, answer in ((self._old, old), (self._new, new))
        )
        for key in sorted(was.keys() | now.keys()):
            (name, one), (_, other) = was.get(key) or now[key], now.get(key) or was[key]
            what = f"header `{name}` ({status})"
            if key not in was or key not in now:
                yield Said("removed" if key in was else "added", what, "of", is_breaking=key in was)
                continue
            if bool(one.get("required")) != bool(other.get("required")):
                is_less = bool(one.get("required"))
                yield Said("widened" if is_less else "narrowed", f"{what} ({_no(is_less)}always there)", "of", is_less)
            for found in self._schemas.between(_schema_of(one), _schema_of(other), f"header `{name}`"):
                yield Said(found.verb, found.what, "in answers of", Way.ANSWER in found.breaks)

    def _content(self, old: Json, new: Json, way: Way, where: str) -> Iterator[Said]:
        was, now = old.get("content", {}), new.get("content", {})
        for kind in sorted(was.keys() | now.keys()):
            if kind not in was or kind not in now:
                is_gone = kind in was
                yield Said(
                    "removed" if is_gone else "added", f"media type {kind}{where}", f"in {way.value} of", is_gone
                )
                continue
            for key in ("schema", "itemSchema"):
                yield from self._schema(was[kind].get(key, True), now[kind].get(key, True), way, where)
            yield from _raw(was[kind], now[kind], ("encoding",))

    def _schema(self, old: Schema, new: Schema, way: Way, where: str) -> Iterator[Said]:
        was, now = (problems(self._old, old), problems(self._new, new)) if way is Way.PROBLEM else (None, None)
        if was is None or now is None:
            found = dict.fromkeys(self._schemas.between(old, new, "the body"))
        else:
            yield from (Said("removed", f"problem `{code}`{where}", "of", True) for code in was if code not in now)
            yield from (Said("added", f"problem `{code}`{where}", "of") for code in now if code not in was)
            same = ((was[code], now[code]) for code in was if code in now)
            each = (found for pair in same for found in self._schemas.between_alternatives(*pair, "the body"))
            found = dict.fromkeys(found for found in each if not CODE.fullmatch(found.what))
        for verb, what, breaks in found:
            yield Said(verb, what, f"in {way.value} of", way in breaks)


def _names(old: Operation, new: Operation) -> Iterator[Said]:
    """Where it is, and what generators make names of."""
    if old.place != new.place:
        there = f"{new.method.upper()} {new.path}"
        yield Said("moved", f"operation {old} to {there}", is_breaking=True)
    if old.id != new.id:
        yield Said("renamed", f"operation {old.id} to {new.id}", is_breaking=True)
    if old.tags != new.tags:
        told = f"({', '.join(old.tags) or 'none'} → {', '.join(new.tags) or 'none'})"
        yield Said("changed", f"tags {told}", "of", is_breaking=old.tags[:1] != new.tags[:1])
    for was, now in zip(old.names_in_path, new.names_in_path, strict=False):
        if was != now:
            yield Said("renamed", f"parameter `{was}` (path) to `{now}`", "of", is_breaking=True)
    yield from _deprecated(old.node, new.node, f"operation {new.id}")
    yield from _raw(old.node, new.node, sorted(key for key in old.node | new.node if key.startswith("x-")))


def _ways_in(old: Operation, new: Operation) -> Iterator[Said]:
    """Who could come in before still can if some way demands no more than theirs did."""
    for way in old.ways_in:
        if not any(other <= way for other in new.ways_in):
            yield Said("removed", f"way in by {_way(way)}", "of", is_breaking=True)
    for way in new.ways_in:
        if not any(other <= way for other in old.ways_in):
            yield Said("added", f"way in by {_way(way)}", "of")


def _way(way: frozenset[str]) -> str:
    return " and ".join(f"`{each}`" for each in sorted(way)) or "nothing"


def _required(old: Json, new: Json, what: str) -> Iterator[Said]:
    was, now = bool(old.get("required")), bool(new.get("required"))
    if was != now:
        yield Said("narrowed" if now else "widened", f"{what} ({_no(was)}required)", "of", is_breaking=now)


def _deprecated(old: Json, new: Json, what: str, of: str = "") -> Iterator[Said]:
    was, now = bool(old.get("deprecated")), bool(new.get("deprecated"))
    if was != now:
        yield Said("deprecated" if now else "reinstated", what, of)


def _raw(old: Json, new: Json, keys: Iterable[str]) -> Iterator[Said]:
    """What is compared as a whole. Extensions (`x-`) are no part of the contract."""
    for key in keys:
        if old.get(key) != new.get(key):
            yield Said("changed", f"`{key}`", "of", is_breaking=not key.startswith("x-"))


def _written(parameter: Json) -> Json:
    """How a parameter is written (OpenAPI 3.1, 4.8.12.2), with the defaults."""
    style = parameter.get("style", "form" if parameter["in"] in ("query", "cookie") else "simple")
    usual = {"style": style, "explode": style == "form", "allowReserved": False}
    return {name: parameter.get(name, value) for name, value in usual.items()}


def _schema_of(node: Json) -> Schema:
    """That of a parameter or header, which may have it in a media type."""
    schema: Schema = (next(iter(node.get("content", {}).values()), node)).get("schema", True)
    return schema


def _of_status(answers: Json, status: str) -> Json | None:
    return answers.get(status, answers.get(f"{status[0]}XX", answers.get("default")))


def problems(document: Json, schema: Schema) -> dict[str, Alternative] | None:
    """The problems by the code, which clients decide by; None if there can be any."""
    problems: dict[str, Alternative] = {}
    for kind in alternatives(document, schema):
        for code in alternatives(document, kind.keywords.get("properties", {}).get("code", True)):
            if code.values is None:
                return None
            problems |= {str(json.loads(value.json)): kind for value in code.values}
    return problems or None


def _no(is_not: bool) -> str:
    return "no longer " if is_not else ""
