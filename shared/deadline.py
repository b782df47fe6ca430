"""A deadline that is moved far more often than it is reached."""

import asyncio
from collections.abc import Callable

_EARLY = 0.002
"""Seconds by which a timer may ring early: the loop's clock may be that coarse."""


class Deadline:
    """Calls a function when its time has come. To move it is cheap: the timer stays, and looks when it rings."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop = loop
        self._call = call
        self._due: float | None = None
        self._rings = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Set it to so many seconds from now."""
        self._due = self._loop.time() + seconds
        if self._timer is None or self._rings > self._due:
            self._arm(self._due)

    def extend(self, seconds: float, most: float) -> None:
        """Move it by `seconds`, to at most `most` seconds from now. A cleared deadline stays cleared."""
        if self._due is not None:
            self._due = max(self._due, min(self._due + seconds, self._loop.time() + most))

    def clear(self) -> None:
        """Clear it, until it is set again."""
        self._due = None

    def cancel(self) -> None:
        """Clear it, and cancel the timer."""
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
