"""A deadline that is moved many times for each time that it is met."""

import asyncio
from collections.abc import Callable

_EARLY = 0.002
"""Seconds: a loop's clock may be this coarse."""


class Deadline:
    """Calls once its time has come. To move it is an assignment: the timer stays, and looks again when it rings."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._due: float | None = None
        self._rings = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """From now."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._rings > self._due:
            self._arm(self._due)

    def extend(self, seconds: float, most: float) -> None:
        """By so much, to at most that much from now. Where there is none, there will be none."""
        if self._due is not None:
            self._due = max(self._due, min(self._due + seconds, self._loop.time() + most))

    def clear(self) -> None:
        """Have none, until another is set."""
        self._due = None

    def cancel(self) -> None:
        """Have none, and let the loop forget it."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = due
        self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due - self._loop.time() > _EARLY:
            self._arm(self._due)
        else:
            self._due = None
            self._call()
