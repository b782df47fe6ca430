"""Authenticator apps (RFC 6238): how one is added, and how one signs in with it."""

from base64 import b32decode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from app.container import Application
from modules.users.factors import totp
from modules.users.tests.authenticators import code_of
from modules.users.tests.factories import PASSWORD, UserFactory
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignedIn = Callable[..., Awaitable[Caller]]

EMAIL = "ann@example.com"


async def begin(caller: AsyncClient, **body: str) -> dict[str, Any]:
    """A new app, as it is answered."""
    answer = await caller.post("/auth/factors/totp", json=body)
    assert answer.status_code == 201, answer.text
    new: dict[str, Any] = answer.json()
    return new


async def confirm(caller: AsyncClient, new: dict[str, Any], code: str) -> Response:
    return await caller.post(f"/auth/factors/{new['factor']['id']}/confirm", json={"code": code})


async def add_app(caller: AsyncClient) -> tuple[str, list[str]]:
    """Its secret, and the recovery codes. The code before this one is used."""
    new = await begin(caller)
    answer = await confirm(caller, new, code_of(new["secret"], -1))
    if answer.status_code == 403:  # The next half minute has begun meanwhile.
        answer = await confirm(caller, new, code_of(new["secret"], -1))
    assert answer.status_code == 200, answer.text
    return new["secret"], answer.json()["recovery_codes"]


async def sign_in(client: AsyncClient, code: str | None = None, password: str = PASSWORD) -> Response:
    body = {"email": EMAIL, "password": password} | ({"code": code} if code is not None else {})
    return await client.post("/auth/sessions", json=body)


async def rows(database: RolledBackDatabase, table: str) -> list[str]:
    return list((await database.sql(text(f"SELECT r::text FROM {table} AS r"))).scalars())


async def pass_by(database: RolledBackDatabase, **by: float) -> None:
    """Have so much time gone by, as far as what waits for its first code knows."""
    await database.sql(text("UPDATE factors SET expires_at = expires_at - :by"), {"by": timedelta(**by)})


