"""Passwords: hashed with argon2id, checked beside the event loop, and not too many at once."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal
from unicodedata import normalize

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import hash_secret_raw

from shared.auth.passwords import PIECE, QUEUE, Passwords, TooManySignIns

PASSWORD = "correct horse battery"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """As cheap as argon2 allows."""
    with closing(Passwords(memory_kib=8, iterations=1)) as passwords:
        yield passwords


class TestHash:
    async def test_is_argon2id_with_the_parameters_given(self, passwords: Passwords) -> None:
        assert (await passwords.hash(PASSWORD)).startswith("$argon2id$v=19$m=8,t=1,p=1$")

    async def test_is_salted(self, passwords: Passwords) -> None:
        assert await passwords.hash(PASSWORD) != await passwords.hash(PASSWORD)

    async def test_does_not_hold_the_password(self, passwords: Passwords) -> None:
        assert PASSWORD not in await passwords.hash(PASSWORD)


class TestMatches:
    @pytest.mark.parametrize("password", [PASSWORD, "", " ", "pässwörd 💡", "NUL \0 in it", "x" * 100_000])
    async def test_the_password_that_was_hashed(self, passwords: Passwords, password: str) -> None:
        assert await passwords.matches(password, await passwords.hash(password))

    @pytest.mark.parametrize("wrong", ["", PASSWORD.upper(), f"{PASSWORD} ", PASSWORD[:-1], f"{PASSWORD}\0"])
    async def test_no_other_password(self, passwords: Passwords, wrong: str) -> None:
        assert not await passwords.matches(wrong, await passwords.hash(PASSWORD))

    async def test_every_character_of_a_long_password_counts(self, passwords: Passwords) -> None:
        """Unlike with bcrypt, which stops at 72 bytes."""
        encoded = await passwords.hash("x" * 256)
        assert not await passwords.matches("x" * 255 + "y", encoded)

    async def test_no_password_where_there_is_no_account(self, passwords: Passwords) -> None:
        """Not even the one that is hashed in its stead, so that the answer takes as long."""
        assert not await passwords.matches(PASSWORD, None)
        assert not await passwords.matches("the password of an account that is not there", None)

    @pytest.mark.parametrize("encoded", ["", "no hash", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "!"])
    async def test_no_password_where_the_hash_is_none(self, passwords: Passwords, encoded: str) -> None:
        assert not await passwords.matches(PASSWORD, encoded)

    async def test_a_hash_made_with_other_parameters(self, passwords: Passwords) -> None:
        with closing(Passwords(memory_kib=16, iterations=2)) as stronger:
            assert await stronger.matches(PASSWORD, await passwords.hash(PASSWORD))


class TestTheWork:
    """All checks take the same time, which so tells nothing. Here a KiB that argon2 writes takes a second."""

    @pytest.fixture
    def work(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """What is done."""
        done = []
        verify = PasswordHasher.verify

        def counted_dummy(secret: bytes, salt: bytes, iterations: int, memory_kib: int, **options: Any) -> bytes:
            done.append(iterations * memory_kib)
            return hash_secret_raw(secret, salt, iterations, memory_kib, **options)

        def counted_verify(hasher: PasswordHasher, encoded: str, password: str) -> Literal[True]:
            known = extract_parameters(encoded)
            done.append(known.time_cost * known.memory_cost)
            return verify(hasher, encoded, password)

        monkeypatch.setattr("shared.auth.passwords.hash_secret_raw", counted_dummy)
        monkeypatch.setattr(PasswordHasher, "verify", counted_verify)
        monkeypatch.setattr("shared.auth.passwords.thread_time", lambda: float(sum(done)))
        return done

    @pytest.mark.parametrize("password", [PASSWORD, "wrong"])
    @pytest.mark.parametrize(
        ("memory_kib", "iterations"),
        [(4096, 3), (4096, 2), (4096, 1), (2048, 3), (2048, 1), (512, 1), (3840, 3), (12288, 1), (1024, 12)],
    )
    async def test_is_the_same_for_a_hash_of_other_parameters(
        self, work: list[int], memory_kib: int, iterations: int, password: str
    ) -> None:
        with closing(Passwords(4096, 3)) as passwords:
            encoded = PasswordHasher(iterations, memory_kib, 1).hash(PASSWORD)
            await passwords.matches("wrong", encoded)  # The first time, it is not known yet how long a hash takes.
            work.clear()
            assert await passwords.matches(password, encoded) is (password == PASSWORD)
        assert sum(work) == pytest.approx(4096 * 3, abs=PIECE)

    @pytest.mark.parametrize("encoded", [None, "", "!", "$2b$12$abcdefghijklmnopqrstuv"])
    async def test_is_the_same_for_no_account_and_for_no_hash(self, work: list[int], encoded: str | None) -> None:
        with closing(Passwords(64, 3)) as passwords:
            assert not await passwords.matches(PASSWORD, encoded)
        assert sum(work) == 64 * 3

    async def test_is_that_of_the_dearest_hash_that_was_seen(self, work: list[int]) -> None:
        """The operator may have lowered the parameters."""
        with closing(Passwords(8, 1)) as passwords:
            await passwords.matches("wrong", PasswordHasher(5, 2048, 1).hash(PASSWORD))
            for encoded in (None, PasswordHasher(1, 8, 1).hash(PASSWORD)):
                work.clear()
                await passwords.matches("wrong", encoded)
                assert sum(work) == pytest.approx(5 * 2048, abs=PIECE)

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    async def test_depends_on_how_the_password_is_written_and_not_on_what_is_hashed(
        self, work: list[int], form: Literal["NFC", "NFD"]
    ) -> None:
        """An older hash may be of what was sent: both are looked at, for every account and for none."""
        password = normalize(form, "Café au lait")
        with closing(Passwords(64, 3)) as passwords:
            for hashed in (normalize("NFC", password), normalize("NFD", password), "another", None):
                encoded = hashed and PasswordHasher(3, 64, 1).hash(hashed)
                work.clear()
                matches = await passwords.matches(password, encoded)
                assert matches == (hashed in {password, normalize("NFC", password)})
                assert sum(work) == 64 * 3 * (2 if form == "NFD" else 1)


class TestIsOutdated:
    async def test_when_it_is_of_another_form_than_nfc(self, passwords: Passwords) -> None:
        """Then it matches that form only."""
        composed, decomposed = normalize("NFC", "Café au lait"), normalize("NFD", "Café au lait")
        encoded = PasswordHasher(1, 8, 1).hash(decomposed)
        assert not await passwords.matches(composed, encoded)
        assert await passwords.matches(decomposed, encoded)
        assert await passwords.is_outdated(encoded, decomposed)
        assert not await passwords.is_outdated(await passwords.hash(decomposed), decomposed)

    async def test_not_with_the_parameters_of_today(self, passwords: Passwords) -> None:
        assert not await passwords.is_outdated(await passwords.hash(PASSWORD), PASSWORD)

    @pytest.mark.parametrize(("memory_kib", "iterations"), [(16, 1), (8, 2)])
    async def test_with_any_other(self, passwords: Passwords, memory_kib: int, iterations: int) -> None:
        with closing(Passwords(memory_kib, iterations)) as stronger:
            assert await stronger.is_outdated(await passwords.hash(PASSWORD), PASSWORD)


class TestQueue:
    async def test_turns_away_what_is_too_much_and_serves_the_rest(self, passwords: Passwords) -> None:
        encoded = await passwords.hash(PASSWORD)
        checks = [passwords.matches(PASSWORD, encoded) for _ in range(QUEUE + 3)]
        results = await asyncio.gather(*checks, return_exceptions=True)
        assert results[:QUEUE] == [True] * QUEUE
        assert [type(result) for result in results[QUEUE:]] == [TooManySignIns] * 3

    async def test_hashes_and_checks_wait_in_the_same_queue(self, passwords: Passwords) -> None:
        hashes = [passwords.hash(PASSWORD) for _ in range(QUEUE)]
        *_, check = await asyncio.gather(*hashes, passwords.matches(PASSWORD, None), return_exceptions=True)
        assert isinstance(check, TooManySignIns)

    async def test_has_room_again_when_the_flood_is_over(self, passwords: Passwords) -> None:
        flood = [passwords.hash(PASSWORD) for _ in range(QUEUE * 2)]
        await asyncio.gather(*flood, return_exceptions=True)
        assert await passwords.matches(PASSWORD, await passwords.hash(PASSWORD))

    async def test_who_went_away_makes_room(self, passwords: Passwords) -> None:
        waiting = [asyncio.ensure_future(passwords.hash(PASSWORD)) for _ in range(QUEUE)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await asyncio.gather(*(passwords.matches(PASSWORD, None) for _ in range(QUEUE))) == [False] * QUEUE

    async def test_a_failure_makes_room(self, passwords: Passwords) -> None:
        unhashable = [passwords.hash("half a character \ud800") for _ in range(QUEUE)]
        results = await asyncio.gather(*unhashable, return_exceptions=True)
        assert {type(result) for result in results} == {UnicodeEncodeError}
        assert await passwords.hash(PASSWORD)
