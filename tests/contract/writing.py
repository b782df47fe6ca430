"""What the tests of writes share: one write of each kind, and the whole contents of the database."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import text

from modules.projects.models import Role
from modules.projects.tests.factories import InvitationFactory, MemberFactory, ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.rows.models import Model
from tests.contract.reading import NOON
from tests.patience import PATIENCE


@dataclass(frozen=True)
class Write:
    """A request that changes something."""

    method: str
    path: str
    body: dict[str, Any] | None = None

    async def by(self, caller, **headers):
        """Its answer to a caller; `Idempotency_Key="x"` is a header, `dry_run=...` the parameter."""
        params = {"dry_run": headers.pop("dry_run")} if "dry_run" in headers else None
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await caller.request(self.method, self.path, json=self.body, params=params, headers=named)


@dataclass(frozen=True)
class World:
    """The rows that the writes are about. The project and the tags are the administrator's."""

    project: Any
    deleted_project: Any
    tag: Any
    attached_tag: Any
    deleted_tag: Any
    user: Any
    member: Any
    deleted_user: Any
    invitation: Any

    @classmethod
    async def made_by(cls, admin):
        project = await ProjectFactory.saved(owner_id=admin.id)
        attached_tag = await TagFactory.saved(owner_id=admin.id)
        await ProjectTagFactory.saved(project_id=project.id, tag_id=attached_tag.id)
        member = await UserFactory.saved()
        await MemberFactory.saved(project_id=project.id, user_id=member.id, role=Role.VIEWER)
        return cls(
            project=project,
            deleted_project=await ProjectFactory.saved(owner_id=admin.id, deleted_at=NOON),
            tag=await TagFactory.saved(owner_id=admin.id),
            attached_tag=attached_tag,
            deleted_tag=await TagFactory.saved(owner_id=admin.id, deleted_at=NOON),
            user=await UserFactory.saved(),
            member=member,
            deleted_user=await UserFactory.saved(deleted_at=NOON, deletion_id=project.id),
            invitation=await InvitationFactory.saved(
                project_id=project.id, inviter_id=admin.id, email="ada@example.com"
            ),
        )


CREATES: dict[str, Callable[[World], Write]] = {
    "a new project": lambda _: Write("POST", "/projects", {"name": "new"}),
    "a new tag": lambda _: Write("POST", "/tags", {"name": "new"}),
    "a new project of a key": lambda _: Write("PUT", "/projects/by-external-id/new", {"name": "new"}),
    "an invitation": lambda w: Write(
        "POST", f"/projects/{w.project.id}/invitations", {"user_id": str(w.user.id), "role": "editor"}
    ),
    "a registration": lambda _: Write(
        "POST", "/users", {"email": "new@example.com", "password": PASSWORD, "full_name": "New"}
    ),
}
"""Of what was not there."""

DOCUMENT_CHANGES: dict[str, Callable[[World], Write]] = {
    "a change of a project": lambda w: Write("PATCH", f"/projects/{w.project.id}", {"name": "changed"}),
    "a project's return": lambda w: Write("POST", f"/projects/{w.deleted_project.id}/restore"),
    "a change of a tag": lambda w: Write("PATCH", f"/tags/{w.tag.id}", {"name": "changed"}),
    "a tag's return": lambda w: Write("POST", f"/tags/{w.deleted_tag.id}/restore"),
    "a change of an account": lambda w: Write("PATCH", f"/users/{w.user.id}", {"full_name": "changed"}),
    "an account's return": lambda w: Write("POST", f"/users/{w.deleted_user.id}/restore"),
    "a change of one's own account": lambda _: Write("PATCH", "/users/me", {"full_name": "changed"}),
}
"""Of rows, answered with the document."""

SILENT_CHANGES: dict[str, Callable[[World], Write]] = {
    "a project's deletion": lambda w: Write("DELETE", f"/projects/{w.project.id}"),
    "a member's new role": lambda w: Write("PUT", f"/projects/{w.project.id}/members/{w.member.id}", {"role": "owner"}),
    "a member's removal": lambda w: Write("DELETE", f"/projects/{w.project.id}/members/{w.member.id}"),
    "a tag put on a project": lambda w: Write("PUT", f"/projects/{w.project.id}/tags/{w.tag.id}"),
    "a tag taken off a project": lambda w: Write("DELETE", f"/projects/{w.project.id}/tags/{w.attached_tag.id}"),
    "a tag's deletion": lambda w: Write("DELETE", f"/tags/{w.tag.id}"),
    "an invitation's withdrawal": lambda w: Write("DELETE", f"/projects/{w.project.id}/invitations/{w.invitation.id}"),
    "an account's deletion": lambda w: Write("DELETE", f"/users/{w.user.id}"),
}
"""Of rows, answered with nothing."""

ROW_CHANGES = DOCUMENT_CHANGES | SILENT_CHANGES
WRITES = CREATES | ROW_CHANGES


async def contents(database, *but):
    """A digest of all rows of each table, but for those that are written whatever becomes of the request."""
    digests = {}
    apart = {name for name, table in Model.metadata.tables.items() if table.info.get("written_apart")}
    for table in Model.metadata.tables.keys() - but - apart:
        digest = f"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
        digests[table] = (await database.sql(text(digest))).scalar()
    return digests


async def execute(database, statement, **values):
    """What an operator does in the database."""
    return await database.sql(text(statement), values)


@asynccontextmanager
async def signed_in_at(server):
    """A client of a real server, with an account."""
    limits = httpx2.Limits(max_connections=50)
    async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE, limits=limits) as http:
        account = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
        await http.post("/users", json=account | {"full_name": "Ann"})
        body = {"email": account["email"], "password": PASSWORD}
        token = (await http.post("/auth/sessions", json=body)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http
