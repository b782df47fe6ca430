"""Keys: derived from the secret as RFC 5869 says, one for each purpose."""

import pytest

from shared.keys import derived

VECTORS = {
    "A.1": (b"\x0b" * 22, bytes(range(0xF0, 0xFA)), bytes(range(13)), 42),
    "A.2": (bytes(range(80)), bytes(range(0xB0, 0x100)), bytes(range(0x60, 0xB0)), 82),
    "A.3": (b"\x0b" * 22, b"", b"", 42),
}
EXPECTED = {
    "A.1": "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    "A.2": "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
    "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    "A.3": "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
}


class TestDerived:
    @pytest.mark.parametrize("vector", VECTORS)
    def test_is_what_the_rfc_says(self, vector):
        secret, info, salt, length = VECTORS[vector]
        assert derived(secret, info, salt=salt, length=length).hex() == EXPECTED[vector]

    def test_is_another_key_for_another_purpose(self):
        purposes = (b"", b"cursors", b"tokens", b"tokens ")
        assert len({derived(b"secret", purpose) for purpose in purposes}) == 4

    def test_is_another_key_from_another_secret(self):
        assert derived(b"secret", b"cursors") != derived(b"Secret", b"cursors")
