"""What differs between two OpenAPI documents: in words, and whether it breaks clients.

Clients are programs on the wire as well as those that a generator wrote: an operation's id, its first tag, a parameter
of the path and a schema that has a name become names in their code.

operations.py and alternatives.py read a document; schemas.py compares what is sent and answered, exchanges.py an
operation, and this file the whole.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.openapi.alternatives import Json
from tests.openapi.exchanges import Exchanges, Said
from tests.openapi.operations import Operation, changed_components, operations, reachable
from tests.openapi.words import reworded


class Change(NamedTuple):
    """A change of the contract."""

    sentence: str
    is_breaking: bool


Pairs = list[tuple[Operation, Operation]]


def differences(old: Json, new: Json) -> list[Change]:
    """All changes, those that break clients first. There is none only if the documents are equal."""
    pairs = _pairs(list(operations(old)), list(operations(new)))
    exchanges = Exchanges(old, new)
    said: dict[Said, list[str]] = defaultdict(list)
    changed = changed_components(old, new)
    for was, now in (pair for pair in pairs if not pair[0].is_same(pair[1], changed)):
        for each in dict.fromkeys(exchanges.between(was, now)):
            said[each].append(now.id)
    for each in _whole(old, new, pairs):
        said[each] = []
    changes = {Change(_sentence(each, concerned, pairs), each.is_breaking) for each, concerned in said.items()}
    if names := reworded(old, new):
        changes.add(Change(f"reworded: {', '.join(names)}", is_breaking=False))
    if not changes and old != new:
        changes.add(Change("rewritten: the same contract in another form", is_breaking=False))
    return sorted(changes, key=lambda change: (not change.is_breaking, change.sentence))


def _sentence(said: Said, concerned: Sequence[str], pairs: Pairs) -> str:
    names = "every operation" if len(concerned) == len(pairs) > 1 else ", ".join(sorted(concerned))
    return f"{said.verb}: {said.what}" + (f" {said.of} {names}" if said.of else "")


def _pairs(old: list[Operation], new: list[Operation]) -> Pairs:
    """The same operation before and after: by method and path, or by its id where it has moved."""
    there = {operation.place: operation for operation in new}
    stayed = [(each, there[each.place]) for each in old if each.place in there]
    kept = {each.place for each, _ in stayed}
    called = {each.id: each for each in new if each.place not in kept}
    return stayed + [(each, called[each.id]) for each in old if each.place not in kept and each.id in called]


def _whole(old: Json, new: Json, pairs: Pairs) -> Iterator[Said]:
    """What concerns the document rather than one operation that there is before and after."""
    was, now = ({each.id: each for each in operations(document)} for document in (old, new))
    kept = [{pair[side].id for pair in pairs} for side in (0, 1)]
    yield from (Said("removed", f"operation {was[name]}", "", True) for name in was if name not in kept[0])
    yield from (Said("added", f"operation {now[name]}") for name in now if name not in kept[1])
    yield from _schema_names(old, new, [each.node for each, _ in pairs])
    yield from _servers(old, new)
    yield from _security_schemes(old, new)
    yield from _value("openapi", old.get("openapi"), new.get("openapi"))
    yield from _value("version", old["info"].get("version"), new["info"].get("version"))
    for key in ("webhooks", "jsonSchemaDialect"):
        yield from _value(key, old.get(key), new.get(key), is_breaking=True)


def _value(what: str, old: Any, new: Any, *, is_breaking: bool = False) -> Iterator[Said]:
    if old != new:
        told = f" {old} → {new}" if isinstance(old, str) and isinstance(new, str) else ""
        yield Said("changed", f"{what}{told}", "", is_breaking)


def _servers(old: Json, new: Json) -> Iterator[Said]:
    was, now = ([server["url"] for server in document.get("servers") or [{"url": "/"}]] for document in (old, new))
    yield from (Said("removed", f"server {url}", "", True) for url in was if url not in now)
    yield from (Said("added", f"server {url}") for url in now if url not in was)


def _security_schemes(old: Json, new: Json) -> Iterator[Said]:
    was, now = (_components(document, "securitySchemes") for document in (old, new))
    for name in sorted(was.keys() | now.keys()):
        what = f"security scheme `{name}`"
        if name not in was or name not in now:
            yield Said("removed" if name in was else "added", what, "", name in was)
        else:
            one, other = ({**side[name], "description": None} for side in (was, now))
            yield from _value(what, one, other, is_breaking=True)


def _schema_names(old: Json, new: Json, kept: Iterable[Json]) -> Iterator[Said]:
    """Types of generated clients. What only a removed operation used went with it, and a problem with its code."""
    was, now = (_components(document, "schemas") for document in (old, new))
    if not (gone := was.keys() - now.keys()):
        return
    free = [name for name in now if name not in was]
    for name in sorted(gone & reachable(old, kept)):
        same = [other for other in free if _bare(was[name], name) == _bare(now[other], other)]
        if same:
            yield Said("renamed", f"schema `{name}` to `{same[0]}`", "", True)
        elif not {"const", "enum"} & was[name].get("properties", {}).get("code", {}).keys():
            yield Said("removed", f"schema `{name}`", "", True)


def _bare(schema: Json, name: str) -> str:
    """The schema without its name, which may be its title and in references to itself."""
    return re.sub(rf'"(#/components/schemas/)?{re.escape(name)}"', '""', json.dumps(schema, sort_keys=True))


def _components(document: Json, kind: str) -> Json:
    found: Json = document.get("components", {}).get(kind, {})
    return found
