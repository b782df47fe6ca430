"""What a client made itself is not accepted: tokens, cursors and keys. Nor is a key that has ended."""

from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from httpx2 import AsyncClient
from sqlalchemy import text
from uuid_utils.compat import uuid7

from modules.users.tests.keys import key_of
from tests.callers import Caller
from tests.conformance.requests import done, refused
from tests.security.forging import checked, forged_cursors, forged_keys, forged_tokens, signed

LEAST = 100
LISTS = ("/tags?limit=1", "/tags?limit=1&sort=name", "/changes?limit=100")


@pytest.fixture
async def ann(signed_in: Any) -> Caller:
    caller: Caller = await signed_in(full_name="Ann")
    return caller


class TestATokenThatIsForged:
    async def test_is_accepted_by_no_operation(self, ann: Caller, application: Any, record_property: Any) -> None:
        """Neither by a read, whose gate looks at the session, nor by a change, nor beside a good one."""
        key = application.kernel.settings().key("access tokens")
        forged = list(dict.fromkeys(forged_tokens(ann.token, key, ann.id, ann.session_id)))
        assert len(forged) >= LEAST
        accepted = []
        for token in forged:
            ann.headers["Authorization"] = f"Bearer {token}"
            for method, body in (("GET", None), ("PATCH", {"full_name": "Eve"})):
                answer = await ann.request(method, "/users/me", json=body)
                if answer.status_code != 401 or answer.json()["code"] not in {"invalid_token", "unauthenticated"}:
                    accepted.append((token, answer.status_code, answer.text))
        record_property(
            "figure", f"{len(forged)} forged tokens, each for a read and a change: {len(accepted)} accepted"
        )
        assert accepted == []

    async def test_would_be_found_if_it_were_accepted(self, ann: Caller, application: Any) -> None:
        """The one that the forger signs with all that is right is."""
        key = application.kernel.settings().key("access tokens")
        claims = jwt.decode(ann.token, options={"verify_signature": False})
        ann.headers["Authorization"] = f"Bearer {signed(claims, key)}"
        assert (await ann.get("/users/me")).status_code == 200


SCOPES = ("tags:read", "tags:write")
ENDS = {
    "revoked": "UPDATE sessions SET revoked_at = now() WHERE id = :id",
    "expired": "UPDATE sessions SET expires_at = now() WHERE id = :id",
    "of a deleted account": "UPDATE users SET deleted_at = now(), deletion_id = id WHERE id = :account",
    "of a deactivated account": "UPDATE users SET is_active = false WHERE id = :account",
    "of a service whose owner is deleted": "UPDATE users SET deleted_at = now(), deletion_id = id WHERE id = :owner",
    "of a service whose owner is deactivated": "UPDATE users SET is_active = false WHERE id = :owner",
    "that is gone": "DELETE FROM sessions WHERE id = :id",
}
"""What becomes of a key, of the account that it acts as, or of its owner."""


async def accepted_by(client: AsyncClient, token: str) -> list[Any]:
    """The answers to a read and a change with this token that are not the refusal."""
    headers: dict[bytes, bytes] = {b"Authorization": f"Bearer {token}".encode()}
    found: list[Any] = []
    for method, body in (("GET", None), ("POST", {"name": f"Eve {uuid7()}"})):
        answer = await client.request(method, "/tags", json=body, headers=headers)
        if answer.status_code != 401 or answer.json()["code"] not in {"invalid_token", "unauthenticated"}:
            found.append((method, token, answer.status_code, answer.text))
    return found


