"""What is done about who registers accounts without end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import text

from app.container import Application
from modules.users import guesses
from modules.users.guesses import SHARD, Limit
from modules.users.settings import UsersSettings
from modules.users.tests.factories import PASSWORD, UserFactory
from tests.callers import BASE
from tests.database import RolledBackDatabase

Register = Callable[..., Awaitable[Response]]


@pytest.fixture
async def register(app: FastAPI, database: RolledBackDatabase) -> AsyncIterator[Register]:
    """Registers somebody new from an address."""
    async with AsyncExitStack() as stack:

        async def registered(number: int, address: str = "203.0.113.1", query: str = "", **headers: str) -> Response:
            transport = ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1234))
            client = await stack.enter_async_context(AsyncClient(transport=transport, base_url=BASE))
            account = {"email": f"user{number}@example.com", "password": PASSWORD, "full_name": "Ann"}
            return await client.post(f"/users{query}", json=account, headers=headers)

        yield registered


@pytest.fixture
def little(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    counting: Any = application.containers["users"].providers["guesses"]()
    monkeypatch.setattr(counting, "_registrations", Limit(free=4, fade=900))


async def press(database: RolledBackDatabase) -> None:
    """So that no machine is so slow that it waits it out."""
    await database.sql(text("UPDATE sign_in_failures SET failures = failures + 6"))


def wait(answer: Response) -> int:
    """The seconds after which a refused one may try again."""
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_registrations"), answer.text
    assert answer.json()["retryable"]
    return int(answer.headers["Retry-After"])


@pytest.mark.usefixtures("little")
class TestRegistrations:
    async def test_from_an_address_have_to_wait_after_some(
        self, register: Register, database: RolledBackDatabase
    ) -> None:
        for number in range(4):
            assert (await register(number)).status_code == 201
        await press(database)
        assert wait(await register(4)) > 1
        assert (await register(4, "198.51.100.1")).status_code == 201, "Another address."
        await database.sql(text("UPDATE sign_in_failures SET at = at - :by"), {"by": timedelta(hours=3)})
        assert (await register(5)).status_code == 201

    async def test_that_fail_or_are_only_tried_count_as_well(
        self, register: Register, database: RolledBackDatabase
    ) -> None:
        """Else they would tell for free who has an account."""
        await UserFactory.saved(email="user1@example.com")
        for _ in range(3):
            assert (await register(1)).status_code == 409
        assert (await register(2, query="?dry_run=true")).status_code == 201
        await press(database)
        wait(await register(3))

    async def test_that_are_repeated_under_a_key_count_once(self, register: Register) -> None:
        headers = {"Idempotency-Key": "k"}
        assert [(await register(1, **headers)).status_code for _ in range(8)] == [201] * 8

    async def test_of_a_network_of_one_client_count_together(
        self, register: Register, database: RolledBackDatabase
    ) -> None:
        for number in range(4):
            assert (await register(number, f"2001:db8:1:2:{number:x}::1")).status_code == 201
        await press(database)
        wait(await register(4, "2001:db8:1:2:ffff::1"))

    async def test_that_are_mailed_have_this_limit_and_no_lower_one(
        self, mailing: AsyncClient, database: RolledBackDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An operator who allows 1,000 an hour means those as well."""
        monkeypatch.setattr(guesses, "ADDRESS", Limit(free=1, fade=60))
        accounts = [{"email": f"user{n}@example.com", "password": PASSWORD, "full_name": "Ann"} for n in range(4)]
        assert [(await mailing.post("/users", json=account)).status_code for account in accounts] == [202] * 4
        await mailing.post("/auth/password-reset", json={"email": "user1@example.com"})
        answer = await mailing.post("/auth/password-reset", json={"email": "user2@example.com"})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_mails")

    async def test_keep_nobody_from_signing_in(
        self, register: Register, client: AsyncClient, database: RolledBackDatabase
    ) -> None:
        for number in range(4):
            await register(number, "127.0.0.1")
        await press(database)
        wait(await register(5, "127.0.0.1"))
        body = {"email": "user1@example.com", "password": PASSWORD}
        assert (await client.post("/auth/sessions", json=body)).status_code == 201


class TestAllRegistrations:
    async def test_wait_a_little_when_there_are_very_many(
        self, register: Register, database: RolledBackDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guesses, "SHARDS", 1)
        monkeypatch.setattr(guesses, "SHARD", Limit(free=4, fade=SHARD.fade, longest=SHARD.longest))
        for number in range(4):
            assert (await register(number, f"203.0.113.{number}")).status_code == 201
        await press(database)
        assert 1 < wait(await register(4, "198.51.100.1")) <= SHARD.longest


class TestTheLimit:
    def test_does_not_stop_an_office_behind_one_address(self) -> None:
        assert UsersSettings().registrations_per_hour >= 100
