"""Sealing: secrets that have to be read again are encrypted at rest, each for the account that it belongs to."""

import hashlib
import logging
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.keys import Keys

log = logging.getLogger("trellis")

NAME_BYTES = 4
"""Of a key's digest."""
_NONCE = 12
"""Bytes. NIST SP 800-38D §8.2.2: chosen at random, they are good for 2**32 secrets under a key."""
_HEAD = NAME_BYTES + _NONCE


class Sealing:
    """AES-256-GCM (NIST SP 800-38D). What is sealed begins with the name of its key."""

    def __init__(self, keys: Keys) -> None:
        """The first key seals; all of them open, so that a key can be replaced. 32 bytes each."""
        self._keys = {hashlib.sha256(key).digest()[:NAME_BYTES]: AESGCM(key) for key in keys}
        self._present, *self.former = self._keys
        """Names of keys, with which begins what they have sealed."""

    def seal(self, secret: bytes, owner: UUID) -> bytes:
        """The secret, which only the owner's row can be read with: moved to another account, it opens nothing."""
        nonce = os.urandom(_NONCE)
        return self._present + nonce + self._keys[self._present].encrypt(nonce, secret, owner.bytes)

    def opened(self, sealed: bytes, owner: UUID) -> bytes | None:
        """The secret; None when no key opens it, which is an operator's fault and told in the log."""
        name, nonce, rest = sealed[:NAME_BYTES], sealed[NAME_BYTES:_HEAD], sealed[_HEAD:]
        try:
            return self._keys[name].decrypt(nonce, rest, owner.bytes)
        except (KeyError, InvalidTag):
            log.error(
                "The secret of a second factor cannot be read: TRELLIS_SECRET is not what it was. Set the former one "
                "as TRELLIS_SECRET_PREVIOUS."
            )
            return None
