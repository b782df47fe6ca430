"""The watch: what looks on at requests and jobs. Whoever starts a process says what of it is wanted."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from shared.observing.activity import Activity
from shared.observing.tallies import Tallies


class Tracer(Protocol):
    """Makes the spans of activities."""

    def request(self, activity: Activity, method: str, headers: Mapping[str, str]) -> AbstractContextManager[None]:
        """The span of a request, which goes on with the trace in its headers."""

    def job(self, activity: Activity, traceparent: str | None) -> AbstractContextManager[None]:
        """The span of a job, which goes on with the trace of its publisher."""


class Watch:
    """Of one application. What is None costs nothing."""

    def __init__(self) -> None:
        self.requests: Tallies | None = None
        """By method, route and status."""
        self.jobs: Tallies | None = None
        """By job and outcome."""
        self.tracer: Tracer | None = None
        self.limited: Counter[str] = Counter()
        """Requests that were refused as their clients had asked too much, by policy."""
        self.active = 0
        """Requests under way, where they are tallied."""
