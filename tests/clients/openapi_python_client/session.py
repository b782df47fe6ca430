"""The README's session with the client that openapi-python-client makes. Its argument is the server's address."""

import io
import json
import sys
from collections.abc import Iterator
from functools import partial
from uuid import uuid4

from trellis_client.api.auth import auth_create_session, auth_revoke
from trellis_client.api.batch import batch_run
from trellis_client.api.changes import changes_follow
from trellis_client.api.projects import (
    projects_create,
    projects_delete,
    projects_export,
    projects_get,
    projects_history,
    projects_import,
    projects_list,
    projects_restore,
    projects_update,
)
from trellis_client.api.tags import tags_create
from trellis_client.api.users import users_get_me, users_register
from trellis_client.client import AuthenticatedClient, Client
from trellis_client.models import (
    Batch,
    BatchResults,
    ChangeRead,
    ChangesRead,
    Imported,
    InvalidToken,
    Operation,
    OperationBodyType0,
    OperationMethod,
    ProjectCreate,
    ProjectNotFound,
    ProjectPage,
    ProjectPartial,
    ProjectRead,
    ProjectsHistoryPage,
    ProjectsListFieldsItem,
    ProjectsListSortItem,
    ProjectsListStatusinItem,
    ProjectsStatus,
    ProjectUpdate,
    RevocationRequest,
    SessionCreate,
    SignedIn,
    TagCreate,
    TagRead,
    UserCreate,
    UserRead,
    VersionMismatch,
)
from trellis_client.types import UNSET, File

URL = sys.argv[1]
EMAIL, PASSWORD = f"{uuid4()}@example.com", "correct horse battery"


def sign_in() -> SignedIn:
    """Register, and sign in."""
    anybody = Client(base_url=URL)
    account = UserCreate(email=EMAIL, password=PASSWORD, full_name="Ann")
    assert isinstance(users_register.sync(client=anybody, body=account), UserRead)
    tokens = auth_create_session.sync(client=anybody, body=SessionCreate(email=EMAIL, password=PASSWORD))
    assert isinstance(tokens, SignedIn)
    return tokens


def change(client: AuthenticatedClient, tag: TagRead) -> ProjectRead:
    """Create a project with a tag, and change what was seen, and nothing else."""
    made = projects_create.sync(client=client, body=ProjectCreate(name="A trellis", tag_ids=[tag.id]))
    assert isinstance(made, ProjectRead)
    assert [one.name for one in made.tags] == ["Garden"]
    read = projects_get.sync_detailed(made.id, client=client)
    told = ProjectUpdate(description="For the roses")
    change_seen = partial(projects_update.sync, made.id, client=client, body=told, if_match=read.headers["ETag"])
    changed = change_seen()
    assert isinstance(changed, ProjectRead)
    assert changed.description == "For the roses"
    late = change_seen()
    assert isinstance(late, VersionMismatch)
    assert late.code == "version_mismatch"
    short = projects_update.sync_detailed(
        made.id, client=client, body=ProjectUpdate(status=ProjectsStatus.PAUSED), prefer="return=minimal"
    )
    assert short.status_code == 204
    return changed


def repeat(client: AuthenticatedClient) -> None:
    """One key, one project, however often it is asked for."""
    move = partial(projects_create.sync, client=client, body=ProjectCreate(name="Move"), idempotency_key="move-1")
    first, second = move(), move()
    assert isinstance(first, ProjectRead)
    assert first == second


def pages(client: AuthenticatedClient) -> Iterator[ProjectPage]:
    """The pages of a list, by filters and in an order, to its end."""
    cursor: str | None = ""
    while cursor is not None:
        page = projects_list.sync(
            client=client,
            limit=2,
            cursor=cursor or UNSET,
            statusin=[ProjectsListStatusinItem.ACTIVE, ProjectsListStatusinItem.PAUSED],
            namecontains="o",
            sort=[ProjectsListSortItem.NAME],
            fields=[ProjectsListFieldsItem.ID, ProjectsListFieldsItem.NAME],
        )
        assert isinstance(page, ProjectPage)
        yield page
        cursor = page.next_cursor


def carry(client: AuthenticatedClient) -> None:
    """Import, list, and export."""
    lines = b"name\r\n" + b"".join(b"Imported %d\r\n" % number for number in range(5))
    imported = projects_import.sync(client=client, body=File(payload=io.BytesIO(lines)))
    assert isinstance(imported, Imported)
    assert imported.imported == 5
    rows = [row for page in pages(client) for row in page.items]
    assert [row.name for row in rows] == [*(f"Imported {number}" for number in range(5)), "Move"]
    assert all(row.version is UNSET for row in rows)
    exported = projects_export.sync_detailed(client=client, tag=["garden"])
    assert [json.loads(line)["name"] for line in exported.content.splitlines()] == ["A trellis"]


def batch(client: AuthenticatedClient, project: ProjectRead) -> None:
    """Two changes, of which the second refers to the first."""
    create = Operation(method=OperationMethod.POST, path="/tags", body=OperationBodyType0.from_dict({"name": "Urgent"}))
    attach = Operation(method=OperationMethod.PUT, path=f"/projects/{project.id}/tags/{{/0/id}}")
    done = batch_run.sync(client=client, body=Batch(operations=[create, attach]))
    assert isinstance(done, BatchResults)
    assert [result.status for result in done.results] == [201, 204]


def follow(client: AuthenticatedClient) -> Iterator[ChangeRead]:
    """The change feed up to now."""
    after, more = "", True
    while more:
        page = changes_follow.sync(client=client, after=after or UNSET, limit=3)
        assert isinstance(page, ChangesRead)
        yield from page.items
        after, more = page.next_cursor, page.has_more


def main() -> None:
    """Go through the session."""
    tokens = sign_in()
    client = AuthenticatedClient(base_url=URL, token=tokens.access_token)
    tag = tags_create.sync(client=client, body=TagCreate(name="Garden"))
    assert isinstance(tag, TagRead)
    project = change(client, tag)
    repeat(client)
    carry(client)
    batch(client, project)
    history = projects_history.sync(project.id, client=client)
    assert isinstance(history, ProjectsHistoryPage)
    assert {change.action for change in history.items} == {"created", "changed"}
    assert "projects" in {change.resource for change in follow(client)}
    assert projects_delete.sync_detailed(project.id, client=client).status_code == 204
    assert isinstance(projects_get.sync(project.id, client=client), ProjectNotFound)
    assert isinstance(projects_restore.sync(project.id, client=client), ProjectRead)
    assert isinstance(projects_get.sync(project.id, client=client), ProjectPartial)
    auth_revoke.sync_detailed(client=client, body=RevocationRequest(token=tokens.refresh_token))
    assert isinstance(users_get_me.sync(client=client), InvalidToken)


main()
