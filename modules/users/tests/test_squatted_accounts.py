"""What a reset of the password does to who had an account with an address that was not theirs: POST
/auth/password-reset/confirm.
"""

from collections.abc import Awaitable, Callable

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from app.container import Application
from modules.users.factors import totp
from modules.users.tests.authenticators import Device
from modules.users.tests.factories import PASSWORD
from modules.users.tests.keys import is_problem, key_of, sent
from modules.users.tests.test_authenticator_apps import EMAIL, add_app, begin, sign_in
from modules.users.tests.test_passkeys import register
from modules.users.tests.test_passkeys import sign_in as sign_in_by_passkey
from tests.callers import Caller
from tests.callers import signed_in as signed_in_at
from tests.database import RolledBackDatabase
from tests.jobs_done import do_jobs
from tests.mails import MailServer, token_in

SignedIn = Callable[..., Awaitable[Caller]]
Reset = Callable[[], Awaitable[None]]
NEW = "another good password"


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No code is too old because a machine is slow."""
    now = totp.present_step()
    monkeypatch.setattr(totp, "present_step", lambda: now)


@pytest.fixture
def reset(mailing: AsyncClient, mailing_application: Application, mail_server: MailServer) -> Reset:
    """Sets the password NEW by the link of a mail."""

    async def reset() -> None:
        assert (await mailing.post("/auth/password-reset", json={"email": EMAIL})).status_code == 202
        await do_jobs(mailing_application)
        body = {"token": token_in(mail_server.mails.pop()), "new_password": NEW}
        assert (await mailing.post("/auth/password-reset/confirm", json=body)).status_code == 204

    return reset


async def service_of(owner: Caller) -> str:
    made = await owner.post("/auth/services", json={"full_name": "Importer"})
    return str(made.json()["id"])


async def used(client: AsyncClient, key: dict[str, str]) -> Response:
    return await client.get("/users/me", headers=key)


class TestAnAddressThatWasNotVerified:
    async def test_ends_sessions_keys_and_those_of_services(
        self, client: AsyncClient, signed_in: SignedIn, reset: Reset
    ) -> None:
        squatter = await signed_in(email=EMAIL)
        service = await service_of(squatter)
        keys = [sent(await key_of(squatter)), sent(await key_of(squatter, account_id=service))]
        assert [(await used(client, key)).status_code for key in keys] == [200, 200]
        await reset()
        assert (await squatter.get("/users/me")).status_code == 401
        for key in keys:
            is_problem(await used(client, key), 401, "invalid_token")

    async def test_removes_apps_passkeys_and_recovery_codes(
        self, client: AsyncClient, signed_in: SignedIn, reset: Reset, database: RolledBackDatabase
    ) -> None:
        squatter, device = await signed_in(email=EMAIL), Device()
        _, codes = await add_app(squatter)
        assert (await register(squatter, device)).status_code == 201
        await begin(squatter)
        await reset()
        is_problem(await sign_in_by_passkey(client, device), 401, "passkey_refused")
        for table in ("factors", "recovery_codes"):
            assert (await database.sql(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0
        assert (await sign_in(client, password=NEW)).status_code == 201
        assert (await sign_in(client, codes[0], NEW)).status_code == 201, "Nobody looks at it."

    async def test_is_verified_then_and_the_next_reset_removes_nothing(
        self, client: AsyncClient, signed_in: SignedIn, reset: Reset
    ) -> None:
        await signed_in(email=EMAIL)
        await reset()
        token = (await sign_in(client, password=NEW)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        await add_app(client)
        del client.headers["Authorization"]
        await reset()
        is_problem(await sign_in(client, password=NEW), 401, "second_factor_required")

    async def test_of_another_account_keeps_what_that_has(
        self, client: AsyncClient, signed_in: SignedIn, reset: Reset
    ) -> None:
        await signed_in(email=EMAIL)
        bob = await signed_in()
        key = sent(await key_of(bob))
        await add_app(bob)
        await reset()
        assert (await used(client, key)).status_code == 200
        assert len((await bob.get("/auth/factors")).json()["items"]) == 1

    async def test_tells_the_owner_of_the_factors(
        self, mailing_app, mailing_application: Application, mail_server: MailServer, reset: Reset
    ) -> None:
        await add_app(await signed_in_at(mailing_app, mailing_application, email=EMAIL))
        await do_jobs(mailing_application)
        await reset()
        mail_server.mails.clear()
        await do_jobs(mailing_application)
        assert sorted(mail["Subject"] for mail in mail_server.to(EMAIL)) == [
            "A second factor was removed",
            "Your password was changed",
        ]


class TestAnAddressThatWasVerified:
    async def test_keeps_keys_and_factors(self, client: AsyncClient, signed_in: SignedIn, reset: Reset) -> None:
        """Who reads the mails alone does not pass by the second factor (ASVS 6.4.3)."""
        ann = await signed_in(email=EMAIL, email_verified=True)
        key = sent(await key_of(ann))
        _, codes = await add_app(ann)
        await reset()
        assert (await used(client, key)).status_code == 200
        is_problem(await sign_in(client, password=NEW), 401, "second_factor_required")
        is_problem(await sign_in(client, codes[0], PASSWORD), 401, "invalid_credentials")
        assert (await sign_in(client, codes[0], NEW)).status_code == 201
