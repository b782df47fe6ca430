"""The gate: a bounded number of requests at work, a short queue before them, and an eye on the event loop.

When PostgreSQL is slow, requests at work add up to the limit, and later ones wait. When the processor is, the turns of
the event loop grow long first. So the gate looks at both:

- A request that finds no place waits; the oldest goes first, and is refused when it has waited for `queue_seconds`.
  When nobody has found a place at once for that long, it is no burst, which would pass: more comes than can be served.
  Then a third of the time is left, and no more wait than may be at work; the oldest gives way, and the newest goes
  first. This is CoDel's idea: a queue that empties is good, one that stands helps nobody.
- A refusal takes time as well. Clients who ask again at once, whatever `Retry-After` says, would have the server do
  nothing else: so refusals have a budget, and who is beyond it waits. One that waits asks for nothing more.
- The loop is late when a timer rings late. When it has been late without a break for an interval, the limit of requests
  at work goes down; while it is not, the limit goes up again.
"""

import asyncio
from collections import OrderedDict
from contextvars import copy_context
from logging import getLogger
from time import monotonic
from typing import Protocol

from shared.settings import Settings

BEAT = 0.005
"""Seconds between two looks at the loop, while there is anything to look at."""
INTERVAL = 0.1
"""Seconds for which the loop has to be late: longer than a full collection of garbage takes, or than a container waits
for its quota of the processor.
"""
LATE = 0.012
"""Seconds by which a look is late when the processor is overloaded: a request sees a few turns of the loop."""
DOWN, UP = 0.7, 1.1
"""What the limit is multiplied by after an interval."""
FEW = 8
"""So many requests may always be at work: they cannot be what keeps the loop busy for long."""
STANDING = 1 / 3
"""The part of the patience that is left while there is a queue all the time."""
FREE, EARNED = 2000, 2
"""What the budget of refusals grows by: so many a second, which take a twentieth of a core's time; and so many for each
request that is served, which cost a third of what that does.
"""
SAVED = 400
"""Refusals that the budget holds at the most, for a burst."""
TELLING = 1.0
"""Seconds between two lines in the log about requests that were refused."""

log = getLogger("trellis")


class Knocking(Protocol):
    """A request that wants in."""

    def begin(self) -> None:
        """Go to work: it has a place, and leaves the gate when it gives that back."""

    def shed(self) -> None:
        """Be refused."""


class Refusals:
    """Requests that are to be refused, and the budget for that."""

    def __init__(self) -> None:
        self.budget = float(SAVED)
        self.waiting: OrderedDict[Knocking, None] = OrderedDict()
        """Those that wait for the budget."""
        self.is_shedding = False

    def add(self, request: Knocking) -> None:
        """Shed it, now or as soon as the budget allows."""
        self.waiting[request] = None
        if not self.is_shedding:
            self.shed()

    def shed(self) -> None:
        """As many as the budget allows."""
        self.is_shedding = True  # A connection may have the next request at hand, and so on.
        while self.waiting and self.budget >= 1:
            request, _ = self.waiting.popitem(last=False)
            self.budget -= 1
            request.shed()
        self.is_shedding = False

    def earn(self, number: float) -> None:
        """So many more are within the budget."""
        self.budget = min(SAVED, self.budget + number)


