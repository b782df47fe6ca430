"""How a server stops: it tells the proxy, serves what still comes, finishes what it has begun, and exits with 0."""

import json
import signal
import socket
from contextlib import contextmanager, suppress

import psycopg
import pytest

from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.server.test_protocol import JSON, is_problem
from tests.servers import await_lock, serving
from tests.sockets import connected, request

LIVE = request("GET /health/live")
ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
LONG = "3600"


@pytest.fixture(scope="module")
def database():
    with clone() as url:
        yield url


@pytest.fixture
def blocked(database):
    """Whoever asks for an account waits."""
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE users")
        yield blocker


@contextmanager
def draining(folder, database, *kept, **settings):
    """A server that has got SIGTERM, and connections to it that sent this before."""
    settings = {"DATABASE_URL": database, "TRELLIS_DRAIN_SECONDS": LONG, **settings}
    with serving(folder, **settings) as server, connected(server, *kept) as connection:
        if kept == (LIVE,):
            assert "connection" not in connection.answer().headers
        elif kept[0].endswith(b"}"):
            await_lock(database)
        server.process.terminate()
        eventually(lambda: server.get("/health/ready").status_code == 503)
        yield server, connection


class TestADrain:
    def test_is_told_to_the_proxy_and_to_those_who_stay_and_serves_both(self, tmp_path, database):
        with draining(tmp_path, database, LIVE) as (server, kept):
            refused = server.get("/health/ready")
            assert (refused.json()["code"], refused.json()["detail"]) == ("unavailable", "The server is about to stop.")
            kept.send(LIVE)
            for _ in range(3):
                assert server.post("/api/v1/users", json=ACCOUNT).status_code in {201, 409}
                assert server.get("/health/live").headers["Connection"] == "close"
            answer = kept.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert kept.is_closed()
            assert server.process.poll() is None
            assert server.stop() == 0

    def test_ends_by_itself(self, tmp_path, database):
        with serving(tmp_path, DATABASE_URL=database, TRELLIS_DRAIN_SECONDS="0.2") as server:
            assert server.stop() == 0
            assert "New connections are taken for 0.2 s." in server.output()

    @pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
    def test_that_ends_closes_the_listener_and_idle_connections_and_finishes_what_has_begun(
        self, tmp_path, database, blocked, again
    ):
        account = json.dumps(ACCOUNT | {"email": f"{again.name}@example.com"}).encode()
        asked = request("POST /api/v1/users", JSON, body=account)
        with draining(tmp_path, database, asked) as (server, busy), connected(server, LIVE) as idle:
            assert idle.answer().status == 200
            server.process.send_signal(again)
            eventually(lambda: refuses(server))
            assert idle.is_closed()
            assert server.process.poll() is None
            blocked.rollback()
            answer = busy.answer()
            assert (answer.status, answer.headers["connection"]) == (201, "close")
            assert server.process.wait(PATIENCE) == 0
            assert "Traceback" not in server.output()

    def test_waits_no_longer_than_a_moment_for_half_a_body(self, tmp_path, database):
        half = request("POST /api/v1/users", "Content-Length: 9", JSON) + b"{"
        settings = {"TRELLIS_SHUTDOWN_SECONDS": "9999", "TRELLIS_BODY_SECONDS": "9999"}
        with draining(tmp_path, database, half, **settings) as (server, stalled):
            assert server.stop() == 0
            is_problem(stalled.answer(), 503, "unavailable")


def refuses(server):
    """Whether nobody listens any more."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    with suppress(ConnectionRefusedError), socket.create_connection((host, int(port)), PATIENCE):
        return False
    return True
