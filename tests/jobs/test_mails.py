"""Mails from the request to the mail server: by a real worker, on transactions that are real."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr

from app.asgi import create_app
from app.container import Application, compose
from app.worker import work
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import anonymous
from tests.database import clone
from tests.mails import SITE, MailServer, token_in
from tests.patience import PATIENCE, eventually

ANN = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
NEW = "another good password"


@dataclass
class House:
    """An application with a mail server, on a database of its own."""

    url: str
    application: Application
    app: FastAPI
    server: MailServer

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    async def mails(self, count: int) -> None:
        """Wait for so many, while a worker in this process works."""
        task = asyncio.create_task(work(self.application))
        try:
            await self.until(lambda: len(self.server.mails) >= count and self.unfinished() == 0)
        finally:
            task.cancel()
            await asyncio.wait([task])

    def unfinished(self) -> int:
        ((count,),) = self.sql(
            "SELECT count(*) FROM procrastinate_jobs WHERE args ? 'event' AND status IN ('todo', 'doing')"
        )
        return int(count)

    async def until(self, condition: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(eventually, condition)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with clone("mails") as url:
        yield url


@pytest.fixture
async def house(url: str, mail_server: MailServer) -> AsyncIterator[House]:
    settings = Settings(
        DATABASE_URL=url,
        environment="development",
        secret=SecretStr("a secret for tests, 32 bytes or more"),
        argon2_memory_kib=8,
        argon2_iterations=1,
        pool_wait_seconds=PATIENCE,
        statement_seconds=PATIENCE,
        job_retry_seconds=0.01,
        mail_from="no-reply@example.org",
        public_url=SITE,
        mail_url=f"smtp://127.0.0.1:{mail_server.port}",
    )
    application = compose(settings, discover())
    house = House(url, application, create_app(application), mail_server)
    house.sql("TRUNCATE users, confirmations, sign_in_failures, procrastinate_jobs CASCADE")
    yield house
    await application.kernel.database().close()


@asynccontextmanager
async def registered(house: House) -> AsyncIterator[AsyncClient]:
    """A caller without a session, and Ann's account."""
    async with anonymous(house.app, timeout=PATIENCE) as client:
        assert (await client.post("/users", json=ANN)).status_code == 202
        await house.mails(1)
        body = {"token": token_in(house.server.mails.pop()), "password": ANN["password"]}
        assert (await client.post("/auth/verify-email/confirm", json=body)).status_code == 204
        yield client


async def statuses(*requests: Any) -> list[int]:
    return sorted(answer.status_code for answer in await asyncio.gather(*requests))


class TestAMail:
    async def test_goes_again_when_the_server_did_not_take_it(self, house: House, caplog):
        async with registered(house) as client:
            house.server.answers[ANN["email"]] = "450 ann@example.com: try again"
            await client.post("/auth/password-reset", json={"email": ANN["email"]})
            working = asyncio.create_task(house.mails(1))
            attempts = "SELECT max(attempts) FROM procrastinate_jobs WHERE status = 'todo'"
            await house.until(lambda: (house.sql(attempts)[0][0] or 0) >= 2)
            house.server.answers.clear()
            await working
            body = {"token": token_in(house.server.mails[-1]), "new_password": NEW}
            assert (await client.post("/auth/password-reset/confirm", json=body)).status_code == 204
        told = [record.getMessage() for record in caplog.records if "users.send_confirmation" in record.getMessage()]
        assert any("does not take the recipient now: 450." in line for line in told)

    async def test_leaves_its_token_in_no_log_and_no_table(self, house: House, caplog):
        with caplog.at_level(logging.DEBUG):
            async with registered(house) as client:
                await client.post("/auth/password-reset", json={"email": ANN["email"]})
                await house.mails(1)
        token = token_in(house.server.mails[-1])
        told = [record.getMessage() for record in caplog.records if record.name != "mail.log"]  # The mail server's own.
        assert [line for line in told if "users.send_confirmation" in line]
        assert [line for line in told if token in line or ANN["email"] in line] == []
        tables = [name for (name,) in house.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert "confirmations" in tables
        for table in tables:
            assert token not in str(house.sql(f'SELECT t::text FROM "{table}" t')), table


class TestAToken:
    async def test_that_many_use_at_once_is_good_for_one(self, house: House):
        async with registered(house) as client:
            await client.post("/auth/password-reset", json={"email": ANN["email"]})
            await house.mails(1)
            token = token_in(house.server.mails[-1])
            bodies = [{"token": token, "new_password": f"{NEW} {n}"} for n in range(10)]
            assert await statuses(*(client.post("/auth/password-reset/confirm", json=body) for body in bodies)) == [
                204,
                *[400] * 9,
            ]
            signing = (
                client.post("/auth/sessions", json={"email": ANN["email"], "password": body["new_password"]})
                for body in bodies
            )
            assert (await statuses(*signing)).count(201) == 1

    async def test_of_several_that_are_used_at_once_one_wins(self, house: House):
        async with registered(house) as client:
            for _ in range(3):
                await client.post("/auth/password-reset", json={"email": ANN["email"]})
            await house.mails(3)
            tokens = [token_in(mail) for mail in house.server.mails]
            confirming = (
                client.post("/auth/password-reset/confirm", json={"token": token, "new_password": NEW})
                for token in tokens
            )
            assert await statuses(*confirming) == [204, 400, 400]

    async def test_of_two_registrations_at_once_makes_one_account(self, house: House):
        async with anonymous(house.app, timeout=PATIENCE) as client:
            for _ in range(2):
                await client.post("/users", json=ANN)
            await house.mails(2)
            bodies = [{"token": token_in(mail), "password": ANN["password"]} for mail in house.server.mails]
            confirming = (client.post("/auth/verify-email/confirm", json=body) for body in bodies)
            assert await statuses(*confirming) == [204, 409]
        assert house.sql("SELECT count(*) FROM users") == [(1,)]
