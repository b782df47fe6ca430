"""The README's session with openapi-generator's client in Python. Its argument is the server's address."""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from trellis_client.api import AuthApi, BatchApi, ChangesApi, ProjectsApi, TagsApi, UsersApi
from trellis_client.api_client import ApiClient
from trellis_client.configuration import Configuration
from trellis_client.exceptions import ApiException
from trellis_client.models import (
    Batch,
    ChangeRead,
    InvalidToken,
    Operation,
    ProjectCreate,
    ProjectNotFound,
    ProjectPage,
    ProjectRead,
    ProjectsStatus,
    ProjectUpdate,
    SessionCreate,
    SignedIn,
    TagCreate,
    TagRead,
    UserCreate,
    VersionMismatch,
)

URL = sys.argv[1]
EMAIL, PASSWORD = f"{uuid4()}@example.com", "correct horse battery"


def problem_of(request: Callable[[], object]) -> Any:
    """The problem that a request is refused with, as its type in the client."""
    try:
        request()
    except ApiException as refusal:
        return getattr(refusal.data, "actual_instance", refusal.data)
    raise AssertionError("It was not refused.")


def sign_in() -> SignedIn:
    """Register, and sign in."""
    anybody = ApiClient(Configuration(host=URL))
    assert UsersApi(anybody).users_register(UserCreate(email=EMAIL, password=PASSWORD, full_name="Ann")).version == 1
    return AuthApi(anybody).auth_create_session(SessionCreate(email=EMAIL, password=PASSWORD))


def change(projects: ProjectsApi, tag: TagRead) -> ProjectRead:
    """Create a project with a tag, and change what was seen, and nothing else."""
    made = projects.projects_create(ProjectCreate(name="A trellis", tag_ids=[tag.id]))
    assert [one.name for one in made.tags] == ["Garden"]
    headers = projects.projects_get_with_http_info(made.id).headers
    assert headers is not None
    told = ProjectUpdate(description="For the roses")
    change_seen = partial(projects.projects_update, made.id, told, if_match=headers["etag"])
    changed = change_seen()
    assert changed.description == "For the roses"
    late = problem_of(change_seen)
    assert isinstance(late, VersionMismatch)
    assert late.code == "version_mismatch"
    pause = ProjectUpdate(status=ProjectsStatus.PAUSED)
    assert projects.projects_update_with_http_info(made.id, pause, prefer="return=minimal").status_code == 204
    return changed


def repeat(projects: ProjectsApi) -> None:
    """One key, one project, however often it is asked for; the last answer leaves the document out."""
    move = partial(projects.projects_create, ProjectCreate(name="Move"), idempotency_key="move-1")
    assert move() == move()
    # Of a 201 the client reads a document, so an empty one is for this way of calling it.
    bare = projects.projects_create_without_preload_content(ProjectCreate(name="Bare"), prefer="return=minimal")
    assert (bare.status, bare.read()) == (201, b"")


def pages(projects: ProjectsApi) -> Iterator[ProjectPage]:
    """The pages of a list, by filters and in an order, to its end."""
    cursor, more = None, True
    while more:
        page = projects.projects_list(
            limit=2,
            cursor=cursor,
            status_in=["active", "paused"],
            name_contains="o",
            sort=["name"],
            fields=["id", "name"],
        )
        yield page
        cursor, more = page.next_cursor, page.next_cursor is not None


def carry(projects: ProjectsApi) -> None:
    """Import lines and a table, list, and export."""
    lines = "".join(json.dumps({"name": f"Imported {number}"}) + "\n" for number in range(3)).encode()
    assert projects.projects_import(lines, _content_type="application/x-ndjson").imported == 3
    table = b"name\r\nImported 3\r\nImported 4\r\n"
    assert projects.projects_import(table, _content_type="text/csv").imported == 2
    rows = [row for page in pages(projects) for row in page.items]
    assert [row.name for row in rows] == [*(f"Imported {number}" for number in range(5)), "Move"]
    assert all(row.version is None for row in rows)
    exported = projects.projects_export_with_http_info(tag=["garden"]).raw_data
    assert [json.loads(line)["name"] for line in exported.splitlines()] == ["A trellis"]


def batch(client: ApiClient, project: ProjectRead) -> None:
    """Two changes, of which the second refers to the first."""
    create = Operation(method="POST", path="/tags", body={"name": "Urgent"})
    attach = Operation(method="PUT", path=f"/projects/{project.id}/tags/{{/0/id}}")
    done = BatchApi(client).batch_run(Batch(operations=[create, attach]))
    assert [result.status for result in done.results] == [201, 204]


def follow(changes: ChangesApi) -> Iterator[ChangeRead]:
    """The change feed up to now."""
    after, more = None, True
    while more:
        page = changes.changes_follow(after=after, limit=3)
        yield from page.items
        after, more = page.next_cursor, page.has_more


def main() -> None:
    """Go through the session."""
    tokens = sign_in()
    client = ApiClient(Configuration(host=URL, access_token=tokens.access_token))
    projects = ProjectsApi(client)
    tag = TagsApi(client).tags_create(TagCreate(name="Garden"))
    project = change(projects, tag)
    repeat(projects)
    carry(projects)
    batch(client, project)
    history = projects.projects_history(project.id).items
    assert {change.action for change in history} == {"created", "changed"}
    assert "projects" in {change.resource for change in follow(ChangesApi(client))}
    assert projects.projects_delete_with_http_info(project.id).status_code == 204
    assert isinstance(problem_of(partial(projects.projects_get, project.id)), ProjectNotFound)
    assert projects.projects_restore(project.id).id == project.id
    AuthApi(client).auth_revoke(tokens.refresh_token)
    assert isinstance(problem_of(UsersApi(client).users_get_me), InvalidToken)


main()
