"""Traces: spans of requests and of their statements, sent to an exporter as the standard variables say."""

import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.observing import observing
from shared.observing import Activity, Watch
from tests.database import clone
from tests.patience import eventually
from tests.servers import serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARY = "canary-3f9d"


@contextmanager
def collecting():
    """An OTLP collector: its URL, and the bodies that it gets."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append((self.path, self.headers.get("Content-Encoding"), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def spans_in(bodies):
    found = []
    for path, encoding, body in bodies:
        assert (path, encoding) == ("/v1/traces", None)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found += [(span, resource.resource) for span in scope.spans]
    return found


def of(attributes):
    return {one.key: one.value.string_value or one.value.int_value for one in attributes}


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


class TestACollectorThatHangs:
    async def test_holds_no_end_up(self, monkeypatch):
        """It takes connections, and answers nothing. The exporter itself would wait for 10 s."""
        monkeypatch.setattr(observing, "LAST_SPANS_SECONDS", 0.1, raising=False)
        with socket.create_server(("127.0.0.1", 0)) as collector:
            port = collector.getsockname()[1]
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
            watch = Watch()
            async with observing._traced(watch):
                with watch.tracer.request(Activity(), "GET", {}):
                    pass
            assert "last spans" in {thread.name for thread in threading.enumerate()}  # Nobody has waited for its end.


class TestASpan:
    def test_of_a_request_goes_on_with_its_trace_and_has_its_statements(self, url, tmp_path):
        more = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_RESOURCE_ATTRIBUTES": "service.name=ours"}
        with (
            collecting() as (collector, bodies),
            serving(tmp_path, DATABASE_URL=url, OTEL_EXPORTER_OTLP_ENDPOINT=collector, **more) as server,
        ):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "abc-1"}
            account = {"email": "ann@example.com", "password": CANARY * 2, "full_name": "Ann"}
            created = server.post(f"/api/v1/users?{CANARY}={CANARY}", json=account, headers=headers)
            assert created.status_code == 201
            assert server.get(f"/{CANARY}", headers=headers).status_code == 404
            ours = eventually(lambda: traced(bodies, 3))
            # The line of the request, which is written after its answer, names its trace.
            eventually(lambda: re.search(rf'"trace_id": ?"{TRACE}"', server.output()))
            assert server.stop() == 0
        (request,) = [span for span, _ in ours if span.name == "POST /api/v1/users"]
        assert request.parent_span_id.hex() == PARENT
        told = of(request.attributes)
        assert (told["http.route"], told["http.response.status_code"]) == ("/api/v1/users", 201)
        assert told["trellis.request_id"] == "abc-1"
        statements = [span for span, _ in ours if span.name == "postgresql"]
        assert {span.parent_span_id for span in statements} == {request.span_id}
        assert all(request.start_time_unix_nano <= span.start_time_unix_nano for span in statements)
        assert "GET" in {span.name for span, _ in ours}, "A path that is no route's has no name of its own."
        assert {of(resource.attributes)["service.name"] for _, resource in ours} == {"ours"}
        assert CANARY.encode() not in b"".join(body for *_, body in bodies)


def traced(bodies, least):
    """The spans of the trace, once there are so many."""
    found = [(span, resource) for span, resource in spans_in(bodies) if span.trace_id.hex() == TRACE]
    return found if len(found) >= least and {"GET"} <= {span.name for span, _ in found} else None
