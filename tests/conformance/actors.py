"""Who may do what: every verb for every actor, and that nobody learns of a row that they may not see."""

import re
from typing import Any

from httpx2 import Response
from uuid_utils.compat import uuid7

from shared.auth import ADMIN, READ, RESTORE
from tests.callers import Caller, anonymous
from tests.conformance.faces import READS, ROW_WRITES
from tests.conformance.promises import Promises
from tests.conformance.requests import Write, contents, done, ids, items, parameters, refused
from tests.conformance.tried import each, needs, row_writes

SAME: dict[str, Any] = {"X_Request_ID": "same"}


def _of_a_row(contract: Any) -> list[str]:
    return [*contract.face.verbs(*READS), *row_writes(contract)]


def _verbs_and_roles(contract: Any) -> list[tuple[str, str]]:
    return [(verb, role) for verb in _of_a_row(contract) for role in (*contract.roles, ADMIN)]


def _open(contract: Any) -> list[str]:
    """What is not for administrators alone, who see every row."""
    return [verb for verb in _of_a_row(contract) if not contract.is_administered(verb)]


def _with_credentials(contract: Any) -> list[str]:
    return [*(verb for verb in contract.face.routes if not contract.face.is_public(verb)), *contract.acts]


class Actors(Promises):
    """The policy's table, over HTTP."""

    @each("verb, role", _verbs_and_roles)
    async def test_a_role_may_do_what_the_policy_allows_it(self, verb: str, role: str):
        """Who sees a row reads it; an action that the role lacks is 403, on a deleted row 404 (docs/guide/errors.md,
        the policy of the resource).
        """
        row = await self.deleted() if verb == "restore" else self.row
        caller = await (self.admin() if role == ADMIN else self.actor(role, row))
        request = await self.write(verb, row)
        before = await contents(self.stage.database)
        answer = await request.by(caller)
        if self.is_administered(verb) and role != ADMIN:
            refused(answer, 403, "administrators_only")
        elif verb in READS or self.face.allows(role, self.action(verb)):
            done(answer)
            return
        elif verb == "restore":
            refused(answer, 404, self.resource.absent.code)
        else:
            refused(answer, 403, self.resource.denied.code)
        assert await contents(self.stage.database) == before, "What is refused changes nothing."

    @each("role", lambda c: (*c.roles, ADMIN))
    async def test_a_role_is_told_what_it_may_do(self, role: str):
        """`include=allowed_actions` is the policy's table, for this caller and this row as it is now: on a single read,
        and in the list and the trash (docs/guide/errors.md).
        """
        deleted = await self.deleted()
        may = [action for action, roles in self.resource.policy.allowed.items() if role in roles]
        expected = {str(self.row.id): [READ, *(one for one in may if one != RESTORE)]}
        expected[str(deleted.id)] = [one for one in may if one == RESTORE]
        caller = await (self.admin() if role == ADMIN else self.actor(role, self.row))
        params = {"fields": "id", "include": "allowed_actions"}
        if "get" in self.face.routes and not (self.is_administered("get") and role != ADMIN):
            found = done(await caller.get(self.path(self.row), params=params)).json()
            assert found == {"id": str(self.row.id), "allowed_actions": expected[str(self.row.id)]}
        if "list" in self.face.routes and not (self.is_administered("list") and role != ADMIN):
            for item in items(await caller.get(self.face.path, params={**params, "deleted": "include"})):
                assert item["allowed_actions"] == expected.get(item["id"], item["allowed_actions"])

    @each("verb", _with_credentials)
    async def test_nobody_may_do_anything_without_credentials(self, verb: str):
        """No valid credential is 401 with `WWW-Authenticate` (docs/guide/errors.md)."""
        async with anonymous(self.stage.app) as client:
            for headers in ({}, {"Authorization": "Bearer x"}):
                answer = await self.asked(client, verb, self.row, **headers)
                refused(answer, 401, "invalid_token" if headers else "unauthenticated")
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    @each("verb", _with_credentials)
    async def test_a_session_that_has_ended_is_no_credential(self, verb: str):
        """The session is checked by every request, not the token's expiry alone (docs/guide/signing-in.md)."""
        ended = Caller(self.stage.app, self.keeper.id, uuid7(), "")
        token = self.stage.application.kernel.access_tokens().issue(self.keeper.id, uuid7())
        ended.headers["Authorization"] = f"Bearer {token}"
        refused(await self.asked(ended, verb, self.row), 401, "invalid_token")

    @each("verb", _open)
    async def test_to_an_outsider_a_row_is_like_one_that_never_was(self, verb: str):
        """A row that the caller may not see answers 404, byte for byte like one that never was: asked for before it is
        made, and after (docs/guide/errors.md).
        """
        id, outsider = uuid7(), await self.outsider()
        request = (await self.write(verb, self.row)).about(id, self.row.id)
        before = await request.by(outsider, **SAME)
        await (self.deleted(id=id) if verb == "restore" else self.saved(id=id))
        refused(before, 404, self.resource.absent.code)
        is_same(await request.by(outsider, **SAME), before)

    @each("verb", lambda c: [verb for verb in _of_a_row(c) if verb not in {"history", "restore"}])
    async def test_a_deleted_row_is_like_one_that_never_was(self, verb: str):
        """What is deleted is found by the trash alone; to its owner, too, it answers as if it had never been
        (docs/guide/errors.md).
        """
        id = uuid7()
        request = (await self.write(verb, self.row)).about(id, self.row.id)
        before = await request.by(self.keeper, **SAME)
        await self.deleted(id=id)
        refused(before, 404, self.resource.absent.code)
        is_same(await request.by(self.keeper, **SAME), before)

    @each("verb", lambda c: [verb for verb in _of_a_row(c) if c.is_administered(verb)])
    async def test_an_administrators_route_does_not_tell_whether_there_is_a_row(self, verb: str):
        """403 to everybody else, whatever the id (docs/guide/errors.md)."""
        id, outsider = uuid7(), await self.outsider()
        request = (await self.write(verb, self.row)).about(id, self.row.id)
        before = await request.by(outsider, **SAME)
        await self.saved(id=id)
        refused(before, 403, "administrators_only")
        is_same(await request.by(outsider, **SAME), before)

    @each("verb", lambda c: c.face.verbs(*READS, *ROW_WRITES))
    async def test_what_is_no_id_is_named(self, verb: str):
        """A path with something else in the id's place is 422, with the parameter's name, and never a 5xx."""
        for id in ("1", "no-uuid", "0198a5b0-0000-7000-8000", "%00", "%ff"):
            answer = await (await self.write(verb, self.row)).about(id, self.row.id).by(self.keeper)
            assert [f"{{{name}}}" for name in parameters(answer)] == re.findall(r"{\w+}", self.face.routes[verb].path)

    @needs("list", if_=lambda c: not c.face.is_administered("list"))
    async def test_a_list_shows_no_rows_of_others(self):
        """A caller's list has what is theirs; not even an administrator's has more (docs/guide/paging.md)."""
        for caller in (await self.outsider(), await self.admin()):
            page = await caller.get(self.face.path, params={"deleted": "include"})
            assert page.json() == {"items": [], "next_cursor": None}
            assert "Link" not in page.headers
        assert str(self.row.id) in ids(await self.keeper.get(self.face.path))

    @each("role", lambda c: [] if c.face.is_administered("list") else c.roles)
    async def test_a_list_has_the_rows_in_which_one_has_a_role(self, role: str):
        """Who has a role in a row finds it in their list, as the document that they read."""
        caller = await self.actor(role, self.row)
        listed = {item["id"]: item for item in items(await caller.get(self.face.path))}
        assert listed.get(str(self.row.id)) == await self.document(self.row, caller)

    @needs("list", if_=lambda c: c.face.is_administered("list"))
    async def test_a_list_of_administrators_is_for_nobody_else(self):
        """403 `administrators_only` (docs/guide/errors.md)."""
        refused(await (await self.outsider()).get(self.face.path), 403, "administrators_only")

    @needs("create")
    async def test_a_new_row_is_its_makers(self):
        """Who makes a row has every right on it, and nobody else sees it."""
        made = done(await Write("POST", self.face.path, self.body()).by(self.keeper)).json()
        assert (await self.keeper.get(self.path(made))).status_code == 200
        assert (await (await self.outsider()).get(self.path(made))).status_code in {403, 404}

    async def asked(self, caller: Any, verb: str, row: Any, **headers: Any) -> Response:
        """The answer to the verb, with a body that would be good."""
        return await (await self.write(verb, row)).by(caller, **headers)


def is_same(answer: Response, before: Response) -> None:
    """Whether an absence is byte for byte the one before."""
    assert answer.status_code == before.status_code, f"{answer.status_code} is not {before.status_code}."
    assert answer.content == before.content
    assert answer.headers == before.headers
