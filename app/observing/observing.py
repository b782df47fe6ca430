"""Has a process observed while it runs: `trellis serve` and `trellis worker` do so."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from errno import EADDRINUSE
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, start_http_server

from app.container import Application
from app.observing.database import DatabaseGauges
from app.observing.loop import Pauses
from app.observing.metrics import Metrics
from shared.observing import Tallies, Watch

MOST_PROCESSES = 64
"""On one machine with the same settings: the ports that are tried."""

LAST_SPANS_SECONDS = 3.0
"""At the end, for a collector to take the last spans. An orchestrator's grace has no room for one that hangs."""

EXPORTERS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

log = logging.getLogger("trellis")


@asynccontextmanager
async def observed(application: Application, *, serves: bool) -> AsyncIterator[None]:
    """Serves metrics while the block runs, if a port is set, and sends traces, if an exporter is. `serves` says whether
    the process answers requests. Raises OSError when there is no port.
    """
    async with _metered(application, serves=serves), _traced(application.kernel.watch()):
        yield


@asynccontextmanager
async def _metered(application: Application, *, serves: bool) -> AsyncIterator[None]:
    settings, watch = application.kernel.settings(), application.kernel.watch()
    if settings.metrics_port is None:
        yield
        return
    watch.requests, watch.jobs = Tallies(), Tallies()
    pauses = Pauses()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    database, gate = application.kernel.database(), application.http.gate() if serves else None
    registry.register(Metrics(watch, database, gate, pauses, DatabaseGauges(settings)))
    with _served(registry, settings.metrics_host, settings.metrics_port):
        async with pauses.measured():
            yield


@asynccontextmanager
async def _traced(watch: Watch) -> AsyncIterator[None]:
    if not any(os.environ.get(name) for name in EXPORTERS) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield
        return
    try:
        from app.observing.traces import Spans, exporting_provider  # noqa: PLC0415 (an extra, and dear)
    except ImportError:
        log.warning("There are no traces, though an exporter is set: pip install 'trellis[otel]' brings what it needs.")
        yield
        return
    provider = exporting_provider()
    watch.tracer = Spans(provider)
    try:
        yield
    finally:
        sending = Thread(target=provider.shutdown, name="last spans", daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, LAST_SPANS_SECONDS)


@contextmanager
def _served(registry: CollectorRegistry, host: str, port: int) -> Iterator[None]:
    """From a thread, which answers even while the event loop hangs."""
    server, thread = _started(registry, host, port)
    log.info("Metrics on http://%s:%d/metrics", f"[{host}]" if ":" in host else host, server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _started(registry: CollectorRegistry, host: str, port: int) -> tuple[WSGIServer, Thread]:
    """On the next port that no other process has."""
    for candidate in range(port, min(port + MOST_PROCESSES, 1 << 16)):
        try:
            return start_http_server(candidate, host, registry)
        except OSError as error:
            if error.errno != EADDRINUSE:
                raise
    raise OSError(EADDRINUSE, f"Cannot serve metrics on {host}: {MOST_PROCESSES} ports from {port} on are taken")
