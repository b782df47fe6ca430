"""Cursors are ours alone to make."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidCursor
from shared.reads.cursors import Cursors

cursors = Cursors([b"a key"])


class TestACursor:
    def test_gives_back_the_position_it_was_signed_for(self):
        assert cursors.read(cursors.sign(b'["2026-01-01T00:00:00Z", 5]', "list"), "list") == ["2026-01-01T00:00:00Z", 5]

    def test_is_refused_in_another_context(self):
        with pytest.raises(InvalidCursor):
            cursors.read(cursors.sign(b"[1]", "one list"), "another")

    def test_is_refused_under_another_key(self):
        with pytest.raises(InvalidCursor):
            Cursors([b"another"]).read(cursors.sign(b"[1]", "list"), "list")

    @given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
    def test_that_was_made_up_is_refused(self, made_up):
        with pytest.raises(InvalidCursor):
            cursors.read(made_up, "list")

    @given(st.integers(0, 40), st.integers(1, 255))
    def test_that_was_changed_in_one_byte_is_refused(self, place, change):
        whole = bytearray(base64.urlsafe_b64decode(cursors.sign(b'["2026-01-01", 123456]', "list") + "=="))
        whole[place % len(whole)] ^= change
        with pytest.raises(InvalidCursor):
            cursors.read(base64.urlsafe_b64encode(bytes(whole)).decode(), "list")
