"""Turns: so many at once, and who comes later waits, but not for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from uuid import UUID
from weakref import WeakValueDictionary

from shared.errors import DomainError


@asynccontextmanager
async def turn(places: asyncio.Semaphore, longest_wait: float, refusal: DomainError) -> AsyncIterator[None]:
    """One of the places. Raises the refusal when none came free within so many seconds."""
    try:
        async with asyncio.timeout(longest_wait):
            await places.acquire()
    except TimeoutError:
        raise refusal from None
    try:
        yield
    finally:
        places.release()


class Turns:
    """So many for each account: where its changes wait for one another, connections are left for those of others."""

    def __init__(self, each: int, longest_wait: float, refusal: type[DomainError]) -> None:
        """`longest_wait` in seconds; who waits longer is refused."""
        self._each = each
        self._longest_wait = longest_wait
        self._refusal = refusal
        self._places: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        """Of each account that has a turn or waits for one."""

    def of(self, account: UUID | None) -> AbstractAsyncContextManager[None]:
        """A turn of the account; who is nobody in particular needs none. Raises the refusal."""
        if account is None:
            return nullcontext()
        places = self._places.setdefault(account, asyncio.Semaphore(self._each))
        return turn(places, self._longest_wait, self._refusal())
