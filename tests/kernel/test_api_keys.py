"""API keys in the kernel: what one looks like, and how long a process remembers whose it is."""

import re
import string
from collections.abc import Callable

import pytest
from sqlalchemy import ARRAY, LargeBinary, String, bindparam, literal, select
from uuid_utils.compat import uuid7

from shared.auth import api_keys
from shared.auth.api_keys import LOOKED_UP_EVERY, PATTERN, ApiKeys, digest_of, is_key, known_keys, new_key
from shared.auth.tokens import InvalidToken
from shared.extensions import Extensions
from tests.database import RolledBackDatabase

ACCOUNT, ID = uuid7(), uuid7()


class TestAKey:
    def test_matches_the_expression_and_its_checksum(self) -> None:
        for _ in range(100):
            key = new_key()
            assert re.fullmatch(PATTERN, key)
            assert is_key(key)

    def test_is_another_one_each_time(self) -> None:
        assert len({new_key() for _ in range(100)}) == 100

    def test_with_any_character_changed_is_none(self) -> None:
        key = new_key()
        for place in range(len(key)):
            for other in ("0" if key[place] != "0" else "1", string.ascii_letters[place % 52], "é", " "):
                changed = key[:place] + other + key[place + 1 :]
                assert changed == key or not is_key(changed)

    def test_of_any_other_length_is_none(self) -> None:
        key = new_key()
        assert not any(is_key(other) for other in ("", "trellis_", key[:-1], f"{key}0", f"{key}\n", f" {key}", key * 2))


class TestALookUp:
    @pytest.fixture
    def made(self) -> str:
        return new_key()

    @pytest.fixture
    def keys(self, database: RolledBackDatabase, made: str) -> ApiKeys:
        known = select(literal(ACCOUNT), literal(ID), literal(["tags:read"], ARRAY(String()))).where(
            literal(digest_of(made), LargeBinary()) == bindparam("digest")
        )
        return ApiKeys(database, Extensions([(known_keys, known)]))

    @pytest.fixture
    def looked_up(self, database: RolledBackDatabase, monkeypatch: pytest.MonkeyPatch) -> list[None]:
        """One for each."""
        count: list[None] = []
        begin: Callable[..., object] = database.unit_of_work

        def counted(**values: object) -> object:
            count.append(None)
            return begin(**values)

        monkeypatch.setattr(database, "unit_of_work", counted)
        return count

    async def test_gives_whose_it_is_and_what_it_may_do(self, keys, made):
        caller = await keys.caller(made)
        assert (caller.user_id, caller.session_id, caller.scopes) == (ACCOUNT, ID, {"tags:read"})
        assert caller.is_admin is None

    async def test_happens_once(self, keys, made, looked_up):
        assert await keys.caller(made) == await keys.caller(made)
        assert len(looked_up) == 1

    async def test_happens_again_after_an_hour(self, keys, made, looked_up, monkeypatch):
        """So that the time of the last use is noted."""
        await keys.caller(made)
        assert LOOKED_UP_EVERY == 3600
        monkeypatch.setattr(api_keys, "LOOKED_UP_EVERY", -1)
        await keys.caller(made)
        assert len(looked_up) == 2

    async def test_of_what_nobody_has_made_is_refused_and_not_remembered(self, keys, looked_up):
        forged = new_key()
        for _ in range(2):
            with pytest.raises(InvalidToken):
                await keys.caller(forged)
        assert len(looked_up) == 2

    async def test_of_what_cannot_be_a_key_asks_nobody(self, keys, looked_up):
        with pytest.raises(InvalidToken):
            await keys.caller("trellis_0")
        assert not looked_up

    async def test_is_forgotten_when_there_are_too_many(self, keys, made, looked_up, monkeypatch):
        monkeypatch.setattr(api_keys, "MOST_KNOWN", 0)
        for _ in range(2):
            await keys.caller(made)
        assert len(looked_up) == 2

    async def test_without_a_module_of_accounts_knows_none(self, database):
        with pytest.raises(InvalidToken):
            await ApiKeys(database, Extensions()).caller(new_key())
