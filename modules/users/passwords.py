"""Which passwords may be chosen: none that is guessed first (NIST SP 800-63B §5.1.1.2, ASVS 6.2.4 and 6.2.11)."""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from importlib.resources import files

from modules.users.errors import WeakPassword
from shared.values import composed

DIGEST_BYTES = 4
"""Of a SHA-256. One of 43,000 passwords that are not common is refused all the same."""


class StrongPasswords:
    """Knows the most common passwords, by their digests: `python -m tests.passwords` makes the file."""

    def __init__(self) -> None:
        self._common = files("modules.users").joinpath("common_passwords.bin").read_bytes()  # check: at the start

    def demand(self, password: str, email: str, full_name: str, pointer: str = "/new_password") -> None:
        """Raises WeakPassword, which points at the field."""
        folded = password.casefold()
        if len(set(folded)) == 1:
            raise WeakPassword("This password is one character, over and over. Choose another.", pointer=pointer)
        if folded in _own_words(email, full_name):
            raise WeakPassword("This password is your e-mail address or your name. Choose another.", pointer=pointer)
        if self.is_common(password) or self.is_common(folded):
            raise WeakPassword("This password is one of the most common ones. Choose another.", pointer=pointer)

    def is_common(self, password: str) -> bool:
        """Whether it is among those that are tried first."""
        wanted = digest_of(password)
        place = bisect_left(range(len(self._common) // DIGEST_BYTES), wanted, key=self._digest)
        return self._digest(place) == wanted

    def _digest(self, place: int) -> bytes:
        return self._common[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]


def digest_of(password: str) -> bytes:
    """As it stands in the file."""
    return hashlib.sha256(composed(password).encode()).digest()[:DIGEST_BYTES]


def _own_words(email: str, full_name: str) -> Iterator[str]:
    """The address, what is before its @, and the name, as one might write them."""
    local, _, _ = email.partition("@")
    for word in (email, local, full_name, full_name.replace(" ", "")):
        yield composed(word).casefold()
