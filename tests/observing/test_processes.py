"""What operators see of `trellis serve` and `trellis worker`: their log on standard error, and their metrics."""

import json

import httpx2
import pytest

from tests.database import clone
from tests.jobs.workers import worker
from tests.observing.scraped import Scraped, port_in
from tests.patience import PATIENCE, eventually
from tests.servers import free_port, serving

CANARY = "canary-3f9d-correct-horse"
ACCOUNT = {"email": "ann@example.com", "password": CANARY, "full_name": "Ann"}


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory, url):
    environment = {"TRELLIS_METRICS_PORT": str(free_port()), "TRELLIS_SLOW_STATEMENT_SECONDS": "0.001"}
    with serving(tmp_path_factory.mktemp("seen"), DATABASE_URL=url, **environment) as server:
        yield server


@pytest.fixture(scope="module")
def token(server):
    """An account's, which made requests with secrets in all places."""
    assert server.post("/api/v1/users", json=ACCOUNT).status_code == 201
    body = {"email": ACCOUNT["email"], "password": CANARY}
    token = server.post(f"/api/v1/auth/sessions?password={CANARY}", json=body).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Cookie": CANARY}
    assert server.get("/api/v1/tags", params={"q": CANARY}, headers=headers).status_code == 200
    assert server.get("/api/v1/tags", headers={"Authorization": f"Bearer {CANARY}"}).status_code == 401
    wrong = {**body, "password": f"{CANARY}!"}
    assert server.post("/api/v1/auth/sessions", json=wrong).status_code == 401
    return token


def lines(server):
    return [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]


def scrape(log):
    return httpx2.get(f"http://127.0.0.1:{port_in(log)}/metrics", timeout=PATIENCE).text


class TestTheLog:
    def test_has_a_line_of_json_for_each_request_and_for_what_uvicorn_says(self, server, token):
        told = lines(server)
        assert "uvicorn.error" in {line["logger"] for line in told}
        of_tags = [line for line in told if line.get("route") == "/api/v1/tags" and line["logger"] == "trellis.access"]
        assert [line["status"] for line in of_tags] == [200, 401]
        assert of_tags[0]["path"] == "/api/v1/tags?REDACTED"
        assert of_tags[0]["statements"] >= 1

    def test_names_slow_statements_by_their_digests(self, server, token):
        """Of a thousandth of a second, there is one."""
        slow = [line for line in lines(server) if line["message"].startswith("Slow")]
        assert slow
        assert all({"statements", "seconds", "route"} <= line.keys() for line in slow)


class TestSecrets:
    def test_are_in_no_line_and_in_no_metric(self, server, token):
        """In a password, a token, a cookie, a query string."""
        seen = server.output() + scrape(server.output())
        assert "/api/v1/auth/sessions" in seen
        assert CANARY not in seen
        assert token not in seen
        assert ACCOUNT["email"] not in seen


class TestTheMetrics:
    def test_count_what_was_asked(self, server, token):
        told = Scraped.of(scrape(server.output()))
        labels = {"http_request_method": "GET", "http_route": "/api/v1/tags"}
        assert told.value("http_server_request_duration_seconds_count", **labels) == 2
        assert told.value("trellis_request_statements_total", http_response_status_code="200", **labels) >= 1
        assert told.value("trellis_build_info") == 1
        assert told.value("process_resident_memory_bytes") > 1 << 20
        assert told.value("trellis_event_loop_lag_seconds_count") > 0

    def test_are_not_served_where_the_api_is(self, server):
        assert server.get("/metrics").status_code == 404

    def test_of_a_worker_with_the_same_settings_are_on_the_next_port(self, server, url, tmp_path):
        port = str(port_in(server.output()))
        with worker(url, tmp_path / "worker.log", TRELLIS_METRICS_PORT=port) as other:
            eventually(lambda: "Metrics on" in other.output())
            assert port_in(other.output()) > int(port)

            def done():
                told = Scraped.of(scrape(other.output()))
                return told.value("trellis_job_duration_seconds_count", job_name="kernel.purge", outcome="done") == 1

            eventually(done)  # What is periodic and was missed is made up for.
