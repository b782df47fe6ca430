"""What the tests of imports share: how to send one, and what its answer says."""

import json

NDJSON, CSV = "application/x-ndjson", "text/csv"
FIELDS = ["external_id", "name", "description", "status", "starts_on", "due_on"]
WHOLE = {
    "external_id": "crm/42",
    "name": "Relaunch",
    "description": 'New colours, "new" words.\nNew line.',
    "status": "paused",
    "starts_on": "2026-02-28",
    "due_on": "2026-03-01",
}


async def send(caller, content, media_type=NDJSON, headers=(), **params):
    headers = {"Content-Type": media_type, **dict(headers)}
    return await caller.post("/projects/import", content=content, headers=headers, params=params)


def ndjson(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def named(*names):
    return ndjson(*({"name": name} for name in names))


def imported(answer):
    """How many are imported and how many not, of an answer that says so."""
    assert answer.status_code == 200, answer.text
    outcome = answer.json()
    return outcome["imported"], outcome["failed"]


def wrong(answer):
    """What is wrong in which line and where, of an import that failed."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "import_failed"
    return [(error["line"], error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def names(caller):
    return {project["name"] for project in (await caller.get("/projects", params={"limit": 100})).json()["items"]}
