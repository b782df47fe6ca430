"""Password hashing with argon2id (RFC 9106), in separate threads."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from shared.errors import Unavailable
from shared.values import composed

T = TypeVar("T")

THREADS = 2
QUEUE = 32
"""Hashes that wait or run at once. Beyond that, sign-ins are refused, so that a flood does not stall other requests."""
CROWD = QUEUE // 2
"""So many sign-ins at once make a crowd: the rest of the room is for those who are known."""
NICENESS = 19
"""Of these threads: on a busy processor, requests go first. A hash takes 45 ms anyway."""


class TooManySignIns(Unavailable):
    """Too many passwords are being checked just now. Try again shortly."""


class _Cost(NamedTuple):
    """The parameters of an argon2 hash. Its time grows with their product."""

    memory_kib: int
    iterations: int

    @property
    def work(self) -> int:
        """KiB written, over all passes."""
        return self.memory_kib * self.iterations

    def spending(self, work: int) -> "_Cost":
        """The parameters for about this much work, with about the same memory."""
        iterations = max(1, round(work / self.memory_kib))
        return _Cost(max(8, round(work / iterations)), iterations)


_FREE = _Cost(0, 0)


class Passwords:
    """Hashes and checks passwords without blocking the event loop."""

    def __init__(self, memory_kib: int, iterations: int) -> None:
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(THREADS, "passwords", _give_way)
        self._under_way = 0
        self._signing_in = 0
        self._costliest = _Cost(memory_kib, iterations)

    async def hash(self, password: str) -> str:
        """The encoded hash of the password in NFC, salt and parameters included."""
        return await self._run(self._hasher.hash, composed(password))

    async def matches(self, password: str, encoded: str | None) -> bool:
        """Whether the password is the hashed one; `encoded` is None if there is no such account.

        It always takes as long as the most expensive hash so far, so its time tells neither how a password is hashed
        nor whether there is an account. A password that is not in NFC takes twice that: older hashes are of passwords
        as they were sent.
        """
        found = [await self._run(self._verify, form, encoded or "") for form in {composed(password), password}]
        return any(found)

    async def is_outdated(self, encoded: str, password: str) -> bool:
        """Whether the hash of this password was made with other parameters than today's, or not of its NFC."""
        if self._hasher.check_needs_rehash(encoded):
            return True
        in_nfc = composed(password)
        return in_nfc != password and not await self._run(self._verify, in_nfc, encoded)

    @property
    def is_crowded(self) -> bool:
        """Whether there is room for those alone who signed in before: a flood of strangers neither keeps them out, nor
        is at all that a server works on.
        """
        return self._signing_in >= CROWD

    @contextmanager
    def sign_in(self) -> Iterator[None]:
        """Somebody signs in, from before their password is looked at until after."""
        self._signing_in += 1
        try:
            yield
        finally:
            self._signing_in -= 1

    def demand_room(self) -> None:
        """Raises TooManySignIns if no other password can be checked now. Call it before any statement."""
        if self._under_way >= QUEUE:
            raise TooManySignIns

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown()

    def _verify(self, password: str, encoded: str) -> bool:
        cost = _cost_of(encoded)
        self._costliest = max(self._costliest, cost, key=lambda known: known.work)
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            self._spend(self._costliest.work - cost.work)

    def _spend(self, work: int) -> None:
        """Hash, only to take time."""
        if work > 0:
            memory_kib, iterations = self._costliest.spending(work)
            hash_secret_raw(b"", bytes(16), iterations, memory_kib, parallelism=1, hash_len=32, type=Type.ID)

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        self.demand_room()
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._under_way -= 1


def _cost_of(encoded: str) -> _Cost:
    try:
        found = extract_parameters(encoded)
    except InvalidHashError:
        return _FREE
    return _Cost(found.memory_cost, found.time_cost)


def _give_way() -> None:
    if sys.platform == "linux":  # Only there niceness belongs to a thread.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
