"""Keys: the one secret gives each purpose a key of its own, so that a signature for one is invalid for all others."""

import hashlib
import hmac

_SIZE = hashlib.sha256().digest_size


def derived(secret: bytes, info: bytes, *, salt: bytes = b"", length: int = _SIZE) -> bytes:
    """HKDF with SHA-256 (RFC 5869): `length` bytes, at most 8,160, that tell nothing of the secret or of other keys."""
    pseudorandom = hmac.digest(salt or bytes(_SIZE), secret, "sha256")
    key = block = b""
    for number in range(1, -(-length // _SIZE) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([number]), "sha256")
        key += block
    return key[:length]
