"""The event loop's lag, and the pauses of Python's garbage collector: both stop every request of the process."""

import asyncio
import gc
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import monotonic, perf_counter

INTERVAL_SECONDS = 0.1
LAGS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds in seconds. A timer may ring a millisecond or two late on a loop that has nothing to do."""


class Pauses:
    """Measured from the event loop's thread; another one may read."""

    def __init__(self) -> None:
        self.lags = [0] * (len(LAGS) + 1)
        """How many ticks came so late; the last bucket has no bound."""
        self.lag_seconds = 0.0
        self.collection_seconds = [0.0, 0.0, 0.0]
        """By the garbage collector's generation."""
        self._due = monotonic()
        self._collection_begun = 0.0

    @property
    def stalled_seconds(self) -> float:
        """For how long the loop has been overdue now. Without this, a loop that hangs would look well until it ends."""
        return max(0.0, monotonic() - self._due)

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """While the block runs."""
        ticking = asyncio.create_task(self._tick())
        gc.callbacks.append(self._collect)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collect)
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            self._due = monotonic() + INTERVAL_SECONDS
            await asyncio.sleep(INTERVAL_SECONDS)
            lag = self.stalled_seconds
            self.lags[bisect_left(LAGS, lag)] += 1
            self.lag_seconds += lag

    def _collect(self, phase: str, about: Mapping[str, int]) -> None:
        if phase == "start":
            self._collection_begun = perf_counter()
        else:
            self.collection_seconds[about["generation"]] += perf_counter() - self._collection_begun
