"""The line of a request: who asked for what, how it was answered, and what that cost."""

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from modules.users.tests.factories import PASSWORD, UserFactory
from shared.errors import Unavailable
from shared.http.edge.middleware import GONE, REFUSAL, RequestContext
from shared.observing import NO_ANSWER, OTHER

CANARY = "canary-3f9d"


class Collected(list[dict[str, Any]]):
    """Keeps the lines, as fields."""

    def info(self, event, **fields):
        self.append({"message": event, **fields})


@pytest.fixture
def lines(app, monkeypatch):
    monkeypatch.setattr(app.front, "_lines", collected := Collected())
    return collected


class TestAReadOfARow:
    async def test_has_all_that_is_to_be_known(self, signed_in, lines):
        caller = await signed_in()
        created = await caller.post("/tags", json={"name": "green"})
        lines.clear()
        answer = await caller.get(f"/tags/{created.json()['id']}", headers={"X-Request-ID": "abc-1"})
        (line,) = lines
        assert line["duration_ms"] >= line["statements_ms"] > 0
        assert line["statements"] >= 1
        told = {
            name: value for name, value in line.items() if name not in {"duration_ms", "statements_ms", "statements"}
        }
        assert told == {
            "message": "GET /api/v1/tags/{tag_id} 200",
            "request_id": "abc-1",
            "principal": str(caller.id),
            "client": "127.0.0.1",
            "method": "GET",
            "route": "/api/v1/tags/{tag_id}",
            "path": f"/api/v1/tags/{created.json()['id']}",
            "status": 200,
            "bytes": len(answer.content),
        }

    async def test_without_a_body_counts_no_bytes(self, signed_in, lines):
        await (await signed_in()).head("/tags")
        assert [(line["method"], line["bytes"]) for line in lines] == [("HEAD", 0)]


class TestAChange:
    async def test_counts_every_statement_of_its_transaction(self, signed_in, lines):
        caller = await signed_in()
        await caller.post("/tags", json={"name": "green"})
        (line,) = lines
        assert (line["route"], line["status"], line["principal"]) == ("/api/v1/tags", 201, str(caller.id))
        assert line["statements"] >= 5, "BEGIN, the session, the row, its document, COMMIT"

    async def test_of_a_batch_is_one_line(self, signed_in, lines):
        operations = [{"method": "POST", "path": "/tags", "body": {"name": name}} for name in ("red", "green")]
        await (await signed_in()).post("/batch", json={"operations": operations})
        assert [(line["route"], line["status"]) for line in lines] == [("/api/v1/batch", 200)]


class TestASignIn:
    async def test_names_the_account(self, client, lines):
        user = await UserFactory.saved()
        await client.post("/auth/sessions", json={"email": user.email, "password": PASSWORD})
        assert [(line["status"], line["principal"]) for line in lines] == [(201, str(user.id))]


class TestARequestThatIsRefused:
    @pytest.mark.parametrize(
        ("request_line", "route", "status"),
        [
            (f"GET /{CANARY}", OTHER, 404),
            ("DELETE /tags", OTHER, 405),
            ("GET /tags", "/api/v1/tags", 401),
            ("GET http://test/problems/nothing", "/problems/{code}", 404),
            ("PATCH /tags/1", "/api/v1/tags/{tag_id}", 401),
        ],
    )
    async def test_has_the_template_of_its_route_or_the_one_word_for_all_others(
        self, client, lines, request_line, route, status
    ):
        await client.request(*request_line.split())
        assert [(line["route"], line["status"], line["principal"]) for line in lines] == [(route, status, None)]

    async def test_by_its_size_before_a_route_is_found_has_its_line_as_well(self, client, lines):
        await client.post("/tags", content=b" " * (2 << 20))
        assert [(line["route"], line["status"]) for line in lines] == [(OTHER, 413)]


BARE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/",
    "headers": [],
    "query_string": b"",
    "client": None,
}


class TestAClientThatWentAway:
    async def test_before_it_was_answered_has_a_status_of_its_own(self, lines):
        async def read(*_):
            raise ClientDisconnect

        await RequestContext(read, max_body_bytes=1, lines=lines)({**BARE}, read, read)
        assert [(line["status"], line["client"], line["path"]) for line in lines] == [(NO_ANSWER, None, "")]

    async def test_whose_request_is_given_up_as_well(self, lines):
        async def given_up(scope, *_):
            scope["state"] |= {GONE: True, REFUSAL: Unavailable()}
            raise asyncio.CancelledError

        sent = []

        async def send(message):
            sent.append(message)

        async def nothing():
            return {"type": "http.disconnect"}

        await RequestContext(given_up, max_body_bytes=1, lines=lines)({**BARE, "state": {}}, nothing, send)
        assert [line["status"] for line in lines] == [NO_ANSWER]
        assert sent[0]["status"] == 503, "To nobody."


class TestSecrets:
    async def test_in_a_query_string_or_a_header_or_a_body_are_in_no_line(self, client, lines):
        body = {"email": f"{CANARY}@example.com", "password": CANARY}
        await client.post(f"/auth/sessions?password={CANARY}&{CANARY}", json=body)
        await client.get(f"/tags?q={CANARY}", headers={"Authorization": f"Bearer {CANARY}", "Cookie": CANARY})
        await client.post("/users", json={"email": "a@example.com", "password": CANARY, "full_name": CANARY})
        assert len(lines) == 3
        assert CANARY not in str(lines)
        assert [line["path"] for line in lines] == [
            "/api/v1/auth/sessions?REDACTED",
            "/api/v1/tags?REDACTED",
            "/api/v1/users",
        ]
