"""The same documents out: equal as JSON values, times as instants. What wraps a page is each server's own affair."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from benchmarks.accounts import Account
from benchmarks.database import State
from benchmarks.load import Request, Scenario
from benchmarks.servers import PREFIX, Server, ServerFailed

TIMES = ("created_at", "updated_at")
ITS_OWN = ("id", *TIMES)
"""What differs from one new project to the next."""
PRECISION = timedelta(milliseconds=1)
"""Of a Date in JavaScript; the tables have microseconds."""
SAMPLE = 25
Document = dict[str, Any]


def require_same_bodies(servers: Sequence[Server], scenarios: Sequence[Scenario]) -> int:
    """Raises ServerFailed for the first document that differs from the first server's, and for a request that should
    have been refused; tells how many documents were equal.
    """
    equal = 0
    for request in _distinct(scenarios):
        wanted = _documents(servers[0], request)
        for server in servers[1:]:
            _require_equal(server, request.path, wanted, found := _documents(server, request))
            equal += len(found)
    changes = [(one.patched, request) for one in scenarios for request in one.requests if request.method == "PATCH"]
    for patched, request in changes[:1]:
        for server, project in zip(servers, patched(), strict=False):
            _require_change(servers[0], server, request, project)
            equal += 1
    for server in servers:
        _require_refusals(server, scenarios[0].requests[0].caller)
    return equal


def _distinct(scenarios: Sequence[Scenario]) -> list[Request]:
    """Some of each kind, but for changes."""
    samples = [request for one in scenarios for request in one.requests[:SAMPLE] if request.method != "PATCH"]
    return list(dict.fromkeys(samples))


def _documents(server: Server, request: Request) -> list[Document]:
    answer = _answer(server, request, request.body)
    if answer.status_code != (201 if request.method == "POST" else 200):
        raise ServerFailed(_unexpected(server, request, answer))
    body = answer.json()
    documents = [_normalised(document) for document in body.get("items", [body])]
    if request.method == "POST":
        return [{name: name if name in ITS_OWN else value for name, value in one.items()} for one in documents]
    return documents


def _require_change(first: Server, server: Server, request: Request, project: State) -> None:
    """A change gives the document as it is now; the same change once more is refused, for the version is another."""
    path = f"{request.path}/{project.id}"
    read = Request(request.caller, path)
    (before,) = _documents(first, read)
    change = {"status": "active" if project.status == "paused" else "paused"}
    patch, if_match = Request(request.caller, path, "PATCH"), f'"{project.version}-"'
    answer = _answer(server, patch, json.dumps(change), if_match)
    if answer.status_code != 200:
        raise ServerFailed(_unexpected(server, patch, answer))
    (after,) = _documents(first, read)
    found = _normalised(answer.json())
    if found["updated_at"] <= before["updated_at"] or after["updated_at"] - found["updated_at"] >= PRECISION:
        raise ServerFailed(f"{server.contestant.name} tells another updated_at than there is after a change.")
    for others in before | change | {"version": project.version + 1}, after:
        _require_equal(server, path, [others | {"updated_at": found["updated_at"]}], [found])
    again = _answer(server, patch, json.dumps(change), if_match)
    if again.status_code != 412:
        raise ServerFailed(_unexpected(server, patch, again))


def _require_refusals(server: Server, caller: Account) -> None:
    """Who shows no token, or one that is not signed so, is not served; nor is a project without a name."""
    nobody = Account(caller.id, caller.session_id, caller.token[:-8] + "AAAAAAAA", caller.peer_token[:-8] + "AAAAAAAA")
    stranger = _answer(server, Request(nobody, "/projects"))
    nameless = _answer(server, Request(caller, "/projects", "POST"), json.dumps({"name": ""}))
    if stranger.status_code != 401 or nameless.status_code not in {400, 422}:
        raise ServerFailed(f"{server.contestant.name} answers {stranger.status_code} and {nameless.status_code}.")


def _answer(server: Server, request: Request, body: str = "", if_match: str | None = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {request.caller.token_for(server.contestant)}"}
    headers |= {"Content-Type": "application/json"} if body else {}
    headers |= {"If-Match": if_match} if if_match else {}
    url = f"{server.url}{PREFIX}{request.path}"
    return httpx2.request(request.method, url, headers=headers, content=body, timeout=30)


def _require_equal(server: Server, path: str, wanted: Sequence[Document], found: Sequence[Document]) -> None:
    if wanted == found:
        return
    pairs = zip(wanted, found, strict=False)
    ours, theirs = next(((one, other) for one, other in pairs if one != other), (len(wanted), len(found)))
    written = [json.dumps(value, default=str, sort_keys=True) for value in (ours, theirs)]
    name = server.contestant.name
    raise ServerFailed(f"{name} answers {path} otherwise:\n  wanted {written[0]}\n  found  {written[1]}")


def _normalised(document: Document) -> dict[str, Any]:
    instants = {name: datetime.fromisoformat(document[name]).astimezone(UTC) for name in TIMES}
    return document | instants


def _unexpected(server: Server, request: Request, answer: httpx2.Response) -> str:
    said = f"{answer.status_code}: {answer.text[:500]}"
    return f"{server.contestant.name} answers {request.method} {request.path} with {said}"
