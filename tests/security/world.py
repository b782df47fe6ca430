"""The world of the authorisation matrix: one row of each kind, and everybody who may ask for it.

A resource with a factory has its row by itself: the owner's, and part of the rows that are there. Other kinds of rows,
and of callers, are added here; the matrix then has to say what everybody may do.
"""

import importlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from uuid_utils.compat import uuid7

from app.container import Application
from modules.projects.models import ProjectMember, Role
from modules.projects.tests.factories import MemberFactory, ProjectTagFactory
from modules.users.models import User, UserSession
from modules.users.tests.factories import PASSWORD, UserFactory
from modules.users.tests.keys import key_of as a_key
from modules.users.tests.keys import sent
from shared.auth import AccessTokens
from shared.manifest import discover
from shared.rows import Resource, belongings, table_of
from tests.callers import Caller, anonymous, signed_in
from tests.conformance.faces import Face
from tests.conformance.requests import done
from tests.contract.described import OPERATIONS, SERVER, Operation, example_of
from tests.factories import RowFactory

CANARY = "canary"
"""In a name of every row: an answer without it, and without the ids, shows nothing of the rows."""
SAME = {"X-Request-ID": "same"}


@dataclass
class World:
    """A project of the owner's with a tag, a viewer, an editor, and an open invitation; and the same, deleted."""

    app: FastAPI
    application: Application
    actors: dict[str, AsyncClient] = field(default_factory=dict)
    """By the names of the matrix's columns, in their order."""
    ids: dict[str, UUID] = field(default_factory=dict)
    """Of the rows, by the names of the path's parameters."""
    deleted: dict[str, UUID] = field(default_factory=dict)
    """Of those in the trash, which a restore is about."""
    bodies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of operations whose example in the OpenAPI document is not about these rows."""
    queries: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Likewise."""

    @classmethod
    async def made(cls, app: FastAPI, application: Application) -> "World":
        world = cls(app, application)
        await world._with_rows(await world._with_actors())
        await world._with_ended()
        await world._with_keys()
        return world

    async def ask(self, actor: str, operation: Operation, *, about_nothing: bool = False) -> Response:
        """The actor's request; `about_nothing`: with ids of rows that never were, of the same length."""
        key, caller = key_of(operation), self.actors[actor]
        if actor == "no_scope" and operation.method == "GET":
            caller = self._writing
        query = self.queries.get(key, operation.told.get("x-example-query", {}))
        kind = next(iter(operation.bodies), "")
        sent: dict[str, Any] = {}
        if kind == "application/x-www-form-urlencoded":
            sent = {"data": self.bodies.get(key, operation.bodies[kind]["example"])}
        elif kind:
            sent = {"content": self._content(key, operation.bodies[kind]["example"])}
        path = operation.path.format(**self.values(operation, about_nothing=about_nothing))
        headers = SAME | ({"Content-Type": kind} if kind else {})
        return await caller.request(operation.method, f"{SERVER}{path}", headers=headers, params=query, **sent)

    def values(self, operation: Operation, *, about_nothing: bool = False) -> dict[str, str]:
        """Of the parameters of its path."""
        known = self.deleted if operation.path.endswith("/restore") else self.ids
        if "/members/" in operation.path:
            known = known | {"user_id": self._id("viewer")}
        parameters = operation.parameters("path")
        found = {name: str(known.get(name) or example_of(one)) for name, one in parameters.items()}
        return found | ({name: _absent(name) for name in found if name in known} if about_nothing else {})

    def unknown(self, operation: Operation) -> list[str]:
        """The parameters of its path for which there is no row here."""
        known = self.deleted if operation.path.endswith("/restore") else self.ids
        return [name for name in operation.parameters("path") if name.endswith("_id") and name not in known]

    def shows(self, actor: str, answer: Response) -> bool:
        """Whether an answer shows something of the rows, or of other people."""
        if answer.request.url.path.endswith("/summary") and answer.is_success:
            return bool(answer.json()["count"])
        own = str(getattr(self.actors[actor], "id", ""))
        traces = {CANARY, *(str(id) for id in (*self.ids.values(), *self.deleted.values()))} - {own}
        return any(trace in answer.text.replace(f"{CANARY} {actor}", "") for trace in traces)

    def _content(self, key: str, example: Any) -> str:
        if isinstance(example, str):
            return example
        named = {name: str(id) for name, id in self.ids.items() if name in example}
        return json.dumps(self.bodies.get(key, {**example, **named}))

    async def _with_actors(self) -> Caller:
        """Those who have a session: the owner."""
        self.actors["anonymous"] = anonymous(self.app)
        for name in ("outsider", "invited", "viewer", "editor", "owner", "admin"):
            role = "admin" if name == "admin" else "user"
            self.actors[name] = await signed_in(self.app, self.application, full_name=f"{CANARY} {name}", role=role)
        await UserFactory.saved(role="admin")  # The last one could not be deleted.
        owner = self.actors["owner"]
        assert isinstance(owner, Caller)
        return owner

    async def _with_rows(self, owner: Caller) -> None:
        gone = {"deleted_at": datetime.now(UTC), "deletion_id": uuid7()}
        states: tuple[tuple[dict[str, UUID], dict[str, Any]], ...] = ((self.ids, {}), (self.deleted, gone))
        for ids, state in states:
            await self._with_a_row_of_each(owner, ids, state)
            await ProjectTagFactory.saved(project_id=ids["project_id"], tag_id=ids["tag_id"])
            for role in (Role.VIEWER, Role.EDITOR):
                await MemberFactory.saved(project_id=ids["project_id"], user_id=self._id(role.value), role=role)
        self.ids["user_id"] = owner.id
        await self._with_credentials(owner)
        self.deleted["user_id"] = (await UserFactory.saved(full_name=CANARY, **gone)).id
        users, password = table_of(User), "another battery staple"
        address = users.update().where(users.c.id == owner.id).values(email="owner@example.com")
        await self.application.kernel.database().sql(address)  # type: ignore[attr-defined]
        self.queries |= {f"{method} /projects": {"id": str(self.ids["project_id"])} for method in ("PATCH", "DELETE")}
        self.bodies |= {
            "PUT /users/me/password": {"current_password": PASSWORD, "new_password": password},
            "PUT /users/me/email": {"current_password": PASSWORD, "email": "new@example.com"},
            "POST /auth/sessions": {"email": "owner@example.com", "password": PASSWORD},
            "POST /auth/token": {"grant_type": "password", "username": "owner@example.com", "password": PASSWORD},
            "POST /projects/{project_id}/invitations": {"email": "ada@example.com", "role": "viewer"},
        }

    async def _with_a_row_of_each(self, owner: Caller, ids: dict[str, UUID], state: dict[str, Any]) -> None:
        known = {table_of(User).name: owner.id}
        more: dict[str, Any] = {"invitations": {"inviter_id": owner.id, "user_id": self._id("invited")}}
        for module in discover():
            for resource in module.resources:
                table, factory = table_of(resource.model), factory_of(module.name, resource.model)
                columns = {belonging.column.name: known[belonging.resource] for belonging in belongings(table)}
                if factory is None or not columns or table.name in known:
                    continue
                named: dict[str, Any] = {"name": CANARY} if "name" in table.c else {}
                row = await factory.saved(**columns | named | more.get(table.name, {}) | state)
                path = Face(resource).routes["get"].path
                known[table.name] = ids[path.rpartition("{")[2].rstrip("}")] = row.id

    async def _with_credentials(self, owner: Caller) -> None:
        """Another session of the owner's, a key, a service, and an authenticator app that waits for its first code."""
        self.ids["session_id"] = (await signed_in(self.app, self.application, await self._user(owner.id))).session_id
        self.ids["key_id"] = UUID((await a_key(owner, "tags:read"))["id"])
        for name, path, body in (
            ("service_id", "/auth/services", {"full_name": CANARY}),
            ("factor_id", "/auth/factors/totp", {"name": CANARY}),
        ):
            made = done(await owner.post(path, json=body))
            self.ids[name] = UUID(made.headers["Location"].rpartition("/")[2])

    async def _with_keys(self) -> None:
        """A key of the owner's that lacks the scope, whatever it is; one with all, of an owner who is a viewer now."""
        owner = self.actors["owner"]
        assert isinstance(owner, Caller)
        demoted = await signed_in(self.app, self.application, full_name=f"{CANARY} demoted")
        scopes = sorted({operation.scope for operation in OPERATIONS} - {""})
        reading, self._writing = [
            anonymous(self.app, headers=sent(await a_key(owner, *(one for one in scopes if one.endswith(kind)))))
            for kind in (":read", ":write")
        ]
        await MemberFactory.saved(project_id=self.ids["project_id"], user_id=demoted.id, role=Role.OWNER)
        self.actors["no_scope"] = reading
        self.actors["demoted_key"] = anonymous(self.app, headers=sent(await a_key(demoted, *scopes)))
        members = table_of(ProjectMember)
        lowered = members.update().where(members.c.user_id == demoted.id).values(role=Role.VIEWER)
        await self.application.kernel.database().sql(lowered)  # type: ignore[attr-defined]

    async def _user(self, id: UUID) -> User:
        async with self.application.kernel.database().unit_of_work() as unit, unit.orm() as session:
            found = await session.get(User, id)
        assert found is not None
        return found

    async def _with_ended(self) -> None:
        """Owners of the project beside the first one, whose accounts, sessions or tokens are no longer good."""
        for name in ("deactivated", "deleted", "revoked", "expired"):
            caller = await signed_in(self.app, self.application, full_name=f"{CANARY} {name}")
            await MemberFactory.saved(project_id=self.ids["project_id"], user_id=caller.id, role=Role.OWNER)
            self.actors[name] = caller
        now, users, sessions = datetime.now(UTC), table_of(User), table_of(UserSession)
        for change in (
            users.update().where(users.c.id == self._id("deactivated")).values(is_active=False),
            users.update().where(users.c.id == self._id("deleted")).values(deleted_at=now, deletion_id=uuid7()),
            sessions.update().where(sessions.c.user_id == self._id("revoked")).values(revoked_at=now),
        ):
            await self.application.kernel.database().sql(change)  # type: ignore[attr-defined]
        expired = self.actors["expired"]
        assert isinstance(expired, Caller)
        tokens = AccessTokens(self.application.kernel.settings().keys("access tokens"), -1)
        expired.headers["Authorization"] = f"Bearer {tokens.issue(expired.id, expired.session_id)}"

    def _id(self, actor: str) -> UUID:
        caller = self.actors[actor]
        assert isinstance(caller, Caller)
        return caller.id


def factory_of(module: str, model: type[Resource]) -> type[RowFactory[Any]] | None:
    """What makes rows of it, if its module has that."""
    with suppress(ModuleNotFoundError):
        importlib.import_module(f"modules.{module}.tests.factories")
    found = (factory for factory in RowFactory.__subclasses__() if factory._meta.model is model)
    return next(found, None)


def key_of(operation: Operation) -> str:
    """How the matrix names an operation."""
    return f"{operation.method} {operation.path.removeprefix('/api/v1')}"


def _absent(name: str) -> str:
    """An id that nothing has, another for each parameter."""
    return str(UUID(int=uuid7().int ^ len(name)))
