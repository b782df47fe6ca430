"""Turns: at most so many at once. Whoever comes later waits for a limited time, or is refused at once. And those of a
thread that computes for long, between which requests have theirs.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from uuid import UUID
from weakref import WeakValueDictionary

from shared.errors import DomainError

Refusal = Callable[[], DomainError]
"""Makes the error for whoever gets no turn."""
_USUAL = sys.getswitchinterval()


async def take_place(places: asyncio.Semaphore, longest_wait: float, refusal: Refusal) -> None:
    """Take one of the places. Raises the refusal when none came free within `longest_wait` seconds."""
    if not places.locked():
        await places.acquire()  # Without a deadline, which would cost more than the turn.
        return
    try:
        async with asyncio.timeout(longest_wait):
            await places.acquire()
    except TimeoutError:
        raise refusal() from None


@asynccontextmanager
async def turn(places: asyncio.Semaphore, longest_wait: float, refusal: Refusal) -> AsyncIterator[None]:
    """One of the places, until the block ends. Raises the refusal when none came free in time."""
    await take_place(places, longest_wait, refusal)
    try:
        yield
    finally:
        places.release()


class Turns:
    """At most `each` at once for an account, so that no account takes what the others need."""

    def __init__(self, each: int, longest_wait: float, refusal: Refusal) -> None:
        """`longest_wait` is in seconds; 0 refuses at once."""
        self._each = each
        self._longest_wait = longest_wait
        self._refusal = refusal
        self._places: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        """By account, as long as one has a turn or waits for one."""

    def of(self, account: UUID | None) -> AbstractAsyncContextManager[None]:
        """A turn of the account; without an account, no turn is needed. Raises the refusal."""
        if account is None:
            return nullcontext()
        places = self._places.setdefault(account, asyncio.Semaphore(self._each))
        return turn(places, self._longest_wait, self._refusal)


@contextmanager
def in_short_turns() -> Iterator[None]:
    """For what a thread computes for long: requests have the interpreter ten times sooner than Python gives it to them,
    and each asks for it several times.
    """
    sys.setswitchinterval(_USUAL / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL)
