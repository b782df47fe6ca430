"""What every operation answers that the OpenAPI document says it can, whatever its module.

Each test asks the document for the operations that it is about, so a module that is added is held to it.
"""

from typing import Any

import psycopg
import pytest
from uuid_utils.compat import uuid7

from shared.auth import Principal
from tests.answers import Operation, described
from tests.contract.test_problems import is_problem

KEY = "every-operation"


def answering(code: str) -> pytest.MarkDecorator:
    """Parametrizes with the operations that can answer with this problem."""
    found = [one for one in described().operations if any(answer.code == code for answer in one.answers)]
    return pytest.mark.parametrize("operation", found, ids=lambda operation: operation.id)


async def ask(caller: Any, operation: Operation, *, content: bytes = b"", **headers: str) -> Any:
    """Its answer, about rows that are not there."""
    path = operation.path_with(str(uuid7())) + (f"?{operation.query}" if operation.query else "")
    kind = {"Content-Type": operation.media_type} if operation.media_type else {}
    named = kind | {name.replace("_", "-"): value for name, value in headers.items()}
    return await caller.request(operation.method, f"http://test{path}", content=content, headers=named)


@pytest.fixture
async def user(signed_in: Any) -> Any:
    """An administrator, so that no operation is forbidden."""
    return await signed_in(role="admin")


class TestTheCaller:
    @answering("unauthenticated")
    async def test_needs_a_token(self, client, operation):
        is_problem(await ask(client, operation), 401, "unauthenticated")

    @answering("invalid_token")
    async def test_needs_one_that_is_ours(self, client, operation):
        is_problem(await ask(client, operation, Authorization="Bearer x"), 401, "invalid_token")

    @answering("invalid_token")
    async def test_needs_a_session_that_has_not_ended(self, signed_in, client, operation):
        ended = await signed_in()
        await ended.delete("http://test/api/v1/users/me")
        is_problem(await ask(ended, operation, content=b"{}"), 401, "invalid_token")

    @answering("administrators_only")
    async def test_needs_to_be_an_administrator(self, signed_in, operation):
        is_problem(await ask(await signed_in(), operation, content=b"{}"), 403, "administrators_only")


class TestTheBody:
    @answering("too_large")
    async def test_may_not_be_larger_than_the_server_takes(self, user, operation):
        is_problem(await ask(user, operation, Content_Length="99999999999"), 413, "too_large")

    @answering("malformed_body")
    async def test_is_json(self, user, operation):
        is_problem(await ask(user, operation, content=b"{", Content_Type="application/json"), 400, "malformed_body")

    @answering("unsupported_media_type")
    async def test_is_of_a_kind_that_is_taken(self, user, operation):
        answer = await ask(user, operation, content=b"x", Content_Type="image/png")
        is_problem(answer, 415, "unsupported_media_type")
        assert answer.headers["Accept"]


class TestTheInput:
    WRONG = ({"limit": "x"}, {"fields": "x"}, {"dry_run": "x"}, {"mode": "x"})

    @answering("invalid_input")
    async def test_is_checked(self, user, operation):
        path, answers = operation.path_with("x"), []
        for params in self.WRONG:
            answer = await user.request(
                operation.method, f"http://test{path}", params=params, headers={"Content-Type": operation.media_type}
            )
            answers.append(answer.json()["code"] if answer.is_error else answer.status_code)
        assert "invalid_input" in answers

    @answering("invalid_cursor")
    async def test_has_no_cursor_of_ones_own_making(self, user, operation):
        parameter = "after" if operation.path.endswith("/changes") else "cursor"
        path = operation.path_with(str(user.id))
        is_problem(await user.get(f"http://test{path}", params={parameter: "x"}), 400, "invalid_cursor")


class TestAnIdempotencyKey:
    @answering("idempotency_key_reused")
    async def test_is_of_one_request(self, user, operation):
        made = await user.patch("/users/me", json={"full_name": "x"}, headers={"Idempotency-Key": KEY})
        assert made.status_code == 200
        is_problem(await ask(user, operation, content=b"{}", Idempotency_Key=KEY), 422, "idempotency_key_reused")

    @answering("idempotency_in_progress")
    async def test_runs_one_request_at_a_time(self, user, application, settings, operation):
        keyed = application.kernel.idempotency().keyed(KEY, Principal(user.id), b"")
        with psycopg.connect(settings.database_url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [keyed.lock])
            answer = await ask(user, operation, content=b"{}", Idempotency_Key=KEY)
        is_problem(answer, 409, "idempotency_in_progress")
