"""Passkeys (W3C WebAuthn): how one is registered, and how one signs in with it."""

import copy
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import update
from sqlmodel import col

from app.container import Application
from modules.users.factors.challenges import GOOD_FOR, Challenges
from modules.users.factors.relying_party import RelyingParty
from modules.users.models import User
from modules.users.tests.authenticators import PRESENT, Device
from modules.users.tests.factories import PASSWORD
from modules.users.tests.test_authenticator_apps import add_app, is_refused, rows
from shared.settings import Settings
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignedIn = Callable[..., Awaitable[Caller]]

SITE = "https://www.example.org"
EMAIL = "ann@example.com"


@pytest.fixture
async def ann(signed_in: SignedIn) -> Caller:
    return await signed_in(email=EMAIL)


async def options_of(caller: AsyncClient) -> dict[str, Any]:
    answer = await caller.post("/auth/passkeys/options")
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()
    return options


async def register(caller: AsyncClient, device: Device, **changes: Any) -> Response:
    credential = device.create(await options_of(caller))
    return await caller.post("/auth/passkeys", json={"credential": credential} | changes)


async def sign_in(client: AsyncClient, device: Device) -> Response:
    options = (await client.post("/auth/sessions/passkey/options")).json()
    return await client.post("/auth/sessions/passkey", json={"credential": device.get(options)})


@pytest.fixture
async def device(ann: Caller) -> Device:
    """Ann's, with a passkey."""
    device = Device()
    assert (await register(ann, device)).status_code == 201
    return device


class TestRegistering:
    async def test_asks_for_a_passkey_that_finds_itself_and_knows_its_owner(self, ann: Caller) -> None:
        answer = await ann.post("/auth/passkeys/options")
        assert answer.headers["Cache-Control"] == "no-store"
        options = answer.json()
        assert options["rp"]["id"] == "www.example.org"
        assert options["user"]["name"] == EMAIL
        selection = options["authenticatorSelection"]
        assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
        assert options["timeout"] == GOOD_FOR * 1000

    async def test_answers_with_the_factor_and_recovery_codes(self, ann: Caller) -> None:
        answer = await register(ann, Device(), name="My laptop")
        assert answer.status_code == 201, answer.text
        added = answer.json()
        assert (added["factor"]["kind"], added["factor"]["name"]) == ("passkey", "My laptop")
        assert len(added["recovery_codes"]) == 10
        assert (await ann.get(f"http://test{answer.headers['Location']}")).json() == added["factor"]

    async def test_keeps_the_recovery_codes_that_there_are(self, ann: Caller) -> None:
        await add_app(ann)
        assert (await register(ann, Device())).json()["recovery_codes"] is None

    async def test_is_refused_for_a_device_that_has_one(self, ann: Caller, device: Device, signed_in: SignedIn) -> None:
        """By the browser, by what the options say, and by us, whoever comes with it."""
        assert [known["id"] for known in (await options_of(ann))["excludeCredentials"]] == [
            device.get({"challenge": ""})["id"]
        ]
        assert is_refused(await register(await signed_in(), device), 409, "passkey_known")

    async def test_needs_a_sign_in_of_the_last_minutes(self, signed_in: SignedIn, ann: Caller) -> None:
        stale = await signed_in(ago=timedelta(minutes=6))
        assert is_refused(await stale.post("/auth/passkeys/options"), 403, "step_up_required")
        credential = Device().create(await options_of(ann))
        answer = await stale.post("/auth/passkeys", json={"credential": credential})
        assert is_refused(answer, 403, "step_up_required")

    async def test_answers_a_challenge_once(self, ann: Caller) -> None:
        options = await options_of(ann)
        first, second = ({"credential": Device().create(options)} for _ in range(2))
        assert (await ann.post("/auth/passkeys", json=first)).status_code == 201
        assert is_refused(await ann.post("/auth/passkeys", json=second), 422, "passkey_invalid")

    async def test_answers_a_challenge_of_ones_own(self, ann: Caller, client: AsyncClient, signed_in: SignedIn) -> None:
        """Not another account's, nor one for a sign-in."""
        others = await options_of(await signed_in())
        for_sign_in = (await client.post("/auth/sessions/passkey/options")).json()
        own = await options_of(ann)
        for challenge in (others["challenge"], for_sign_in["challenge"], "AAAA", ""):
            credential = Device().create(own | {"challenge": challenge})
            answer = await ann.post("/auth/passkeys", json={"credential": credential})
            assert is_refused(answer, 422, "passkey_invalid")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "https://evil.example"},
            {"origin": f"{SITE}:8443"},
            {"rp_id": "evil.example"},
            {"flags": PRESENT},
            {"flags": 0},
        ],
        ids=str,
    )
    async def test_by_another_site_or_without_its_owner_is_refused(self, ann: Caller, wrong: dict[str, Any]) -> None:
        device = Device()
        vars(device).update(wrong)
        assert is_refused(await register(ann, device), 422, "passkey_invalid")

    @pytest.mark.parametrize("field", ["clientDataJSON", "attestationObject"])
    @pytest.mark.parametrize("value", ["", "AAAA", "é", "oA", "o2NmbXRkbm9uZQ", "x" * 4000])
    async def test_with_bytes_that_are_none_is_refused(self, ann: Caller, field: str, value: str) -> None:
        credential = Device().create(await options_of(ann))
        credential["response"][field] = value
        answer = await ann.post("/auth/passkeys", json={"credential": credential})
        assert is_refused(answer, 422, "passkey_invalid")

    @pytest.mark.parametrize(("length", "status"), [(1023, 201), (1024, 422), (9000, 422)])
    async def test_has_an_id_that_is_not_too_long(self, ann: Caller, length: int, status: int) -> None:
        device = Device()
        device.id = os.urandom(length)
        credential = device.create(await options_of(ann))
        credential["id"] = credential["rawId"] = "AAAA"
        assert (await ann.post("/auth/passkeys", json={"credential": credential})).status_code == status

    async def test_keeps_no_more_than_it_needs_in_sight(self, ann: Caller, database: RolledBackDatabase) -> None:
        await register(ann, Device())
        (entry,) = [row for row in await rows(database, "journal") if "passkey" in row]
        assert "credential_id" not in entry
        assert '"key_material"' not in entry


