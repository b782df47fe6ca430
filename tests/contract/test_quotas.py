"""What one account may have at once: imports and exports that run, and answers that are kept under its keys."""

import json
from uuid import uuid4

import pytest

from app.asgi import create_app
from app.container import compose
from modules.projects.tests.imports import NDJSON
from shared.errors import TooManyRequests
from shared.manifest import discover
from shared.writes.room import LOOKS
from tests.callers import signed_in
from tests.contract.test_problems import is_problem

MOST = 16 * (1 << 10) * LOOKS
"""Bytes under idempotency keys: sixteen answers of a large project."""


@pytest.fixture(scope="module")
def limited(settings, application):
    changes = {"imports_per_account": 1, "exports_per_account": 3, "idempotency_bytes_per_account": MOST}
    limited = compose(settings.model_copy(update=changes), discover())
    limited.kernel.database.override(application.kernel.database())
    return limited


@pytest.fixture
def app(limited):
    return create_app(limited)


class TestTransfers:
    async def test_are_as_many_at_once_as_the_settings_say(self, limited):
        turns, account = limited.http.exports(), uuid4()
        async with turns.of(account), turns.of(account), turns.of(account):
            with pytest.raises(TooManyRequests, match="exports"):
                await turns.of(account).__aenter__()

    async def test_of_imports_count_those_that_are_received(self, limited, app, database):
        async with await signed_in(app, limited) as ann:

            async def slowly():
                yield b'{"name": "first"}\n'
                other = await ann.post("/projects/import", content=b"{}", headers={"Content-Type": NDJSON})
                is_problem(other, 429, "too_many_requests")
                assert other.headers["Retry-After"] == "5"

            done = await ann.post("/projects/import", content=slowly(), headers={"Content-Type": NDJSON})
            assert done.json()["imported"] == 1


class TestAnswersUnderKeys:
    async def test_are_no_more_bytes_than_an_account_may_keep(self, limited, app, database):
        """And those without a key go on."""
        body = json.dumps({"name": "large", "description": "x" * 9000})
        kept = 0
        async with await signed_in(app, limited) as ann, await signed_in(app, limited) as bob:

            async def create(caller, **headers):
                given = {"Content-Type": "application/json", **headers}
                return await caller.post("/projects", content=body, headers=given)

            while (answer := await create(ann, **{"Idempotency-Key": str(kept)})).status_code == 201:
                kept += len(answer.content)
                assert kept < 2 * MOST
            is_problem(answer, 429, "too_much_kept")
            assert int(answer.headers["Retry-After"]) == 3600
            assert kept > MOST * (1 - 2 / LOOKS) - 50_000
            assert (await create(ann, **{"Idempotency-Key": "again"})).status_code == 429
            assert (await create(ann)).status_code == 201
            assert (await create(ann, **{"Idempotency-Key": "0"})).headers["Idempotency-Replayed"] == "true"
            assert (await create(bob, **{"Idempotency-Key": "0"})).status_code == 201
