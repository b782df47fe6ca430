"""The server's secret is replaced: nobody is signed out, and nothing that was begun is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from starlette.datastructures import Headers
from uuid_utils.compat import uuid7

from app.asgi import create_app
from app.container import compose
from modules.users.guesses import ACCOUNT
from shared.auth.principal import Principal
from shared.http.edge.consistency import HEADER, ReadYourWrites
from shared.manifest import discover
from tests.callers import BASE
from tests.database import clone

OLD, NEW = (SecretStr(f"a {word} secret for tests, 32 bytes or more") for word in ("former", "newer"))
ANN = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
SIGN_IN = {"email": ANN["email"], "password": ANN["password"]}


@pytest.fixture
async def start(settings) -> AsyncIterator[Callable[..., Any]]:
    """Starts the application with other settings, in the place of the one before, on the same database."""
    with clone("rotated") as url:

        @asynccontextmanager
        async def started(**changes):
            application = compose(settings.model_copy(update={"database_url": url, **changes}), discover())
            app = create_app(application)
            async with AsyncExitStack() as stack:
                database = application.kernel.database()
                stack.push_async_callback(database.close)

                def client(token: str | None = None, address: str = "192.0.2.1") -> AsyncClient:
                    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                    made = AsyncClient(transport=_from(app, address), base_url=BASE, headers=headers)
                    stack.push_async_callback(made.aclose)
                    return made

                async def sql(statement: str) -> None:
                    async with database.unit_of_work() as unit, unit.orm() as orm:
                        await orm.execute(text(statement))

                yield client, sql

        yield started


def _from(app: FastAPI, address: str) -> ASGITransport:
    return ASGITransport(app=app, client=(address, 4711))


async def refreshed(client, token):
    return await client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


class TestARotation:
    async def test_signs_nobody_out_and_loses_no_place(self, start):
        async with start(secret=OLD) as (client, _):
            registered = await client().post("/users", json=ANN, headers={"Idempotency-Key": "k"})
            assert registered.status_code == 201
            tokens = (await client().post("/auth/sessions", json=SIGN_IN)).json()
            ann = client(tokens["access_token"])
            for name in ("one", "two", "three"):
                made = await ann.post("/tags", json={"name": name}, headers={"Idempotency-Key": name})
                assert made.status_code == 201
            page = (await ann.get("/tags?limit=1")).json()
            successor = (await refreshed(client(), tokens["refresh_token"])).json()["refresh_token"]
        async with start(secret=NEW, secret_previous=OLD) as (client, sql):
            ann = client(tokens["access_token"])
            assert (await ann.get("/users/me")).status_code == 200
            assert (await ann.get(f"/tags?limit=1&cursor={page['next_cursor']}")).json()["items"]
            again = await ann.post("/tags", json={"name": "three"}, headers={"Idempotency-Key": "three"})
            assert (again.status_code, again.content) == (201, made.content)
            again = await client().post("/users", json=ANN, headers={"Idempotency-Key": "k"})
            assert (again.status_code, again.content) == (201, registered.content)
            await sql("UPDATE refresh_tokens SET used_at = now() WHERE used_at IS NOT NULL")  # However slow it is.
            again = await refreshed(client(), tokens["refresh_token"])
            assert again.json()["refresh_token"] == successor, "The answer was lost: the lineage does not fork."
            renewed = (await refreshed(client(), successor)).json()
            page = (await ann.get("/tags?limit=1")).json()
        async with start(secret=NEW) as (client, _):
            ann = client(renewed["access_token"])
            assert (await ann.get("/users/me")).status_code == 200
            assert (await ann.get(f"/tags?limit=1&cursor={page['next_cursor']}")).status_code == 200
            assert (await refreshed(client(), renewed["refresh_token"])).status_code == 200
            assert (await client(tokens["access_token"]).get("/users/me")).status_code == 401, "The old one is over."

    async def test_keeps_places_and_counts_of_guesses(self, start):
        wrong = SIGN_IN | {"password": "wrong"}
        async with start(secret=OLD) as (client, sql):
            assert (await client().post("/users", json=ANN)).status_code == 201
            assert (await client().post("/auth/sessions", json=SIGN_IN)).status_code == 201
            thief = client(address="203.0.113.1")
            for _ in range(ACCOUNT.free):
                assert (await thief.post("/auth/sessions", json=wrong)).status_code == 401
            await sql("UPDATE sign_in_failures SET failures = 30")  # A slow machine waits out a second.
        async with start(secret=NEW, secret_previous=OLD) as (client, _):
            thief = client(address="203.0.113.1")
            assert (await thief.post("/auth/sessions", json=wrong)).status_code == 429
            assert (await client().post("/auth/sessions", json=SIGN_IN)).status_code == 201, "A known place."

    async def test_while_replicas_have_either_secret_is_safe_once_both_know_both(self, start):
        """With the new one as the previous one first, and then the other way round."""
        async with (
            start(secret=OLD, secret_previous=NEW) as (first, _),
            start(secret=NEW, secret_previous=OLD) as (second, _),
        ):
            assert (await first().post("/users", json=ANN)).status_code == 201
            for one, other in ((first, second), (second, first)):
                tokens = (await one().post("/auth/sessions", json=SIGN_IN)).json()
                assert (await other(tokens["access_token"]).get("/users/me")).status_code == 200
                renewed = (await refreshed(one(), tokens["refresh_token"])).json()
                again = (await refreshed(other(), tokens["refresh_token"])).json()
                assert again["refresh_token"] == renewed["refresh_token"]

    async def test_keeps_what_a_reader_has_to_see(self):
        def reader(*keys):
            async def caller(*_):
                return Principal(uuid7())

            return ReadYourWrites(FastAPI(), caller, keys)

        old, new = b"old" + bytes(29), b"new" + bytes(29)
        header = reader(old).header(4711)
        for keys, needed in (((new, old), 4711), ((new,), None)):
            assert reader(*keys)._needed(Headers({HEADER: header}), None) == needed
