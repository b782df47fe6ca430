"""Refreshes that meet: whoever holds a refresh token, and asks 50 times at once, goes on with one successor."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import psycopg
import pytest

from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import Server, serving

IS_WHOLE = os.environ.get("SECURITY") == "whole"
ROUNDS = 200 if IS_WHOLE else 3
PROCESSES = 3 if IS_WHOLE else 1
PARALLEL, LATE = 50, 5
"""Refreshes at once with the newest token, and beside them with the one before, whose answer may have been lost."""
ANN = {"email": "ann@example.com", "password": "correct horse battery"}
_TOKENS = """
    SELECT count(*), count(*) FILTER (WHERE used_at IS NULL), count(DISTINCT session_id) FROM refresh_tokens
"""


LONG_LEEWAY = """
    CREATE FUNCTION used_later() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.used_at := NEW.used_at + interval '1 hour';
        RETURN NEW;
    END $$;
    CREATE TRIGGER used_later BEFORE UPDATE ON refresh_tokens
    FOR EACH ROW WHEN (OLD.used_at IS NULL) EXECUTE FUNCTION used_later()"""
"""A slow machine takes longer for two rounds than the ten seconds for which a token that was used is good."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute(LONG_LEEWAY)
        yield url


@pytest.fixture(scope="module")
def servers(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Processes on one database."""
    same = {"DATABASE_URL": url, "TRELLIS_SECRET": "the same for all replicas, of course"}
    with ExitStack() as stack:
        yield [stack.enter_context(serving(tmp_path_factory.mktemp("server"), **same)) for _ in range(PROCESSES)]


async def test_at_once_have_one_lineage(servers: list[Server], url: str, record_property: Any) -> None:
    servers[0].post("/api/v1/users", json=ANN | {"full_name": "Ann"}).raise_for_status()
    newest = str(servers[0].post("/api/v1/auth/sessions", json=ANN).json()["refresh_token"])
    before, asked = "", 0
    async with httpx2.AsyncClient(timeout=PATIENCE, limits=httpx2.Limits(max_connections=PARALLEL + LATE)) as client:

        async def refreshed(number: int, token: str) -> str | None:
            form = {"grant_type": "refresh_token", "refresh_token": token}
            place = servers[number % len(servers)].url
            answer = await client.post(f"{place}/api/v1/auth/token", data=form)
            # So many wait for the row that some may find no connection: they may ask again.
            assert answer.status_code in {200, 503}, answer.text
            return str(answer.json()["refresh_token"]) if answer.status_code == 200 else None

        for _ in range(ROUNDS):
            tokens = [newest] * PARALLEL + [before] * LATE * bool(before)
            answers = await asyncio.gather(*(refreshed(n, token) for n, token in enumerate(tokens)))
            asked += len(tokens)
            assert {*answers[PARALLEL:]} <= {newest, None}
            (successor,) = {*answers[:PARALLEL]} - {None}
            assert successor not in {newest, before, None}
            newest, before = str(successor), newest
    with psycopg.connect(url) as connection:
        assert connection.execute(_TOKENS).fetchone() == (ROUNDS + 1, 1, 1)
    record_property(
        "figure", f"{asked} refreshes, {PARALLEL} at once × {ROUNDS} rounds, {PROCESSES} processes: 1 lineage"
    )
