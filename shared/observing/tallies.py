"""Tallies: what activities of one kind have cost together. An exporter reads them when it is asked.

Prometheus's own counters take a lock and some microseconds for each of them at each request; this takes one in all.
"""

from bisect import bisect_left

from shared.observing.activity import Activity

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""In seconds: OpenTelemetry's for `http.server.request.duration`, and two more below, where most of ours are."""

Key = tuple[str, ...]


class Tally:
    """Of the activities with one key."""

    __slots__ = ("buckets", "retries", "seconds", "slow", "statement_seconds", "statements", "wait_seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        """How many took at most so long and longer than the bound before; the last one has no bound."""
        self.seconds = self.statement_seconds = self.wait_seconds = 0.0
        self.statements = self.retries = self.slow = 0


class Tallies:
    """By key. They are written by one thread, and may be read by another."""

    def __init__(self) -> None:
        self._of: dict[Key, Tally] = {}
        self._refusals: dict[str, int] = {}

    def add(self, key: Key, activity: Activity, seconds: float) -> None:
        """Count an activity that took so long. Its key is one of a bounded number."""
        tally = self._of.get(key)
        if tally is None:
            tally = self._of[key] = Tally()
        tally.buckets[bisect_left(BOUNDS, seconds)] += 1
        tally.seconds += seconds
        tally.statements += activity.statements
        tally.statement_seconds += activity.statement_seconds
        if activity.wait_seconds or activity.retries or activity.slow:
            tally.wait_seconds += activity.wait_seconds
            tally.retries += activity.retries
            tally.slow += activity.slow
        for state in activity.sqlstates:
            self._refusals[state] = self._refusals.get(state, 0) + 1

    def all(self) -> list[tuple[Key, Tally]]:
        """As they are now."""
        return list(self._of.items())

    def refusals(self) -> list[tuple[str, int]]:
        """How often the database refused a statement, by SQLSTATE."""
        return list(self._refusals.items())
