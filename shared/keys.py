"""Keys: the one secret gives each purpose a key of its own, so that a signature for one is invalid for all others."""

import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

Keys = Sequence[bytes]
"""The key for what is new; then those by which what is old is still good. At least one."""

_SIZE = hashlib.sha256().digest_size


@lru_cache(maxsize=64)  # Services, which are made for each request, ask for theirs.
def derived(secret: bytes, info: bytes, *, salt: bytes = b"", length: int = _SIZE) -> bytes:
    """HKDF with SHA-256 (RFC 5869): `length` bytes, at most 8,160, that tell nothing of the secret or of other keys."""
    pseudorandom = hmac.digest(salt or bytes(_SIZE), secret, "sha256")
    key = block = b""
    for number in range(1, -(-length // _SIZE) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([number]), "sha256")
        key += block
    return key[:length]


def is_strong(secret: str) -> bool:
    """RFC 7518 §3.2 wants a key at least as long as the hash; one repeated word of that length is too weak."""
    return len(secret) >= 32 and len(set(secret)) >= 10


def kept_secret(file: Path) -> str:
    """The secret in a file, made if there is none; the same for all processes that start at once. Raises OSError and
    UnicodeError.
    """
    if not file.exists():
        _make_secret(file)
    return file.read_text()


def _make_secret(file: Path) -> None:
    """Other processes see the whole file or none, even after a power cut. No hard links: some mounts lack them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return
        draft = file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with open(draft, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
            new.write(secrets.token_urlsafe(48))
            new.flush()
            os.fsync(new.fileno())
        draft.replace(file)
