"""Traces by OpenTelemetry: a span for each request, each job, and each round trip to the database.

Imported only where an exporter is set. The SDK reads the standard variables (`OTEL_…`) by itself.

Not FastAPI's own spans: those would know neither what is refused before a route is found nor the statements, would take
every request by FastAPI's general way, and would tell the query string.
"""

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.observing import OTHER, Activity

_PROPAGATOR = TraceContextTextMapPropagator()
_VERSION = importlib.metadata.version("trellis")


def exporting_provider() -> TracerProvider:
    """Sends spans to the exporter of the environment, as the service `trellis` unless that names another."""
    ours = Resource({"service.name": "trellis", "service.version": _VERSION})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Spans:
    """A Tracer, as shared.observing has it. No attribute is what a client sent, but for the request's id."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("trellis", _VERSION)

    @contextmanager
    def request(self, activity: Activity, method: str, headers: Mapping[str, str]) -> Iterator[None]:
        attributes = {"http.request.method": method, "trellis.request_id": activity.id}
        with self._span(method, SpanKind.SERVER, headers, attributes) as span:
            activity.span = _ActivitySpan(self._tracer, span)
            try:
                yield
            finally:
                if activity.name != OTHER:
                    span.update_name(f"{method} {activity.name}")
                    span.set_attribute("http.route", activity.name)
                if activity.principal is not None:
                    span.set_attribute("user.id", str(activity.principal))
                span.set_attribute("http.response.status_code", activity.status)
                if activity.status >= 500:
                    span.set_status(StatusCode.ERROR)

    @contextmanager
    def job(self, activity: Activity, traceparent: str | None) -> Iterator[None]:
        attributes = {"trellis.job": activity.name, "trellis.request_id": activity.id}
        carrier = {} if traceparent is None else {"traceparent": traceparent}
        with self._span(activity.name, SpanKind.CONSUMER, carrier, attributes) as span:
            activity.span = _ActivitySpan(self._tracer, span)
            try:
                yield
            except BaseException:
                span.set_status(StatusCode.ERROR)
                raise

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, carrier: Mapping[str, str], attributes: Mapping[str, str]
    ) -> Iterator[trace.Span]:
        """The current span, in the trace of the carrier. What is raised may quote a secret, so it is not recorded."""
        with self._tracer.start_as_current_span(
            name,
            context=_PROPAGATOR.extract(carrier),
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span


class _ActivitySpan:
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        context = span.get_span_context()
        self.trace_id = trace.format_trace_id(context.trace_id)
        self.traceparent = f"00-{self.trace_id}-{trace.format_span_id(context.span_id)}-{context.trace_flags:02x}"

    def statements(self, digests: Sequence[str], seconds: float) -> None:
        if not self._span.is_recording():
            return
        end = time_ns()
        attributes = {"db.system.name": "postgresql", "db.query.summary": " ".join(digests)}
        context = trace.set_span_in_context(self._span)
        begun = end - int(seconds * 1e9)
        self._tracer.start_span("postgresql", context, SpanKind.CLIENT, attributes, start_time=begun).end(end)
