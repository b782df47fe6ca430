"""`X-Consistency`: what a write tells its client, and what it tells nobody."""

import base64
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers
from uuid_utils.compat import uuid7

from shared.auth import Principal
from shared.http.edge.consistency import HEADER, ReadYourWrites

POSITIONS = [0, 4711, 0x0123456789ABCDEF, 2**64 - 1]


@pytest.fixture
def reader() -> ReadYourWrites:
    async def caller(*_: Any) -> Principal:
        return Principal(uuid7())

    return ReadYourWrites(FastAPI(), caller, [bytes(32)])


def needed(reader: ReadYourWrites, header: str) -> int | None:
    return reader._needed(Headers({HEADER: header}), None)


class TestTheHeader:
    @pytest.mark.parametrize("position", POSITIONS)
    def test_is_read_by_the_server(self, reader: ReadYourWrites, position: int) -> None:
        assert needed(reader, reader.header(position)) == position

    @pytest.mark.parametrize("position", POSITIONS)
    def test_is_read_by_nobody_else(self, reader: ReadYourWrites, position: int) -> None:
        """Two positions would tell how much was written between, and so whether an address has an account."""
        assert position.to_bytes(8) not in base64.urlsafe_b64decode(reader.header(position))

    def test_tells_no_distance(self, reader: ReadYourWrites) -> None:
        """Of neighbours no bytes in one place are alike, but by chance."""
        one, other = (base64.urlsafe_b64decode(reader.header(position)) for position in (4711, 4712))
        assert len(one) == len(other)
        assert sum(a == b for a, b in zip(one, other, strict=True)) < 4

    @pytest.mark.parametrize("forged", ["", "x", "AAAA", "é", "A" * 32, "A" * 33])
    def test_that_the_server_did_not_make_is_answered_by_the_primary(self, reader: ReadYourWrites, forged: str) -> None:
        assert needed(reader, forged) is None

    def test_that_was_changed_in_a_bit_is_none_of_ours(self, reader: ReadYourWrites) -> None:
        made = base64.urlsafe_b64decode(reader.header(4711))
        for bit in range(8 * len(made)):
            changed = (int.from_bytes(made) ^ 1 << bit).to_bytes(len(made))
            assert needed(reader, base64.urlsafe_b64encode(changed).decode()) is None