class Gate:
    """Belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_requests
        self._few = min(FEW, self._most)
        self._patience = settings.queue_seconds
        self.limit = float(self._most)
        """How many requests may be at work just now."""
        self.at_work = 0
        self.queue: OrderedDict[Knocking, float] = OrderedDict()
        """The requests that wait, with the times when they came."""
        self._refusals = Refusals()
        self.refused = 0
        """How many requests were refused since the start."""
        self._context = copy_context()
        """What a request that had to wait begins with, and not with what belongs to the one that makes room."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._beat_at = self._judged_at = self._in_time_at = self._open_at = self._told_at = 0.0
        self._told = 0
        self._was_open = True

    @property
    def is_open(self) -> bool:
        """Whether a request could go to work at once."""
        return self.at_work < self.limit and not self.queue

    def enter(self, request: Knocking) -> None:
        """Let it begin, now or later, or shed it later."""
        if self.at_work < self.limit and not self.queue:
            self.at_work += 1
            self._was_open = True
            request.begin()
        else:
            now = monotonic()
            if self._was_open:
                self._was_open, self._open_at = False, now
            self.queue[request] = now
            if self._stands(now) and not self._refusals.is_shedding:
                self._shorten()
        if self._timer is None and (self.at_work > self._few or self.queue):
            self._begin_beats()

    def count(self) -> None:
        """A request is at work that was let in before its body had come, without a place."""
        self.at_work += 1

    def leave(self) -> None:
        """A place is given back."""
        self.at_work -= 1
        self._refusals.earn(EARNED)
        if self._refusals.waiting:
            self._refusals.shed()
        if self.queue:
            self._let_in(monotonic())

    def forget(self, request: Knocking) -> None:
        """It waits no longer: its client went away."""
        self.queue.pop(request, None)
        self._refusals.waiting.pop(request, None)

    def refuse(self, request: Knocking) -> None:
        """Shed it, now or as soon as the budget allows."""
        self._refusals.add(request)
        if self._timer is None:
            self._begin_beats()

    def count_refused(self) -> None:
        """A request was refused, since there is more to do than can be done."""
        self.refused += 1
        if self._timer is None:
            self._begin_beats()

    def _stands(self, now: float) -> bool:
        """Whether there has been a queue for so long that it is no burst, which would pass."""
        return now - self._open_at > self._patience

    def _shorten(self) -> None:
        """Drop the oldest: no more wait than may be at work."""
        for _ in range(min(len(self.queue) - int(self.limit), int(self._refusals.budget))):
            self._drop(next(iter(self.queue)))

    def _drop(self, request: Knocking) -> None:
        del self.queue[request]
        self._refusals.waiting[request] = None
        self._refusals.shed()

    def _let_in(self, now: float) -> None:
        stands = self._stands(now)
        patience = self._patience * (STANDING if stands else 1)
        while self.queue:
            oldest = next(iter(self.queue))
            if now - self.queue[oldest] > patience and self._refusals.budget >= 1:
                self._drop(oldest)
            elif self.at_work < self.limit:
                request, _ = self.queue.popitem(last=stands)
                self.at_work += 1
                self._context.run(request.begin)
            else:
                return

    # The loop

    def _begin_beats(self) -> None:
        now = monotonic()
        if now - self._judged_at > TELLING:
            self.limit = float(self._most)  # Of what was long ago, nothing is known any more.
        self._refusals.budget = SAVED
        self._beat_at = self._in_time_at = self._judged_at = now
        self._arm(now)

    def _arm(self, now: float) -> None:
        self._due = now + BEAT
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def _beat(self) -> None:
        now = monotonic()
        self._refusals.earn(FREE * (now - self._beat_at))
        self._beat_at = now
        if now - self._due < LATE:
            self._in_time_at = now
        if now - self._judged_at >= INTERVAL:
            self._judge(now)
        if self.queue:
            self._let_in(now)
        if self._refusals.waiting:
            self._refusals.shed()
        if self.refused > self._told and now - self._told_at >= TELLING:
            log.warning(
                "Overloaded: %d requests were refused; %d are at work.", self.refused - self._told, self.at_work
            )
            self._told, self._told_at = self.refused, now
        if self.at_work > self._few or self.queue or self._refusals.waiting or self.refused > self._told:
            self._arm(now)
        else:
            self._timer = None

    def _judge(self, now: float) -> None:
        self._judged_at = now
        if now - self._in_time_at >= INTERVAL:
            self.limit = max(self._few, min(self.limit, self.at_work) * DOWN)
        else:
            self.limit = min(self._most, self.limit * UP)
