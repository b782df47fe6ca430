"""Connections to PostgreSQL that end or stand still under a real server, which answers all the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.servers import ROOT, serving
from tests.sockets import connected

ANN = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


@pytest.fixture
def sql(url):
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection.execute


def serving_one_connection_a_lane(folder: Path, url: str, statement_seconds: float):
    return serving(folder, DATABASE_URL=url, TRELLIS_POOL_SIZE="1", TRELLIS_STATEMENT_SECONDS=str(statement_seconds))


@contextmanager
def signed_in(server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{server.url}/api/v1", timeout=PATIENCE) as http:
        eventually(lambda: http.post("/users", json=ANN).status_code in {201, 409})
        body = {"email": ANN["email"], "password": ANN["password"]}
        token = eventually(lambda: http.post("/auth/sessions", json=body).json().get("access_token"))
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


NDJSON = {"Content-Type": "application/x-ndjson"}
READ = ("GET", "/users/me", None)
WRITE = ("PATCH", "/users/me", {"full_name": "Ann"})


def ask(http: httpx2.Client, request) -> httpx2.Response:
    method, path, body = request
    return http.request(method, path, json=body)


def backend_of(sql, http, request):
    """The process of PostgreSQL that answers such a request: of those there are, the one that was last at work."""
    eventually(lambda: ask(http, request).is_success)
    ours = "FROM pg_stat_activity WHERE application_name = 'trellis' AND datname = current_database()"
    if request is READ:  # The read lane keeps its plans.
        ours += " AND query NOT ILIKE 'COMMIT%' AND query NOT ILIKE 'ROLLBACK%'"
    else:
        ours += " AND query ILIKE 'COMMIT%'"
    (pid,) = sql(f"SELECT pid {ours} ORDER BY state_change DESC LIMIT 1").fetchone()
    return pid


def has_unread(pid: int) -> bool:
    """Whether something lies in the process's sockets that it has not read."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
        except FileNotFoundError:
            continue
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return any(line[9] in inodes and int(line[4].partition(":")[2], 16) for line in lines)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="reads /proc")
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
class TestABackend:
    def test_that_ends_while_the_server_looks_away_leaves_no_request_waiting(self, url, sql, tmp_path, request_):
        """Its last words and the reset of the connection arrive in one event, and the deadline is far away."""
        with serving_one_connection_a_lane(tmp_path, url, 1000) as server, signed_in(server) as http:
            backend = backend_of(sql, http, request_)
            with ThreadPoolExecutor(1) as threads:
                try:
                    os.kill(backend, signal.SIGSTOP)
                    waiting = threads.submit(ask, http, request_)
                    eventually(lambda: has_unread(backend))
                    os.kill(server.process.pid, signal.SIGSTOP)
                    os.kill(backend, signal.SIGTERM)
                finally:
                    os.kill(backend, signal.SIGCONT)
                eventually(lambda: is_gone(backend))
                os.kill(server.process.pid, signal.SIGCONT)
                assert waiting.result(PATIENCE).status_code in {200, 503}
            for _ in range(3):
                assert ask(http, request_).status_code == 200
            assert server.get("/health/ready").status_code == 200

    @pytest.mark.needs("tags")
    def test_that_stands_still_is_given_up_at_the_deadline(self, url, sql, tmp_path, request_):
        with serving_one_connection_a_lane(tmp_path, url, 1) as server, signed_in(server) as http:
            backend = backend_of(sql, http, request_)
            os.kill(backend, signal.SIGSTOP)
            try:
                given_up = ask(http, request_)
                assert (given_up.status_code, given_up.json()["code"]) == (503, "unavailable")
                assert given_up.headers["Retry-After"]
                eventually(lambda: ask(http, READ).status_code == 200)
                eventually(lambda: ask(http, ("POST", "/tags", {"name": f"{backend}"})).status_code in {201, 409})
            finally:
                os.kill(backend, signal.SIGCONT)


LINES = b'{"name": "Move", "description": "%b"}\n' % (b"x" * 10_000) * 3000
END_THE_EXPORT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state = 'idle in transaction' AND application_name = 'trellis' AND datname = current_database()
"""


@pytest.mark.needs("projects")
class TestAnExport:
    def test_that_breaks_off_has_no_end_and_leaves_a_line_in_the_log(self, url, sql, tmp_path):
        """It is far larger than what the sockets hold, so that it waits for its reader when the backend ends."""
        with serving_one_connection_a_lane(tmp_path, url, PATIENCE) as server, signed_in(server) as http:
            assert http.post("/projects/import", content=LINES, headers=NDJSON).json()["imported"] == 3000
            with http.stream("GET", "/projects/export", headers={"X-Request-ID": "broken-off"}) as export:
                assert export.status_code == 200
                sql(END_THE_EXPORT)
                with pytest.raises(httpx2.RemoteProtocolError):
                    export.read()
            assert ask(http, READ).status_code == 200
            eventually(lambda: '"message":"GET /api/v1/users/me' in server.output())
            (line,) = [line for line in server.output().splitlines() if '"The answer broke off: ' in line]
            assert '"request_id":"broken-off"' in line
            assert "Traceback" not in server.output()

    def test_for_http_1_0_has_no_chunks_and_is_reset_when_it_breaks_off(self, url, sql, tmp_path):
        with serving_one_connection_a_lane(tmp_path, url, PATIENCE) as server, signed_in(server) as http:
            who = f"Authorization: {http.headers['Authorization']}"
            asked = f"GET /api/v1/projects/export HTTP/1.0\r\n{who}\r\n\r\n".encode()
            http.post("/projects/import", content=b'{"name": "Move"}\n{"name": "Paint"}\n', headers=NDJSON)
            with connected(server, asked) as connection:
                head, _, body = connection.read_all().partition(b"\r\n\r\n")
                assert b"chunked" not in head
                assert body == http.get("/projects/export").content
            http.post("/projects/import", content=LINES, headers=NDJSON)
            with connected(server, asked) as connection:
                assert connection.socket.recv(12) == b"HTTP/1.1 200"
                sql(END_THE_EXPORT)
                with pytest.raises(ConnectionResetError):
                    connection.read_all()


class TestAStormOfTerminations:
    def test_leaves_no_request_without_an_answer_and_no_place_taken(self):
        """For a short while; `make terminations` runs a long one."""
        command = [sys.executable, "-m", "tests.server.terminations", "--count", "60"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "60 backends ended" in done.stdout