def is_refused(answer: Response, status: int, code: str) -> bool:
    return (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No code is too old because a machine is slow."""
    now = totp.present_step()
    monkeypatch.setattr(totp, "present_step", lambda: now)


@pytest.fixture
async def ann(signed_in: SignedIn) -> Caller:
    return await signed_in(email=EMAIL)


class TestTheCode:
    """RFC 6238, appendix B, of which apps show the last six digits."""

    @pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
    def test_is_that_of_the_specification(self, at: int, code: str) -> None:
        assert totp.code_at(b"12345678901234567890", at // totp.STEP) == code


class TestBeginning:
    async def test_answers_with_the_secret_for_apps_and_for_people(self, ann: Caller) -> None:
        answer = await ann.post("/auth/factors/totp", json={"name": "My phone"})
        assert answer.headers["Cache-Control"] == "no-store"
        new = answer.json()
        assert answer.headers["Location"] == f"/api/v1/auth/factors/{new['factor']['id']}"
        assert (new["factor"]["kind"], new["factor"]["name"]) == ("totp", "My phone")
        assert new["uri"].startswith("otpauth://totp/Trellis:ann%40example.com?")
        assert f"secret={new['secret']}" in new["uri"]

    async def test_keeps_the_secret_where_nobody_reads_it(self, ann: Caller, database: RolledBackDatabase) -> None:
        secret = (await begin(ann))["secret"]
        kept = "".join([*await rows(database, "factors"), *await rows(database, "journal")])
        assert secret not in kept
        assert b32decode(secret).hex() not in kept

    async def test_has_sign_ins_ask_for_nothing_yet(self, client: AsyncClient, ann: Caller) -> None:
        await begin(ann)
        assert (await sign_in(client)).status_code == 201

    async def test_again_takes_the_place_of_what_was_not_confirmed(self, ann: Caller) -> None:
        first, second = await begin(ann), await begin(ann)
        assert is_refused(await confirm(ann, first, code_of(first["secret"])), 404, "factor_not_found")
        assert (await confirm(ann, second, code_of(second["secret"]))).status_code == 200

    async def test_needs_a_sign_in_of_the_last_minutes(self, signed_in: SignedIn) -> None:
        answer = await (await signed_in(ago=timedelta(minutes=6))).post("/auth/factors/totp", json={})
        assert is_refused(answer, 403, "step_up_required")

    async def test_ends_at_ten(self, ann: Caller) -> None:
        for _ in range(10):
            await add_app(ann)
        assert is_refused(await ann.post("/auth/factors/totp", json={}), 409, "too_many_factors")


class TestConfirming:
    async def test_gives_ten_recovery_codes_once(self, ann: Caller) -> None:
        _, codes = await add_app(ann)
        assert len(set(codes)) == 10
        _, none = await add_app(ann)
        assert none is None
        assert (await ann.get("/auth/factors/recovery-codes")).json() == {"left": 10}

    async def test_answers_as_a_later_read_does(self, ann: Caller) -> None:
        new = await begin(ann)
        told = (await confirm(ann, new, code_of(new["secret"]))).json()["factor"]
        assert told["expires_at"] is None
        assert (await ann.get(f"/auth/factors/{told['id']}")).json() == told
        assert (await ann.get("/auth/factors")).json()["items"] == [told]

    @pytest.mark.parametrize("code", ["000000", "", "1", "１２３４５６", "x" * 100])
    async def test_needs_the_code(self, ann: Caller, code: str) -> None:
        new = await begin(ann)
        answer = await confirm(ann, new, code)
        assert is_refused(answer, 403, "wrong_code")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/code"]

    async def test_happens_within_ten_minutes(self, ann: Caller, database: RolledBackDatabase) -> None:
        new = await begin(ann)
        await pass_by(database, minutes=10, seconds=1)
        assert is_refused(await confirm(ann, new, code_of(new["secret"])), 404, "factor_not_found")

    async def test_happens_once(self, ann: Caller) -> None:
        new = await begin(ann)
        await confirm(ann, new, code_of(new["secret"]))
        assert is_refused(await confirm(ann, new, code_of(new["secret"], 1)), 409, "factor_confirmed")

    async def test_is_the_owners(self, ann: Caller, signed_in: SignedIn) -> None:
        new = await begin(ann)
        bob = await signed_in()
        assert is_refused(await confirm(bob, new, code_of(new["secret"])), 404, "factor_not_found")


class TestSigningIn:
    async def test_asks_for_a_code_when_the_password_was_right(self, client: AsyncClient, ann: Caller) -> None:
        await add_app(ann)
        answer = await sign_in(client)
        assert is_refused(answer, 401, "second_factor_required")
        assert answer.json()["factors"] == ["recovery_code", "totp"]
        assert "WWW-Authenticate" in answer.headers

    async def test_says_nothing_of_it_before(self, client: AsyncClient, ann: Caller) -> None:
        """Whoever does not know the password learns nothing, with a code or without one."""
        before = await sign_in(client, password="wrong")
        secret, _ = await add_app(ann)
        for code in (None, "000000", code_of(secret)):
            after = await sign_in(client, code, password="wrong")
            same = ("code", "detail", "status")
            assert [after.json()[name] for name in same] == [before.json()[name] for name in same]

    @pytest.mark.parametrize("ahead", [-1, 0, 1])
    async def test_takes_the_code_of_now_and_of_clocks_that_are_a_step_off(
        self, client: AsyncClient, ann: Caller, database: RolledBackDatabase, ahead: int
    ) -> None:
        secret, _ = await add_app(ann)
        await database.sql(text("UPDATE factor_uses SET counter = 0"))
        answer = await sign_in(client, code_of(secret, ahead))
        assert answer.status_code == 201, answer.text
        assert answer.json()["session"]["id"]

    async def test_takes_it_as_the_app_shows_it(self, client: AsyncClient, ann: Caller) -> None:
        secret, _ = await add_app(ann)
        code = code_of(secret)
        assert (await sign_in(client, f"{code[:3]} {code[3:]}")).status_code == 201

    @pytest.mark.parametrize("ahead", [-2, 2])
    async def test_takes_no_other(self, client: AsyncClient, ann: Caller, ahead: int) -> None:
        secret, _ = await add_app(ann)
        assert is_refused(await sign_in(client, code_of(secret, ahead)), 401, "second_factor_wrong")

    async def test_takes_none_twice(self, client: AsyncClient, ann: Caller) -> None:
        """Nor that by which the app was confirmed, nor an older one."""
        new = await begin(ann)
        first = code_of(new["secret"])
        await confirm(ann, new, first)
        assert is_refused(await sign_in(client, first), 401, "second_factor_wrong")
        later = code_of(new["secret"], 1)
        assert (await sign_in(client, later)).status_code == 201
        for used in (later, first):
            assert is_refused(await sign_in(client, used), 401, "second_factor_wrong")

    async def test_keeps_the_code_good_when_the_sign_in_fails(
        self, application: Application, database: RolledBackDatabase, ann: Caller
    ) -> None:
        """It is used up in the transaction of the session that it opens."""
        repository = application.containers["users"].factor_repository()
        await add_app(ann)
        async with database.unit_of_work() as unit:
            (known,) = await repository.of_account(_Unit(unit), ann.id)
        async with database.forgetting(), database.unit_of_work() as unit:
            assert await repository.use(_Unit(unit), known.id, known.counter + 1)
        async with database.unit_of_work() as unit:
            assert (await repository.of_account(_Unit(unit), ann.id)) == [known]

    async def test_by_another_account_s_code_fails(self, client: AsyncClient, ann: Caller, signed_in: SignedIn) -> None:
        await add_app(ann)
        secret, _ = await add_app(await signed_in())
        assert is_refused(await sign_in(client, code_of(secret)), 401, "second_factor_wrong")

    async def test_needs_no_code_without_a_factor(self, client: AsyncClient) -> None:
        await UserFactory.saved(email=EMAIL)
        assert (await sign_in(client, "123456")).status_code == 201

    async def test_by_the_password_grant_is_refused_in_words(self, client: AsyncClient, ann: Caller) -> None:
        """RFC 6749 has no room for a code."""
        await add_app(ann)
        form = {"grant_type": "password", "username": EMAIL, "password": PASSWORD}
        answer = await client.post("/auth/token", data=form)
        assert is_refused(answer, 400, "invalid_grant")
        assert answer.json()["error"] == "invalid_grant"
        assert "POST /auth/sessions" in answer.json()["detail"]
        wrong = await client.post("/auth/token", data=form | {"password": "wrong"})
        assert "POST /auth/sessions" not in wrong.json()["detail"]


class TestRecoveryCodes:
    async def test_are_each_good_once(self, client: AsyncClient, ann: Caller) -> None:
        _, codes = await add_app(ann)
        assert (await sign_in(client, codes[3])).status_code == 201
        assert is_refused(await sign_in(client, codes[3]), 401, "second_factor_wrong")
        assert (await sign_in(client, codes[4].upper().replace("-", " "))).status_code == 201
        assert (await ann.get("/auth/factors/recovery-codes")).json() == {"left": 8}

    async def test_are_told_no_more_when_there_are_none(
        self, client: AsyncClient, ann: Caller, database: RolledBackDatabase
    ) -> None:
        await add_app(ann)
        await database.sql(text("DELETE FROM recovery_codes"))
        assert (await sign_in(client)).json()["factors"] == ["totp"]

    async def test_are_kept_in_digests_alone(self, ann: Caller, database: RolledBackDatabase) -> None:
        _, codes = await add_app(ann)
        kept = "".join([*await rows(database, "recovery_codes"), *await rows(database, "journal")])
        for code in codes:
            plain = code.replace("-", "")
            assert plain not in kept
            assert plain.encode().hex() not in kept

    async def test_are_made_anew_in_the_place_of_the_former(self, client: AsyncClient, ann: Caller) -> None:
        _, former = await add_app(ann)
        answer = await ann.post("/auth/factors/recovery-codes")
        assert answer.headers["Cache-Control"] == "no-store"
        codes = answer.json()["recovery_codes"]
        assert len({*codes, *former}) == 20
        assert is_refused(await sign_in(client, former[0]), 401, "second_factor_wrong")
        assert (await sign_in(client, codes[0])).status_code == 201

    async def test_are_for_who_has_a_factor(self, ann: Caller, signed_in: SignedIn) -> None:
        assert is_refused(await ann.post("/auth/factors/recovery-codes"), 409, "no_second_factor")
        await begin(ann)
        assert is_refused(await ann.post("/auth/factors/recovery-codes"), 409, "no_second_factor")
        stale = await signed_in(ago=timedelta(minutes=6))
        assert is_refused(await stale.post("/auth/factors/recovery-codes"), 403, "step_up_required")

    async def test_of_another_account_are_not_taken(
        self, client: AsyncClient, ann: Caller, signed_in: SignedIn
    ) -> None:
        await add_app(ann)
        _, codes = await add_app(await signed_in())
        assert is_refused(await sign_in(client, codes[0]), 401, "second_factor_wrong")


class _Unit:
    """What a repository takes of a change."""

    def __init__(self, unit: Any) -> None:
        self.unit = unit