class TestSigningIn:
    async def test_gives_a_session_without_a_password(self, client: AsyncClient, ann: Caller, device: Device) -> None:
        answer = await sign_in(client, device)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await client.get("/users/me", headers=token)).json()["id"] == str(ann.id)
        session = await client.get(f"http://test{answer.headers['Location']}", headers=token)
        assert session.json()["is_current"]

    async def test_is_as_recent_as_any(self, client: AsyncClient, device: Device) -> None:
        token = (await sign_in(client, device)).json()["access_token"]
        renewed = await client.post("/auth/factors/recovery-codes", headers={"Authorization": f"Bearer {token}"})
        assert renewed.status_code == 200

    async def test_is_all_that_is_left_to_who_has_one(self, client: AsyncClient, device: Device) -> None:
        answer = await client.post("/auth/sessions", json={"email": EMAIL, "password": PASSWORD})
        assert is_refused(answer, 401, "second_factor_required")
        assert answer.json()["factors"] == ["passkey", "recovery_code"]

    async def test_works_again_and_again(self, client: AsyncClient, device: Device) -> None:
        for _ in range(3):
            assert (await sign_in(client, device)).status_code == 201

    async def test_works_with_devices_that_do_not_count(self, client: AsyncClient, device: Device) -> None:
        """As those do that share their passkeys with others of the same person."""
        for _ in range(2):
            device.sign_count = -1
            assert (await sign_in(client, device)).status_code == 201

    async def test_by_a_copy_that_lags_behind_is_refused(self, client: AsyncClient, device: Device) -> None:
        stolen = copy.copy(device)
        for _ in range(2):
            assert (await sign_in(client, device)).status_code == 201
        assert is_refused(await sign_in(client, stolen), 401, "passkey_refused")

    async def test_answers_a_challenge_once(self, client: AsyncClient, device: Device) -> None:
        options = (await client.post("/auth/sessions/passkey/options")).json()
        first, second = ({"credential": device.get(options)} for _ in range(2))
        assert (await client.post("/auth/sessions/passkey", json=first)).status_code == 201
        for again in (first, second):
            answer = await client.post("/auth/sessions/passkey", json=again)
            assert is_refused(answer, 401, "passkey_refused")

    async def test_answers_a_challenge_in_time(
        self, client: AsyncClient, device: Device, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("modules.users.factors.challenges.GOOD_FOR", -1)
        assert is_refused(await sign_in(client, device), 401, "passkey_refused")

    async def test_answers_a_challenge_for_it(self, client: AsyncClient, ann: Caller, device: Device) -> None:
        credential = device.get(await options_of(ann))
        answer = await client.post("/auth/sessions/passkey", json={"credential": credential})
        assert is_refused(answer, 401, "passkey_refused")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"origin": "https://evil.example"},
            {"rp_id": "evil.example"},
            {"flags": PRESENT},
            {"user_handle": b""},
            {"user_handle": bytes(16)},
            {"id": bytes(32)},
            {"_key": Device()._key},
        ],
        ids=lambda wrong: next(iter(wrong)),
    )
    async def test_with_anything_else_is_refused(
        self, client: AsyncClient, device: Device, wrong: dict[str, Any]
    ) -> None:
        vars(device).update(wrong)
        assert is_refused(await sign_in(client, device), 401, "passkey_refused")

    @pytest.mark.parametrize(
        "columns", [{"is_active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}], ids=str
    )
    async def test_is_for_accounts_that_may(
        self, client: AsyncClient, database: RolledBackDatabase, device: Device, columns: dict[str, Any]
    ) -> None:
        await database.sql(update(User).where(col(User.email) == EMAIL).values(**columns))
        assert is_refused(await sign_in(client, device), 401, "passkey_refused")

    async def test_with_one_that_was_removed_is_refused(self, client: AsyncClient, ann: Caller, device: Device) -> None:
        (factor,) = (await ann.get("/auth/factors")).json()["items"]
        assert (await ann.delete(f"/auth/factors/{factor['id']}")).status_code == 204
        assert is_refused(await sign_in(client, device), 401, "passkey_refused")

    @pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
    @pytest.mark.parametrize("value", ["", "AAAA", "é", "x" * 99])
    async def test_with_bytes_that_are_none_is_refused(
        self, client: AsyncClient, device: Device, field: str, value: str
    ) -> None:
        options = (await client.post("/auth/sessions/passkey/options")).json()
        credential = device.get(options)
        credential["response"][field] = value
        answer = await client.post("/auth/sessions/passkey", json={"credential": credential})
        assert is_refused(answer, 401, "passkey_refused")


class TestTheSite:
    async def test_has_to_be_known(self, application: Application, client: AsyncClient, ann: Caller) -> None:
        device = Device()
        credentials = {"credential": device.create(await options_of(ann))}
        with application.containers["users"].relying_party.override(None):
            answers = [
                await ann.post("/auth/passkeys/options"),
                await ann.post("/auth/passkeys", json=credentials),
                await client.post("/auth/sessions/passkey/options"),
                await client.post("/auth/sessions/passkey", json={"credential": device.get({"challenge": ""})}),
            ]
        for answer in answers:
            assert is_refused(answer, 409, "no_passkeys_here")

    @pytest.mark.parametrize("url", [None, "https://192.0.2.1", "http://[2001:db8::1]:8000"])
    def test_that_has_no_domain_has_no_passkeys(self, url: str | None) -> None:
        assert RelyingParty.at(url, GOOD_FOR) is None

    @pytest.mark.parametrize(
        ("url", "id", "origin"),
        [
            ("https://www.example.org", "www.example.org", "https://www.example.org"),
            ("https://www.example.org:8443/app/", "www.example.org", "https://www.example.org:8443"),
            ("https://www.example.org:443", "www.example.org", "https://www.example.org"),
            ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
            ("http://[::1]:8000", "localhost", "http://localhost:8000"),
        ],
    )
    def test_is_told_by_its_url(self, url: str, id: str, origin: str) -> None:
        party = RelyingParty.at(Settings(public_url=url).public_url, GOOD_FOR)
        assert party is not None
        assert (party._id, party._origin) == (id, origin)


class TestAChallenge:
    NEW, OLD = b"new" * 11, b"old" * 11

    def test_is_good_after_the_secret_has_changed(self) -> None:
        challenge = Challenges([self.OLD]).fresh("sign in")
        assert Challenges([self.NEW, self.OLD]).is_good(challenge, "sign in")
        assert not Challenges([self.NEW]).is_good(challenge, "sign in")

    def test_cannot_be_put_off(self) -> None:
        challenge = bytearray(Challenges([self.NEW]).fresh("sign in"))
        challenge[20] ^= 1
        assert not Challenges([self.NEW]).is_good(bytes(challenge), "sign in")
