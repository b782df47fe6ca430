"""What is done about guessing passwords: at sign-in, and at the change of a password by who has a session."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import timedelta

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from app.container import Application
from modules.users import guesses
from modules.users.guesses import ACCOUNT, ADDRESS, KNOWN_PLACE, LONGEST, SHARD, Limit
from modules.users.tests.factories import PASSWORD, UserFactory
from shared.addresses import place_of
from shared.auth.passwords import Passwords, TooManySignIns
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]
ClientAt = Callable[[str], AsyncClient]

ANN = "ann@example.com"
NOBODY = "nobody@example.com"


async def sign_in(client: AsyncClient, email: str = ANN, password: str = "wrong") -> Response:
    return await client.post("/auth/token", data={"grant_type": "password", "username": email, "password": password})


async def change(caller: AsyncClient, current: str) -> Response:
    return await caller.put("/users/me/password", json={"current_password": current, "new_password": "a new password"})


async def guess(client: AsyncClient, times: int, email: str = ANN) -> None:
    """So many wrong passwords, each of which is looked at."""
    for _ in range(times):
        answer = await sign_in(client, email)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_grant")


def wait(answer: Response) -> int:
    """The seconds after which a refused one may try again."""
    assert answer.status_code == 429, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["retryable"], problem.get("error")) == ("too_many_attempts", True, None)
    return int(answer.headers["Retry-After"])


async def pass_by(database: RolledBackDatabase, seconds: float) -> None:
    """Have so much time gone by since every failure, as far as the counts know."""
    await database.sql(text("UPDATE sign_in_failures SET at = at - :by"), {"by": timedelta(seconds=seconds)})


async def rows(database: RolledBackDatabase, table: str) -> list[str]:
    return list((await database.sql(text(f"SELECT r::text FROM {table} AS r"))).scalars())


class TestAnAccount:
    async def test_has_some_tries_free_and_then_a_growing_wait(
        self, client: AsyncClient, database: RolledBackDatabase
    ) -> None:
        await UserFactory.saved(email=ANN)
        await guess(client, ACCOUNT.free)
        for expected in (1, 2, 4, 8, 16):
            assert wait(await sign_in(client)) in {expected, expected + 1}
            await pass_by(database, expected + 1)
            await guess(client, 1)

    async def test_waits_a_quarter_of_an_hour_at_the_most(
        self, client: AsyncClient, database: RolledBackDatabase
    ) -> None:
        """Never a lock: anybody could lock anybody out."""
        await UserFactory.saved(email=ANN)
        for _ in range(40):
            await sign_in(client)
            await pass_by(database, LONGEST)
        await sign_in(client)
        assert LONGEST / 2 < wait(await sign_in(client)) <= LONGEST
        await pass_by(database, LONGEST)
        assert (await sign_in(client, password=PASSWORD)).status_code == 200

    async def test_is_as_before_some_hours_after_a_long_attack(
        self, client: AsyncClient, database: RolledBackDatabase
    ) -> None:
        for _ in range(40):
            await sign_in(client)
            await pass_by(database, LONGEST)
        await pass_by(database, 9 * 3600)
        await guess(client, ACCOUNT.free)

    async def test_has_no_right_password_within_the_wait(self, client: AsyncClient) -> None:
        """Else the answer would tell that it is right. It is not even looked at."""
        await UserFactory.saved(email=ANN)
        await guess(client, ACCOUNT.free)
        wrong, right = await sign_in(client), await sign_in(client, password=PASSWORD)
        assert wait(wrong) == wait(right)
        assert wrong.json() | {"request_id": ""} == right.json() | {"request_id": ""}

    async def test_waits_alike_whether_or_not_it_exists(self, client: AsyncClient) -> None:
        await UserFactory.saved(email=ANN)
        await UserFactory.saved(email="off@example.com", is_active=False)
        for email in (ANN, NOBODY, "off@example.com"):
            await guess(client, ACCOUNT.free, email)
            assert wait(await sign_in(client, email)) == 1

    @pytest.mark.parametrize("write", [str.upper, str.title, str.swapcase])
    @pytest.mark.parametrize("email", [ANN, NOBODY])
    async def test_is_the_same_however_its_address_is_written(
        self, client: AsyncClient, email: str, write: Callable[[str], str]
    ) -> None:
        await UserFactory.saved(email=ANN)
        await guess(client, ACCOUNT.free, email)
        assert wait(await sign_in(client, write(email))) == 1

    async def test_does_not_wait_for_another(self, client: AsyncClient) -> None:
        bob = await UserFactory.saved()
        await guess(client, ACCOUNT.free)
        assert (await sign_in(client, bob.email, PASSWORD)).status_code == 200

    async def test_waits_wherever_the_guesses_come_from(self, at: ClientAt) -> None:
        await UserFactory.saved(email=ANN)
        for n in range(ACCOUNT.free):
            await guess(at(f"203.0.113.{n}"), 1)
        assert wait(await sign_in(at("198.51.100.1"), password=PASSWORD)) == 1

    async def test_forgets_what_was_none(self, client: AsyncClient, database: RolledBackDatabase) -> None:
        """A right password is no failure, however often it is given."""
        await UserFactory.saved(email=ANN)
        for _ in range(3 * KNOWN_PLACE.free):
            assert (await sign_in(client, password=PASSWORD)).status_code == 200
        assert await rows(database, "sign_in_failures") == []

    async def test_is_not_made_to_wait_by_a_refusal_for_want_of_room(
        self, client: AsyncClient, application: Application, database: RolledBackDatabase
    ) -> None:
        class Busy(Passwords):
            async def matches(self, password: str, encoded: str | None) -> bool:
                raise TooManySignIns

        with closing(Busy(8, 1)) as passwords, application.kernel.passwords.override(passwords):
            for _ in range(3 * ACCOUNT.free):
                assert (await sign_in(client)).status_code == 503
        assert await rows(database, "sign_in_failures") == []


class TestAKnownPlace:
    @pytest.fixture
    async def home(self, at: ClientAt) -> AsyncClient:
        """Where Ann signed in before."""
        await UserFactory.saved(email=ANN)
        home = at("192.0.2.1")
        assert (await sign_in(home, password=PASSWORD)).status_code == 200
        return home

    async def test_is_not_kept_out_by_the_guesses_of_others(self, home: AsyncClient, at: ClientAt) -> None:
        await guess(at("203.0.113.1"), ACCOUNT.free)
        wait(await sign_in(at("203.0.113.1"), password=PASSWORD))
        assert (await sign_in(home, password=PASSWORD)).status_code == 200

    async def test_has_a_count_of_its_own(self, home: AsyncClient, at: ClientAt) -> None:
        await guess(home, KNOWN_PLACE.free)
        assert wait(await sign_in(home, password=PASSWORD)) == 1
        assert (await sign_in(at("203.0.113.1"), password=PASSWORD)).status_code == 200

    async def test_is_as_before_once_the_password_is_right(
        self, home: AsyncClient, database: RolledBackDatabase
    ) -> None:
        """So attempts that could not be taken back, as the database was away, keep nobody out for hours."""
        for _ in range(2):
            await guess(home, KNOWN_PLACE.free - 1)
            assert (await sign_in(home, password=PASSWORD)).status_code == 200
            assert await rows(database, "sign_in_failures") == []

    async def test_is_known_for_that_account_alone(self, home: AsyncClient, at: ClientAt) -> None:
        bob = await UserFactory.saved()
        await guess(at("203.0.113.1"), ACCOUNT.free, bob.email)
        wait(await sign_in(home, bob.email, PASSWORD))

    async def test_is_forgotten_in_the_end(self, home: AsyncClient, at: ClientAt, database: RolledBackDatabase) -> None:
        await database.sql(text("UPDATE known_places SET at = at - interval '91 days'"))
        await guess(at("203.0.113.1"), ACCOUNT.free)
        wait(await sign_in(home, password=PASSWORD))

    async def test_cannot_be_read_from_the_table(self, home: AsyncClient, database: RolledBackDatabase) -> None:
        await guess(home, 1, NOBODY)
        for row in await rows(database, "known_places") + await rows(database, "sign_in_failures"):
            assert ANN.encode().hex() not in row
            assert b"192.0.2.1".hex() not in row

    async def test_is_known_of_no_wrong_password(self, client: AsyncClient, database: RolledBackDatabase) -> None:
        await guess(client, 1)
        assert await rows(database, "known_places") == []


class TestAnAddress:
    @pytest.fixture(autouse=True)
    def little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guesses, "ADDRESS", Limit(free=4, fade=ADDRESS.fade))

    @pytest.mark.parametrize(
        "addresses",
        [
            ["203.0.113.1"],
            ["::ffff:203.0.113.1", "203.0.113.1"],
            [f"2001:db8:1:2:{n:x}::1" for n in range(5)],
            ["sock"],
        ],
        ids=["IPv4", "mapped", "an IPv6 network", "none"],
    )
    async def test_waits_whatever_the_accounts(self, at: ClientAt, addresses: list[str]) -> None:
        await UserFactory.saved(email=ANN)
        for n in range(4):
            await guess(at(addresses[n % len(addresses)]), 1, f"user{n}@example.com")
        assert wait(await sign_in(at(addresses[-1]), password=PASSWORD)) == 1
        assert (await sign_in(at("198.51.100.1"), password=PASSWORD)).status_code == 200

    async def test_is_more_patient_than_an_account(self) -> None:
        assert ADDRESS.free > 10 * ACCOUNT.free
        assert ADDRESS.fade < ACCOUNT.fade


class TestAllTogether:
    async def test_wait_a_little_when_there_are_very_many(
        self, at: ClientAt, monkeypatch: pytest.MonkeyPatch, database: RolledBackDatabase
    ) -> None:
        monkeypatch.setattr(guesses, "SHARDS", 1)
        monkeypatch.setattr(guesses, "SHARD", Limit(free=4, fade=SHARD.fade, longest=SHARD.longest))
        await UserFactory.saved(email=ANN)
        assert (await sign_in(at("192.0.2.1"), password=PASSWORD)).status_code == 200
        for n in range(4):
            await guess(at(f"203.0.113.{n}"), 1, f"user{n}@example.com")
        assert wait(await sign_in(at("198.51.100.1"), password=PASSWORD)) == 1
        assert (await sign_in(at("192.0.2.1"), password=PASSWORD)).status_code == 200, "A known place."
        for n in range(20):
            await pass_by(database, SHARD.longest)
            await guess(at(f"198.51.100.{n}"), 1, f"other{n}@example.com")
        assert wait(await sign_in(at("198.51.100.1"), password=PASSWORD)) <= SHARD.longest

    def test_are_counted_in_parts_that_are_generous_together(self) -> None:
        assert guesses.SHARDS * SHARD.free > 5 * ADDRESS.free


class TestAChangeOfPassword:
    async def test_counts_like_a_sign_in(self, signed_in: SignIn, client: AsyncClient) -> None:
        """Who stole a session does not get more tries than who did not."""
        ann = await signed_in(email=ANN)
        for _ in range(ACCOUNT.free - 2):
            assert (await change(ann, "wrong")).json()["code"] == "wrong_password"
        await guess(client, 2)
        assert wait(await change(ann, PASSWORD)) == 1
        wait(await sign_in(client, password=PASSWORD))
        assert (await ann.get("/users/me")).status_code == 200

    async def test_is_no_failure(self, signed_in: SignIn, database: RolledBackDatabase) -> None:
        ann = await signed_in(email=ANN)
        assert (await change(ann, PASSWORD)).status_code == 204
        assert await rows(database, "sign_in_failures") == []

    @pytest.mark.parametrize("query", ["", "?dry_run=true"])
    async def test_that_is_wrong_counts_whatever_is_asked_with_it(self, signed_in: SignIn, query: str) -> None:
        ann = await signed_in(email=ANN)
        body = {"current_password": "wrong", "new_password": "a new password"}
        headers = {"Idempotency-Key": "k", "If-Match": "*"}
        for _ in range(ACCOUNT.free):
            answer = await ann.put(f"/users/me/password{query}", json=body, headers=headers)
            assert answer.status_code in {403, 412}
        assert wait(await change(ann, PASSWORD)) == 1


class TestLimit:
    def test_fades(self) -> None:
        limit = Limit(free=2, fade=10, longest=60)
        assert limit.present(3, 0) == 3
        assert limit.present(3, 15) == 1.5
        assert limit.present(3, 3600) == 0

    @pytest.mark.parametrize(("failures", "age", "wait"), [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 0, 2), (9, 0, 60)])
    def test_waits_longer_after_more(self, failures: float, age: float, wait: float) -> None:
        assert Limit(free=2, fade=10, longest=60).wait(failures, age) == wait

    def test_lets_through_after_the_wait_that_it_told(self) -> None:
        limit = Limit(free=2, fade=10, longest=60)
        for failures in range(12):
            assert limit.wait(failures, max(0.0, limit.wait(failures, 0))) <= 0

    @pytest.mark.parametrize(
        ("address", "place"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:0DB8:1:2::", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
            ("no address", "no address"),
        ],
    )
    def test_of_an_address_is_of_its_network(self, address: str, place: str) -> None:
        assert place_of(address) == place
