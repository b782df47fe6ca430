"""Second factors that are used by many at the same time, each in a transaction of its own."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from httpx2 import AsyncClient, Response

from app.asgi import create_app
from app.container import Application, compose
from modules.users import failures
from modules.users.guesses import CODE
from modules.users.tests.authenticators import Device, code_of
from modules.users.tests.factories import PASSWORD
from modules.users.tests.test_authenticator_apps import EMAIL, add_app, begin, confirm, is_refused, sign_in
from shared.manifest import discover
from shared.settings import Settings
from shared.writes import Change
from tests.callers import anonymous
from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import await_lock

AT_ONCE = CODE.free


@pytest.fixture(autouse=True)
def _every_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "LONGEST_WAIT", PATIENCE)


@pytest.fixture
def url() -> Iterator[str]:
    with clone("factors") as url:
        yield url


@pytest.fixture
async def application(settings: Settings, url: str) -> AsyncIterator[Application]:
    """As in production, on a database that keeps what is done."""
    application = compose(settings.model_copy(update={"database_url": url}), discover())
    yield application
    await application.kernel.database().close()


@pytest.fixture
async def ann(application: Application) -> AsyncIterator[AsyncClient]:
    async with anonymous(create_app(application)) as client:
        person = {"email": EMAIL, "password": PASSWORD, "full_name": "Ann"}
        assert (await client.post("/users", json=person)).status_code == 201
        token = (await sign_in(client)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def statuses(*requests: Any) -> list[int]:
    return sorted(answer.status_code for answer in await asyncio.gather(*requests))


class TestACode:
    async def test_that_another_has_used_meanwhile_is_used(
        self, application: Application, url: str, ann: AsyncClient
    ) -> None:
        """Both have found it good. The second waits to see whether the first sign-in is kept."""
        factors, database = application.containers["users"].factor_repository(), application.kernel.database()
        await add_app(ann)
        id = UUID((await ann.get("/users/me")).json()["id"])
        async with database.unit_of_work() as unit:
            (known,) = await factors.of_account(Change(unit), id)

        async def use() -> bool:
            async with database.unit_of_work() as unit:
                return bool(await factors.use(Change(unit), known.id, known.counter + 1))

        async with database.unit_of_work() as first:
            assert await factors.use(Change(first), known.id, known.counter + 1)
            second = asyncio.create_task(use())
            await asyncio.to_thread(await_lock, url)
        assert not await second


class TestASignInThatWaits:
    """For the account, which somebody else holds, and whose factors they change."""

    @staticmethod
    async def beside(url: str, signing_in: Coroutine[Any, Any, Response], *statements: str) -> Response:
        """The answer to a sign-in that waits until the change by these statements is kept."""
        with psycopg.connect(url) as other:
            other.execute("SELECT FROM users FOR NO KEY UPDATE")
            for statement in statements:
                other.execute(statement)
            waiting = asyncio.create_task(signing_in)
            await asyncio.to_thread(await_lock, url)
            other.commit()
        return await waiting

    async def test_by_the_password_alone_is_asked_for_a_factor_that_came_meanwhile(
        self, url: str, ann: AsyncClient
    ) -> None:
        """Or it would be a session of whoever the factor is to keep out."""
        await begin(ann)
        confirming = (
            "UPDATE factors SET expires_at = NULL",
            "INSERT INTO factor_uses SELECT id, 1, now() FROM factors",
        )
        answer = await self.beside(url, sign_in(ann), *confirming)
        assert is_refused(answer, 401, "second_factor_required")

    async def test_with_a_code_of_an_app_that_went_meanwhile_is_refused(self, url: str, ann: AsyncClient) -> None:
        secret, _ = await add_app(ann)
        await add_app(ann)
        went = "DELETE FROM factors WHERE id = (SELECT min(id::text)::uuid FROM factors)"
        answer = await self.beside(url, sign_in(ann, code_of(secret, 1)), went)
        assert is_refused(answer, 401, "second_factor_wrong")

    async def test_needs_no_code_when_the_last_factor_went_meanwhile(self, url: str, ann: AsyncClient) -> None:
        secret, _ = await add_app(ann)
        answer = await self.beside(url, sign_in(ann, code_of(secret, 1)), "DELETE FROM factors")
        assert answer.status_code == 201

    async def test_with_a_passkey_that_went_meanwhile_is_refused(self, url: str, ann: AsyncClient) -> None:
        device = Device()
        options = (await ann.post("/auth/passkeys/options")).json()
        assert (await ann.post("/auth/passkeys", json={"credential": device.create(options)})).status_code == 201
        credential = device.get((await ann.post("/auth/sessions/passkey/options")).json())
        signing_in = ann.post("/auth/sessions/passkey", json={"credential": credential})
        assert is_refused(await self.beside(url, signing_in, "DELETE FROM factors"), 401, "passkey_refused")


class TestAtOnce:
    async def test_a_code_signs_in_one(self, ann: AsyncClient) -> None:
        """RFC 6238 §5.2. Who guesses that somebody types a code just now has nothing of it."""
        secret, _ = await add_app(ann)
        code = code_of(secret, 1)
        assert await statuses(*(sign_in(ann, code) for _ in range(AT_ONCE))) == [201] + [401] * (AT_ONCE - 1)

    async def test_a_recovery_code_signs_in_one(self, ann: AsyncClient) -> None:
        _, codes = await add_app(ann)
        assert await statuses(*(sign_in(ann, codes[0]) for _ in range(AT_ONCE))) == [201] + [401] * (AT_ONCE - 1)
        assert (await ann.get("/auth/factors/recovery-codes")).json() == {"left": 9}

    async def test_an_app_is_confirmed_by_one(self, ann: AsyncClient) -> None:
        new = await begin(ann)
        code = code_of(new["secret"], 1)
        assert await statuses(*(confirm(ann, new, code) for _ in range(5))) == [200, *[409] * 4]

    async def test_a_challenge_is_answered_by_one(self, ann: AsyncClient) -> None:
        options = (await ann.post("/auth/passkeys/options")).json()
        devices = [Device() for _ in range(5)]
        bodies = [{"credential": one.create(options)} for one in devices]
        made = await asyncio.gather(*(ann.post("/auth/passkeys", json=body) for body in bodies))
        assert sorted(answer.status_code for answer in made) == [201] + [422] * 4
        device = next(one for one, answer in zip(devices, made, strict=True) if answer.status_code == 201)
        options = (await ann.post("/auth/sessions/passkey/options")).json()
        answers = [{"credential": device.get(options)} for _ in range(5)]
        assert await statuses(*(ann.post("/auth/sessions/passkey", json=body) for body in answers)) == [201, *[401] * 4]

    async def test_there_are_no_more_than_ten(self, ann: AsyncClient) -> None:
        async def register() -> Any:
            options = (await ann.post("/auth/passkeys/options")).json()
            return await ann.post("/auth/passkeys", json={"credential": Device().create(options)})

        assert await statuses(*(register() for _ in range(12))) == [201] * 10 + [409] * 2
