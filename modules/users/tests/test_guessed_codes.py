"""What is done about guessing the codes of a second factor, by who knows the password."""

from collections.abc import Awaitable, Callable

import pytest
from httpx2 import AsyncClient
from sqlalchemy import text

from modules.users.factors import totp
from modules.users.factors.recovery_codes import looks_like_one
from modules.users.guesses import CODE, KNOWN_PLACE
from modules.users.tests.authenticators import code_of
from modules.users.tests.test_authenticator_apps import EMAIL, add_app, is_refused, rows, sign_in
from tests.callers import Caller
from tests.database import RolledBackDatabase

HOME, ELSEWHERE = "192.0.2.1", "203.0.113.1"
NO_CODE = "aaaaaa-bbbbbb-cccccc-dddddd"
"""As a recovery code looks."""


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No code is too old because a machine is slow."""
    now = totp.present_step()
    monkeypatch.setattr(totp, "present_step", lambda: now)


@pytest.fixture
async def app_and_codes(signed_in: Callable[..., Awaitable[Caller]]) -> tuple[str, list[str]]:
    """The secret of Ann's app, and her recovery codes."""
    return await add_app(await signed_in(email=EMAIL))


async def guess(client: AsyncClient, times: int, code: str = "000000") -> None:
    """So many wrong codes, each of which is looked at."""
    for _ in range(times):
        assert is_refused(await sign_in(client, code), 401, "second_factor_wrong")


async def many(database: RolledBackDatabase) -> None:
    """Have there been more: a slow machine waits out the first second."""
    await database.sql(text("UPDATE sign_in_failures SET failures = failures + 6"))


class TestACode:
    async def test_has_some_tries_free(self, at, app_and_codes, database) -> None:
        secret, _ = app_and_codes
        await guess(at(ELSEWHERE), CODE.free)
        await many(database)
        answer = await sign_in(at(ELSEWHERE), code_of(secret))
        assert is_refused(answer, 429, "too_many_attempts")
        assert int(answer.headers["Retry-After"]) > 0

    async def test_that_is_right_ends_the_count(self, at, app_and_codes, database) -> None:
        secret, _ = app_and_codes
        await guess(at(ELSEWHERE), CODE.free - 1)
        assert (await sign_in(at(ELSEWHERE), code_of(secret))).status_code == 201
        assert await rows(database, "sign_in_failures") == []

    async def test_at_a_known_place_is_not_kept_out_by_the_guesses_of_others(self, at, app_and_codes, database) -> None:
        """Or who knows the password could keep the owner from what ends that: a new one."""
        secret, codes = app_and_codes
        assert (await sign_in(at(HOME), codes[0])).status_code == 201
        await guess(at(ELSEWHERE), CODE.free)
        await many(database)
        assert is_refused(await sign_in(at(ELSEWHERE), "000000"), 429, "too_many_attempts")
        assert (await sign_in(at(HOME), code_of(secret))).status_code == 201
        assert is_refused(await sign_in(at(ELSEWHERE), "000000"), 429, "too_many_attempts")

    async def test_at_a_known_place_has_a_count_of_its_own(self, at, app_and_codes, database) -> None:
        secret, codes = app_and_codes
        assert (await sign_in(at(HOME), codes[0])).status_code == 201
        await guess(at(HOME), KNOWN_PLACE.free)
        await many(database)
        assert is_refused(await sign_in(at(HOME), code_of(secret)), 429, "too_many_attempts")
        assert (await sign_in(at(ELSEWHERE), code_of(secret))).status_code == 201


class TestARecoveryCode:
    async def test_is_looked_at_wherever_and_however_often_codes_were_guessed(
        self, at, app_and_codes, database
    ) -> None:
        """It has 120 bits: nobody guesses it, and it is for who has lost what else they sign in with."""
        _, codes = app_and_codes
        await guess(at(ELSEWHERE), CODE.free)
        await many(database)
        assert is_refused(await sign_in(at(HOME), "000000"), 429, "too_many_attempts")
        assert (await sign_in(at(HOME), codes[0].upper().replace("-", " "))).status_code == 201

    async def test_that_is_wrong_is_not_counted(self, at, app_and_codes, database) -> None:
        await guess(at(ELSEWHERE), CODE.free + 1, NO_CODE)
        assert await rows(database, "sign_in_failures") == []

    @pytest.mark.parametrize("code", ["123456", "123 456", "", "a" * 23, "a" * 25, "1" * 24, "A" * 23 + "8"])
    def test_is_taken_for_none_by_its_looks(self, code: str) -> None:
        """What an app shows is counted, however it is typed."""
        assert not looks_like_one(code)
