"""What a client made itself is not accepted: tokens and cursors."""

from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from tests.callers import Caller
from tests.conformance.requests import done, refused
from tests.security.forging import forged_cursors, forged_tokens, signed

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
