"""Every parameter of every operation, with what no client should send in it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from httpx2 import Response

from tests.contract.described import SCHEMAS, SERVER, Operation, written
from tests.security.corpus import JSON_VALUES, TEXTS
from tests.security.world import World, key_of

LONGEST_IN_A_URL = 60_000
"""The client that the tests have writes no longer ones, and the server reads no head over 64 KiB."""


@dataclass(frozen=True)
class Place:
    """A parameter of an operation, or a member of its body."""

    kind: str
    """`path`, `query`, `header`, `json` or `form`."""
    name: str

    @property
    def corpus(self) -> Sequence[str]:
        """What is put there, as it is spelled there."""
        if self.kind == "json":
            return (*JSON_VALUES, *(json.dumps(text) for text in TEXTS))
        return TEXTS


def places(operation: Operation) -> Iterator[Place]:
    """All there are."""
    for kind in ("path", "query", "header"):
        yield from (Place(kind, name) for name in operation.parameters(kind))
    kinds = {"application/json": "json", "application/x-www-form-urlencoded": "form"}
    for media_type, body in operation.bodies.items():
        schema = SCHEMAS.get(body.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
        if media_type in kinds:
            yield from (Place(kinds[media_type], name) for name in schema.get("properties", {}))


async def sent(world: World, actor: str, operation: Operation, place: Place, value: str) -> Response | None:
    """The answer to the example of an operation with a value in a place; None where HTTP has no way to write it."""
    values = {name: quote(one, safe="") for name, one in world.values(operation).items()}
    raw = quote(value.encode("utf-8", "surrogatepass"), safe="")
    headers: dict[str, str | bytes] = {}
    asked = {**operation.told.get("x-example-query", {}), **world.queries.get(key_of(operation), {})}
    query = {name: quote(written(one), safe="") for name, one in asked.items()}
    content, kind = _body(world, operation, place, value, raw)
    if kind:
        headers["Content-Type"] = kind
    match place.kind:
        case "path":
            values[place.name] = raw or "%20"
        case "query":
            query[place.name] = raw
        case "header":
            if any(character in value for character in "\r\n\0"):
                return None
            headers[place.name] = value.encode("utf-8", "surrogatepass")
    if place.kind in {"path", "query"} and len(raw) > LONGEST_IN_A_URL:
        return None
    path = operation.path.format(**values) + "?" * bool(query) + "&".join(f"{n}={v}" for n, v in query.items())
    caller = world.actors[actor]
    sending: Any = headers
    answer: Response = await caller.request(operation.method, f"{SERVER}{path}", content=content, headers=sending)
    return answer


def _body(world: World, operation: Operation, place: Place, value: str, raw: str) -> tuple[bytes | None, str]:
    kind = next(iter(operation.bodies), "")
    if not kind:
        return None, ""
    example: Any = world.bodies.get(key_of(operation), operation.bodies[kind]["example"])
    if isinstance(example, str):
        return example.encode(), kind
    if kind == "application/x-www-form-urlencoded":
        form = {name: quote(str(one), safe="") for name, one in example.items()}
        form |= {place.name: raw} if place.kind == "form" else {}
        return "&".join(f"{name}={one}" for name, one in form.items()).encode(), kind
    members = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in example.items() if name != place.name]
    if place.kind == "json":
        members.append(f"{json.dumps(place.name)}: {value}")
    elif place.name in example:
        members.append(f"{json.dumps(place.name)}: {json.dumps(example[place.name])}")
    return f"{{{', '.join(members)}}}".encode(), kind