class TestAKeyThatIsForged:
    async def test_is_accepted_by_no_operation(self, ann: Caller, client: AsyncClient, record_property: Any) -> None:
        """Neither by a read nor by a change, both of which the genuine one may do: before that is used, and when the
        process knows it.
        """
        genuine = (await key_of(ann, *SCOPES))["secret"]
        forged = list(dict.fromkeys(forged_keys(genuine)))
        assert len(forged) >= LEAST
        assert genuine not in forged
        accepted = []
        for _ in range(2):
            accepted += [answer for key in forged for answer in await accepted_by(client, key)]
            assert [status for _, _, status, _ in await accepted_by(client, genuine)] == [200, 201]
            await ann.delete("/tags", params={"name": f"Eve {uuid7()}"})
        told = "forged API keys, each for a read and a change, beside a genuine one and before"
        record_property("figure", f"{len(forged)} {told}: {len(accepted)} accepted")
        assert accepted == []

    async def test_is_refused_though_its_checksum_fits(self, ann: Caller) -> None:
        """The forger makes it as the server does."""
        genuine = (await key_of(ann, *SCOPES))["secret"]
        assert checked(genuine.removeprefix("trellis_")[:-6]) == genuine

    async def test_is_none_where_it_does_not_belong(self, ann: Caller, client: AsyncClient) -> None:
        """A genuine one, as another scheme, header, cookie, parameter or grant."""
        genuine = (await key_of(ann, *SCOPES))["secret"]
        for scheme in ("", "Basic ", "Token ", "ApiKey ", "DPoP "):
            refused(await client.get("/tags", headers={"Authorization": scheme + genuine}), 401, "unauthenticated")
        for headers in ({"X-API-Key": genuine}, {"Cookie": f"access_token={genuine}"}):
            refused(await client.get("/tags", headers=headers), 401, "unauthenticated")
        assert (await client.get("/tags", params={"access_token": genuine})).status_code == 401
        form = {"grant_type": "refresh_token", "refresh_token": genuine}
        assert (await client.post("/auth/token", data=form)).json()["error"] == "invalid_grant"


class TestAKeyThatHasEnded:
    @pytest.mark.parametrize("how", ENDS)
    async def test_is_accepted_by_no_operation(
        self, ann: Caller, client: AsyncClient, database: Any, how: str, record_property: Any
    ) -> None:
        """Neither one that the process knows from before, nor one that was never used."""
        account = str(ann.id)
        if how.startswith("of a service"):
            account = str(done(await ann.post("/auth/services", json={"full_name": "Robot"})).json()["id"])
        used, unused = [await key_of(ann, *SCOPES, account_id=account) for _ in range(2)]
        assert [status for _, _, status, _ in await accepted_by(client, used["secret"])] == [200, 201]
        for key in (used, unused):
            values = {"id": key["id"], "account": account, "owner": str(ann.id)}
            await database.sql(text(ENDS[how]), {name: one for name, one in values.items() if f":{name}" in ENDS[how]})
        accepted = [answer for key in (used, unused) for answer in await accepted_by(client, key["secret"])]
        record_property("figure", f"2 API keys that have ended: {len(accepted)} accepted")
        assert accepted == []


class TestACursorThatIsForged:
    async def test_is_accepted_by_no_list(self, ann: Caller, signed_in: Any, record_property: Any) -> None:
        """Changed ones, and genuine ones of another list, another filter, another caller."""
        eve = await signed_in()
        for caller in (ann, eve):
            for n in range(2):
                done(await caller.post("/tags", json={"name": f"Tag {n}"}))
        genuine, theirs = [
            {path: str(done(await caller.get(path)).json()["next_cursor"]) for path in LISTS} for caller in (ann, eve)
        ]
        accepted, count = [], 0
        for path, cursor in genuine.items():
            name = "after" if path.startswith("/changes") else "cursor"
            others = [one for place, one in genuine.items() if place != path] + [*theirs.values()]
            forged = list(dict.fromkeys([*forged_cursors(cursor), *others]))
            assert len(forged) >= LEAST
            count += len(forged)
            for one in forged:
                answer = await ann.get(f"{path}&{urlencode({name: one})}")
                if answer.status_code != 400 or answer.json()["code"] != "invalid_cursor":
                    accepted.append((path, one, answer.status_code, answer.text))
            done(await ann.get(f"{path}&{urlencode({name: cursor})}"))
        record_property("figure", f"{count} forged cursors of {len(genuine)} lists: {len(accepted)} accepted")
        assert accepted == []

    async def test_of_a_list_is_good_for_it(self, ann: Caller) -> None:
        for n in range(2):
            done(await ann.post("/tags", json={"name": f"Tag {n}"}))
        first = done(await ann.get("/tags", params={"limit": 1})).json()["next_cursor"]
        refused(await ann.get("/tags", params={"cursor": first, "sort": "name"}), 400, "invalid_cursor")
        done(await ann.get("/tags", params={"cursor": first}))
