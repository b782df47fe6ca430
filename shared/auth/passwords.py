"""Password hashing: argon2id (RFC 9106), in threads of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from shared.errors import Unavailable

T = TypeVar("T")

THREADS = 2
QUEUE = 32
"""Hashes that wait or run at once. A flood of sign-ins is turned away here and does not stall other requests."""


class TooManySignIns(Unavailable):
    """Too many passwords are being checked just now. Try again shortly."""


class Passwords:
    """Hashes and checks passwords without blocking the event loop."""

    def __init__(self, memory_kib: int, iterations: int) -> None:
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(THREADS, "passwords")
        self._under_way = 0
        self._nobodys = self._hasher.hash("the password of an account that is not there")

    async def hash(self, password: str) -> str:
        """The encoded hash, salt and parameters included."""
        return await self._run(self._hasher.hash, password)

    async def matches(self, password: str, encoded: str | None) -> bool:
        """Whether the password is the hashed one. With None, for no such account, it takes as long and says no."""
        return await self._run(self._verify, password, encoded or self._nobodys) and encoded is not None

    def is_outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()

    def _verify(self, password: str, encoded: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._under_way >= QUEUE:
            raise TooManySignIns
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._under_way -= 1
