"""Which passwords may be chosen, and that one is the same from every keyboard."""

import unicodedata
from collections.abc import Awaitable, Callable

import pytest
from argon2 import PasswordHasher
from httpx2 import AsyncClient, Response
from sqlalchemy import text

from modules.users.passwords import DIGEST_BYTES, StrongPasswords
from modules.users.tests.factories import PASSWORD, UserFactory
from tests.callers import Caller
from tests.database import RolledBackDatabase

SignIn = Callable[..., Awaitable[Caller]]

COMMON = ["password", "password1", "Password1", "12345678", "qwertyuiop", "iloveyou1", "TRUSTNO1", "1q2w3e4r"]
ONE_CHARACTER = [" " * 8, "aAaAaAaA", "é" * 256, "🙂" * 8]
PERSONAL = ["ann.example@example.com", "ANN.EXAMPLE@EXAMPLE.COM", "ann.example", "Ann Zoë Example", "annzoëexample"]
STRONG = ["correct horse battery", "8 signs.", "my password is long", "Ann Zoë Example and more", "🙂🙃" * 4]
COMPOSED, DECOMPOSED = "Café au lait", unicodedata.normalize("NFD", "Café au lait")
ANN = {"email": "ann.example@example.com", "full_name": "Ann Zoë Example"}


async def register(client: AsyncClient, password: str) -> Response:
    return await client.post("/users", json=ANN | {"password": password})


async def sign_in(client: AsyncClient, password: str, email: str = ANN["email"]) -> int:
    return (await client.post("/auth/sessions", json={"email": email, "password": password})).status_code


async def change(caller: Caller, password: str, current: str = PASSWORD) -> Response:
    body = {"current_password": current, "new_password": password}
    return await caller.put("/users/me/password", json=body)


class TestARegistration:
    @pytest.mark.parametrize("password", COMMON + ONE_CHARACTER + PERSONAL)
    async def test_with_a_password_that_is_tried_first_is_refused(self, client: AsyncClient, password: str):
        answer = await register(client, password)
        assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
            ("/password", "weak_password")
        ]
        assert answer.json()["detail"].endswith("Choose another.")

    @pytest.mark.parametrize("password", STRONG)
    async def test_with_another_is_not(self, client: AsyncClient, password: str):
        assert (await register(client, password)).status_code == 201

    @pytest.mark.parametrize(
        ("password", "status"),
        [
            (DECOMPOSED[:4] + "\u0301xxx", 422),
            (unicodedata.normalize("NFD", "ế" * 128 + "ấ" * 128), 201),
            (unicodedata.normalize("NFD", "ế" * 128 + "ấ" * 129), 422),
            ("ab" * 128, 201),
            ("ab" * 128 + "c", 422),
        ],
        ids=["7 after NFC", "256 after NFC", "257 after NFC", "256", "257"],
    )
    async def test_counts_characters_after_nfc(self, client: AsyncClient, password: str, status: int):
        assert (await register(client, password)).status_code == status


class TestAChange:
    @pytest.mark.parametrize("password", [COMMON[0], ONE_CHARACTER[0], PERSONAL[0]])
    async def test_to_a_password_that_is_tried_first_is_refused(self, signed_in: SignIn, password: str):
        answer = await change(await signed_in(**ANN), password)
        assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
        assert answer.json()["errors"][0]["pointer"] == "/new_password"

    async def test_with_a_wrong_present_one_tells_nothing_of_the_new_one(self, signed_in: SignIn):
        answer = await change(await signed_in(), "password", current="wrong")
        assert answer.json()["code"] == "wrong_password"


class TestASignIn:
    async def test_with_a_password_from_before_the_rule_works(self, client: AsyncClient):
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("password1")
        user = await UserFactory.saved(password_hash=hashed)
        assert await sign_in(client, "password1", user.email) == 201


class TestUnicode:
    @pytest.mark.parametrize("chosen", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
    @pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
    async def test_a_password_is_the_same_from_every_keyboard(self, client: AsyncClient, chosen: str, typed: str):
        assert (await register(client, chosen)).status_code == 201
        assert await sign_in(client, typed) == 201

    async def test_is_otherwise_taken_as_sent(self, client: AsyncClient):
        """NFKC would make the same of what looks alike."""
        await register(client, "ﬁve sails x²")
        assert await sign_in(client, "five sails x2") == 401

    async def test_a_password_that_was_hashed_as_it_was_sent_works_and_then_from_every_keyboard(
        self, client: AsyncClient, database: RolledBackDatabase
    ):
        hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(DECOMPOSED)
        user = await UserFactory.saved(password_hash=hashed)
        assert await sign_in(client, COMPOSED, user.email) == 401
        assert await sign_in(client, DECOMPOSED, user.email) == 201
        assert await sign_in(client, COMPOSED, user.email) == 201
        kept = await database.sql(text("SELECT password_hash, version FROM users WHERE id = :id"), {"id": user.id})
        assert await sign_in(client, DECOMPOSED, user.email) == 201
        again = await database.sql(text("SELECT password_hash, version FROM users WHERE id = :id"), {"id": user.id})
        assert kept.one() == again.one()


class TestTheList:
    def test_has_a_hundred_thousand_that_are_long_enough_and_in_order(self):
        digests = StrongPasswords()._common
        found = [digests[place : place + DIGEST_BYTES] for place in range(0, len(digests), DIGEST_BYTES)]
        assert 99_900 < len(found) <= 100_000
        assert found == sorted({*found})

    def test_knows_the_first_and_the_last_and_nothing_else(self):
        strong = StrongPasswords()
        strong._common = b"\x00\x00\x00\x01" + bytes.fromhex("5e884898") + b"\xff" * 4
        assert strong.is_common("password")
        assert not strong.is_common("a password")
