"""What the tests of reads share: rows, pages and walks through them, refusals, and the order that a sort asks for."""

from datetime import UTC, datetime, timedelta

from modules.projects.models import Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
INSTANTS = {"created_at", "updated_at", "deleted_at", "purge_at", "since"}


def ids(answer):
    """The ids on a page, as text."""
    return [item["id"] for item in items(answer)]


def items(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def walk(caller, path, **params):
    """The items of all pages, each found by the cursor of the one before."""
    found = []
    while True:
        page = await caller.get(path, params=params)
        found += items(page)
        assert len(items(page)) <= int(params.get("limit", 20))
        assert len(found) < 1000
        params["cursor"] = page.json()["next_cursor"]
        if params["cursor"] is None:
            return found


def refused(answer, parameter):
    """The message of a 422 that names the parameter."""
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == "invalid_input"
    assert [error.get("parameter") for error in problem["errors"]] == [parameter]
    return problem["errors"][0]["message"]


def value_of(item, field):
    """A member of a document, as Python compares it."""
    value = item[field]
    return datetime.fromisoformat(value) if field in INSTANTS and value is not None else value


def ordered(documents, sort, key="id"):
    """The documents as `sort` has them: a null is greater than all else, and ties go by id, as the last field does."""
    fields = [(name.removeprefix("-"), name.startswith("-")) for name in sort.split(",")]
    for name, descends in reversed([*fields, (key, fields[-1][1])]):
        documents = sorted(documents, key=lambda item: _placed(value_of(item, name)), reverse=descends)
    return documents


def _placed(value):
    return (1,) if value is None else (0, value)


async def projects_of(owner, count, **columns):
    """So many projects of an owner, the newest first."""
    times = [NOON - timedelta(minutes=n) for n in range(count)]
    return [await ProjectFactory.saved(**{"owner_id": owner.id, "created_at": time} | columns) for time in times]


async def shared_with(caller, project, role=Role.VIEWER):
    """The project, once the caller has a role in it."""
    await MemberFactory.saved(project_id=project.id, user_id=caller.id, role=role)
    return project


async def raw_get(app, caller, path, query):
    """The status of an answer to a query string of any bytes, which a decent client would not send."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "path": f"/api/v1{path}",
        "raw_path": f"/api/v1{path}".encode(),
        "query_string": query,
        "headers": [(b"host", b"test"), (b"authorization", f"Bearer {caller.token}".encode())],
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
