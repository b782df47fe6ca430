"""A job goes on with the trace of the request that published its event."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.observing.traces import Spans
from shared.observing import Watch
from tests.jobs.planted import LATER


@pytest.fixture
def spans(monkeypatch):
    """Those that have ended, of all applications."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(Watch, "tracer", property(lambda _: Spans(provider), lambda *_: None), raising=False)
    return exporter.get_finished_spans


async def test_a_job_is_in_the_trace_of_its_publisher(garden, spans):
    plant = await garden.grow()
    (request,) = [span for span in spans() if span.name == "POST /api/v1/garden/{plant_id}"]
    async with garden.working():
        await garden.until(lambda: len(garden.heard(plant)) == len(LATER) + 1)
        await garden.until(lambda: {span.name for span in spans()} >= set(LATER))
    jobs = [span for span in spans() if span.name in LATER]
    assert {span.context.trace_id for span in jobs} == {request.context.trace_id}
    assert {span.parent.span_id for span in jobs} == {request.context.span_id}


async def test_a_job_of_no_trace_has_none_in_the_queue(garden):
    await garden.grow()
    assert {at for (at,) in garden.sql("SELECT args ->> 'traceparent' FROM procrastinate_jobs")} == {None}
