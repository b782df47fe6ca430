"""Turns: so many at once, and who comes later waits, but not for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
