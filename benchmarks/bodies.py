"""The same documents out: equal as JSON values, times as instants. What wraps a page is each server's own affair."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2

from benchmarks.load import Scenario
from benchmarks.servers import PREFIX, Server, ServerFailed

TIMES = ("created_at", "updated_at")
ITS_OWN = ("id", *TIMES)
"""What differs from one new project to the next."""
SAMPLE = 25


def require_same_bodies(servers: Sequence[Server], scenarios: Sequence[Scenario]) -> int:
    """Raises ServerFailed for the first document that differs from the first server's; tells how many were equal."""
    equal = 0
    for scenario in scenarios:
        for path in scenario.paths[:SAMPLE]:
            wanted = _documents(servers[0], scenario, path)
            for server in servers[1:]:
                found = _documents(server, scenario, path)
                if found != wanted:
                    raise ServerFailed(_difference(server.contestant.name, path, wanted, found))
                equal += len(found)
    return equal


def _documents(server: Server, scenario: Scenario, path: str) -> list[dict[str, Any]]:
    headers = scenario.caller.headers | {"Content-Type": "application/json"}
    url = f"{server.url}{PREFIX}{path}"
    answer = httpx2.request(scenario.method, url, headers=headers, content=scenario.body, timeout=30)
    if answer.status_code != (201 if scenario.method == "POST" else 200):
        raise ServerFailed(f"{server.contestant.name} answers {path} with {answer.status_code}: {answer.text[:500]}")
    body = answer.json()
    documents = [_normalised(document) for document in body.get("items", [body])]
    if scenario.method == "POST":
        return [{name: name if name in ITS_OWN else value for name, value in one.items()} for one in documents]
    return documents


def _normalised(document: dict[str, Any]) -> dict[str, Any]:
    instants = {name: datetime.fromisoformat(document[name]).astimezone(UTC) for name in TIMES}
    return document | instants


def _difference(name: str, path: str, wanted: list[dict[str, Any]], found: list[dict[str, Any]]) -> str:
    pairs = zip(wanted, found, strict=False)
    ours, theirs = next(((one, other) for one, other in pairs if one != other), (len(wanted), len(found)))
    written = [json.dumps(value, default=str, sort_keys=True) for value in (ours, theirs)]
    return f"{name} answers {path} otherwise:\n  wanted {written[0]}\n  found  {written[1]}"
