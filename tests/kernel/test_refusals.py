"""What PostgreSQL sends by itself, whatever the statement, and what its settings may be: on a real one."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from psycopg import sql as text_of
from sqlalchemy import Date, DateTime, Interval, LargeBinary, Select, Text, bindparam, cast, func, select, text

from shared.errors import DomainError, Invalid, Unavailable
from shared.http.routes.authentication import PublicChange
from shared.http.routes.routing import Route
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.applications import client_of
from tests.contract.test_problems import is_problem
from tests.database import clone
from tests.patience import eventually

BY_ITSELF = sorted(
    state
    for error in vars(psycopg.errors).values()
    if isinstance(state := getattr(error, "sqlstate", None), str) and state[:2] in {"08", "25", "40", "53", "57", "58"}
)
RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{}'; END $$"
IDLE = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"


@pytest.fixture
def url():
    with clone() as url:
        yield url


@pytest.fixture
async def real(settings, url) -> AsyncIterator[Database]:
    database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
    yield database
    await database.close()


@pytest.fixture
async def http(real) -> AsyncIterator[AsyncClient]:
    router = APIRouter(route_class=Route)

    @router.post("/raise/{state}")
    async def fail(change: PublicChange, state: str, by: str) -> None:
        if by == "wire":
            await change.unit.command(RAISE.format(state))
        async with change.unit.orm() as session:
            await session.execute(text(RAISE.format(state)))

    async with client_of(router, real) as client:
        yield client


def await_end_of_idle(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        eventually(lambda: connection.execute(IDLE).fetchone() is None)


@pytest.mark.parametrize("by", ["wire", "session"])
class TestWhatTheServerSendsByItself:
    async def test_is_503_with_the_time_to_come_back(self, http, by):
        assert len(BY_ITSELF) > 35
        for state in BY_ITSELF:
            answer = await http.post(f"/raise/{state}", params={"by": by})
            told = is_problem(answer, 503, "contended" if state.startswith("40") else "unavailable")
            assert told["retryable"] is True
            assert answer.headers["Retry-After"]

    async def test_that_was_not_heard_of_yet_is_503_too(self, http, by):
        for state in ("57Z99", "08ZZZ", "53X01", "25Q00"):
            assert (await http.post(f"/raise/{state}", params={"by": by})).status_code == 503

    async def test_for_want_of_statements_is_503(self, settings, url, by):
        """A unit of work that does nothing for too long is ended, and is told when it goes on."""
        database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1, "statement_seconds": 0.1}))

        async def idle() -> None:
            async with database.unit_of_work() as unit:
                if by == "wire":
                    await unit.command("SELECT 1")
                    await asyncio.to_thread(await_end_of_idle, url)
                    await unit.command("SELECT 1")
                async with unit.orm() as session:
                    await session.execute(text("SELECT 1"))
                    await asyncio.to_thread(await_end_of_idle, url)
                    await session.execute(text("SELECT 1"))

        try:
            with pytest.raises(Unavailable):
                await idle()
        finally:
            await database.close()


class TestWhatTheStatementBrings:
    @pytest.mark.parametrize(("state", "error"), [("54001", Invalid), ("22008", Invalid), ("55P03", Unavailable)])
    async def test_is_told_as_what_it_is(self, real, state, error):
        with pytest.raises(error):
            async with real.unit_of_work() as unit:
                await unit.command(RAISE.format(state))

    @pytest.mark.parametrize("state", ["XX000", "42P01", "42601", "P0001", "0A000"])
    async def test_is_left_as_it_is_when_it_is_a_fault_of_ours(self, real, state):
        with pytest.raises(psycopg.Error) as raised:
            async with real.unit_of_work() as unit:
                await unit.command(RAISE.format(state))
        assert not isinstance(raised.value, DomainError)


INSTANT = datetime(2026, 2, 1, 12, 30, 15, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
VALUES = {
    "a": INSTANT,
    "b": date(2026, 2, 1),
    "c": "Zoë – naïve 🙂 \\ '",
    "d": b"\\x00\xff",
    "e": timedelta(days=-1, hours=3),
}
TYPED: Select[*tuple[Any, ...]] = select(
    cast(bindparam("a"), DateTime(timezone=True)),
    cast(bindparam("b"), Date()),
    cast(bindparam("c"), Text()),
    cast(bindparam("d"), LargeBinary()),
    cast(bindparam("e"), Interval()),
)
ON_THE_WIRE = Statement(TYPED.add_columns(func.to_json(cast(bindparam("a"), DateTime(timezone=True)))))
SETTINGS = {
    "datestyle": "German, DMY",
    "client_encoding": "LATIN1",
    "timezone": "Asia/Kathmandu",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
}
ENVIRONMENT = {
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Kathmandu",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c datestyle=SQL -c statement_timeout=1 -c intervalstyle=iso_8601",
}


class TestADatabaseWithSettingsOfItsOwn:
    @pytest.fixture(params=[*SETTINGS, "all of them"])
    def own_settings(self, request, url):
        names = [request.param] if request.param in SETTINGS else list(SETTINGS)
        with psycopg.connect(url, autocommit=True) as connection:
            for name in names:
                database = text_of.Identifier(connection.info.dbname)
                setting = text_of.SQL("ALTER DATABASE {} SET {} = {}")
                connection.execute(setting.format(database, text_of.Identifier(name), SETTINGS[name]))

    async def test_answers_as_any_other_does(self, real, own_settings):
        await answers_as_any_other(real)

    @pytest.mark.parametrize("names", [*([name] for name in ENVIRONMENT), [*ENVIRONMENT]])
    async def test_answers_as_any_other_whatever_the_environment_says(self, settings, url, monkeypatch, names):
        for name in names:
            monkeypatch.setitem(os.environ, name, ENVIRONMENT[name])
        database = Database(settings.model_copy(update={"database_url": url, "pool_size": 1}))
        try:
            async with database.unit_of_work(dry_run=True) as unit:  # Whose rollback takes back none of it.
                await unit.execute(ON_THE_WIRE, VALUES)
            await answers_as_any_other(database)
        finally:
            await database.close()


async def answers_as_any_other(database: Database) -> None:
    async with database.unit_of_work() as unit, unit.orm() as session:
        by_the_session = (await session.execute(TYPED, VALUES)).one()
        isolation = await session.scalar(text("SHOW transaction_isolation"))
    async with database.unit_of_work() as unit:
        on_the_wire = await unit.execute(ON_THE_WIRE, VALUES)
    expected = (*VALUES.values(), f'"{INSTANT.astimezone(UTC).isoformat()}"'.encode())
    assert on_the_wire == [expected]
    assert await database.read(ON_THE_WIRE, VALUES) == [expected]
    assert tuple(by_the_session) == tuple(VALUES.values())
    assert isolation == "read committed"
