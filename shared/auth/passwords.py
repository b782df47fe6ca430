"""Password hashing with argon2id (RFC 9106), in separate threads."""

import asyncio
import base64
import os
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import thread_time
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
PIECE = 256
"""KiB: 0.1 ms."""
NICENESS = 19
"""Of these threads: on a busy processor, requests go first. A hash takes 45 ms anyway."""


class TooManySignIns(Unavailable):
    """Too many passwords are being checked just now. Try again shortly."""

    held_back = 0.5


class _Cost(NamedTuple):
    """The parameters of an argon2 hash. Its time grows with their product."""

    memory_kib: int
    iterations: int

    @property
    def work(self) -> int:
        """KiB written, over all passes."""
        return self.memory_kib * self.iterations


_FREE = _Cost(0, 0)


class Passwords:
    """Hashes and checks passwords without blocking the event loop."""

    def __init__(self, memory_kib: int, iterations: int) -> None:
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._threads = ThreadPoolExecutor(THREADS, "passwords", _give_way)
        self._under_way = 0
        self._signing_in = 0
        self._costliest = _Cost(memory_kib, iterations)
        self._took: deque[float] = deque(maxlen=100)
        """Seconds of a processor that the costliest hashes took lately."""

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
        if cost.work > self._costliest.work:
            self._costliest = cost
            self._took.clear()
        is_cheap = 0 < cost.work < self._costliest.work
        if is_cheap and not self._took:
            self._verify(password, "")  # To know how long that takes.
        begun = thread_time()
        try:
            return self._hasher.verify(encoded if cost.work else _of_nobody(self._costliest), password)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            if is_cheap:
                _spend_until(begun + random.choice(self._took))  # noqa: S311 (as others take now more, now less)
            else:
                self._took.append(thread_time() - begun)

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        self.demand_room()
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._under_way -= 1


def _of_nobody(cost: _Cost) -> str:
    """A hash of no password, which takes as long to compare as others."""
    salt, digest = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.iterations},p=1${salt}${digest}"


def _spend_until(end: float) -> None:
    """Hash in small pieces, only to take time of this thread's. The time of a hash does not follow from its parameters:
    of large memory, each KiB is slower.
    """
    while thread_time() < end:
        hash_secret_raw(b"", bytes(16), 1, PIECE, parallelism=1, hash_len=32, type=Type.ID)


def _cost_of(encoded: str) -> _Cost:
    try:
        found = extract_parameters(encoded)
    except InvalidHashError:
        return _FREE
    return _Cost(found.memory_cost, found.time_cost)


def _give_way() -> None:
    if sys.platform == "linux":  # Only there niceness belongs to a thread.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
