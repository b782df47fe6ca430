"""The metrics of a process, in the form of Prometheus's client library. They are collected when somebody asks.

Names are OpenTelemetry's where it has stable ones. Each label has a bounded number of values.
"""

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from app.observing.database import GAUGES, DatabaseGauges
from app.observing.loop import LAGS, Pauses
from shared.http.edge import POLICIES
from shared.http.server import Gate
from shared.observing import BOUNDS, Tallies, Watch
from shared.wire import Database, Lane

REQUEST = ("http_request_method", "http_route", "http_response_status_code")
JOB = ("job_name", "outcome")
"""A label `job` would be Prometheus's own: the name of what is scraped."""
ALERTING = ("-", "40P01", "53100", "53200", "53300", "55P03", "57014")
"""SQLSTATEs that are there from the start, with 0: Prometheus sees no increase in a counter that begins with 1."""


class Metrics(Collector):
    """Of one process. It is read by the thread of whoever asks."""

    def __init__(
        self, watch: Watch, database: Database, gate: Gate | None, pauses: Pauses, gauges: DatabaseGauges
    ) -> None:
        """A process that serves has a gate, and others do not: so an alert knows that none serves."""
        self._watch = watch
        self._gate = gate
        self._lanes = {"write": database.write_lane, "read": database.read_lane}
        self._pauses = pauses
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("trellis_build", "What runs.", _build())
        requests, jobs = self._watch.requests, self._watch.jobs
        if requests is not None and jobs is not None:
            yield GaugeMetricFamily("http_server_active_requests", "Requests under way.", self._watch.active)
            yield _durations("http_server_request_duration_seconds", "Of requests.", REQUEST, requests)
            yield from _costs("trellis_request", REQUEST, requests)
            yield _durations("trellis_job_duration_seconds", "Of the attempts to do jobs.", JOB, jobs)
            yield from _costs("trellis_job", JOB, jobs)
            yield _refusals(requests, jobs)
        if self._gate is not None:
            yield from _gate(self._gate)
        yield _limited(self._watch.limited)
        yield from _pools(self._lanes)
        yield from _of_the_process(self._pauses)
        yield from self._of_the_database()

    def _of_the_database(self) -> Iterable[Metric]:
        found = self._gauges.read()
        yield GaugeMetricFamily("trellis_database_up", "Whether the database answers.", found is not None)
        for gauge in GAUGES:
            family = GaugeMetricFamily(gauge.name, gauge.about, labels=[gauge.label] if gauge.label else [])
            for label, value in (found or {}).get(gauge.name, ()):
                family.add_metric([label] if gauge.label else [], value)
            yield family


def _build() -> dict[str, str]:
    return {"version": importlib.metadata.version("trellis"), "python": platform.python_version()}


def _durations(name: str, about: str, labels: Sequence[str], tallies: Tallies) -> Metric:
    family = HistogramMetricFamily(name, about, labels=labels)
    for key, tally in tallies.all():
        family.add_metric(key, _cumulative(BOUNDS, tally.buckets), tally.seconds)
    return family


def _cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    return list(zip((*map(str, bounds), "+Inf"), accumulate(counts), strict=True))


def _costs(prefix: str, labels: Sequence[str], tallies: Tallies) -> Iterable[Metric]:
    """What the activities cost beside their time."""
    statements = CounterMetricFamily(f"{prefix}_statements", "Sent to the database.", labels=labels)
    spent = CounterMetricFamily(f"{prefix}_statement_seconds", "In which the database was waited for.", labels=labels)
    waited = CounterMetricFamily(f"{prefix}_wait_seconds", "In which a connection was waited for.", labels=labels)
    retries = CounterMetricFamily(f"{prefix}_retries", "Units of work that were run again.", labels=labels)
    slow = CounterMetricFamily(f"{prefix}_slow_statements", "Those that the log tells of.", labels=labels)
    for key, tally in tallies.all():
        statements.add_metric(key, tally.statements)
        spent.add_metric(key, tally.statement_seconds)
        waited.add_metric(key, tally.wait_seconds)
        retries.add_metric(key, tally.retries)
        slow.add_metric(key, tally.slow)
    return statements, spent, waited, retries, slow


def _refusals(*tallies: Tallies) -> Metric:
    about = "Statements that the database refused, by SQLSTATE; - where it could not be reached."
    family = CounterMetricFamily("trellis_database_refusals", about, labels=["sqlstate"])
    found = dict.fromkeys(ALERTING, 0)
    for state, count in (one for each in tallies for one in each.refusals()):
        found[state] = found.get(state, 0) + count
    for state, count in found.items():
        family.add_metric([state], count)
    return family


def _gate(gate: Gate) -> Iterable[Metric]:
    yield GaugeMetricFamily("trellis_gate_limit", "Requests that may be at work just now.", gate.limit)
    yield GaugeMetricFamily("trellis_gate_at_work", "Requests at work.", gate.at_work)
    yield GaugeMetricFamily("trellis_gate_waiting", "Requests that wait to get to work.", len(gate.queue))
    yield CounterMetricFamily("trellis_gate_refused", "Requests that were refused, past the application.", gate.refused)


def _limited(counts: Mapping[str, int]) -> Metric:
    about = "Requests that were refused, as their clients had asked too much, by policy."
    family = CounterMetricFamily("trellis_requests_limited", about, labels=["policy"])
    for policy in POLICIES:
        family.add_metric([policy], counts.get(policy, 0))
    return family


def _pools(lanes: dict[str, Lane]) -> Iterable[Metric]:
    size = GaugeMetricFamily("trellis_pool_size", "Connections that the lane may have.", labels=["lane"])
    in_use = GaugeMetricFamily("trellis_pool_in_use", "Connections that are taken.", labels=["lane"])
    waiting = GaugeMetricFamily("trellis_pool_waiting", "Who waits for a connection.", labels=["lane"])
    waits = SummaryMetricFamily("trellis_pool_wait_seconds", "Waits for a connection that ended.", labels=["lane"])
    refused = CounterMetricFamily("trellis_pool_refused", "Waits that were in vain.", labels=["lane"])
    for name, lane in lanes.items():
        size.add_metric([name], lane.size)
        in_use.add_metric([name], lane.in_use)
        waiting.add_metric([name], lane.waiting)
        waits.add_metric([name], lane.waits, lane.waited_seconds)
        refused.add_metric([name], lane.refused)
    return size, in_use, waiting, waits, refused


def _of_the_process(pauses: Pauses) -> Iterable[Metric]:
    lag = HistogramMetricFamily("trellis_event_loop_lag_seconds", "By which a tick of the event loop came late.")
    lag.add_metric([], _cumulative(LAGS, pauses.lags), pauses.lag_seconds)
    yield lag
    about = "For how long the event loop has been overdue now."
    yield GaugeMetricFamily("trellis_event_loop_stalled_seconds", about, pauses.stalled_seconds)
    collecting = CounterMetricFamily("trellis_gc_seconds", "Spent collecting garbage.", labels=["generation"])
    for generation, seconds in enumerate(pauses.collection_seconds):
        collecting.add_metric([str(generation)], seconds)
    yield collecting
