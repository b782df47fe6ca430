"""Clients that stop in the midst of something: they hold nothing that others need, and not the end of the server."""

import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.server.test_drain import refuses
from tests.server.test_protocol import JSON, is_problem, memory
from tests.servers import await_lock, serving
from tests.sockets import connected, request

PASSWORD = "correct horse battery"
SETTINGS = {"TRELLIS_BODY_SECONDS": "2", "TRELLIS_ARGON2_MEMORY_KIB": "8", "TRELLIS_ARGON2_ITERATIONS": "1"}
NDJSON = "Content-Type: application/x-ndjson"


@pytest.fixture(scope="module")
def database():
    with clone() as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory, database):
    with serving(tmp_path_factory.mktemp("slow"), DATABASE_URL=database, **SETTINGS) as server:
        yield server


def sockets(server):
    """How many the server has open."""
    count = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It was closed meanwhile.
            count += str(link.readlink()).startswith("socket:")
    return count


def bearer(server, name):
    """The header field of a new account's."""
    account = {"email": f"{name}@example.com", "password": PASSWORD, "full_name": name}
    assert server.post("/api/v1/users", json=account).status_code == 201
    body = {"email": account["email"], "password": PASSWORD}
    return f"Bearer {server.post('/api/v1/auth/sessions', json=body).json()['access_token']}"


def upload(token, *fields):
    return request("POST /api/v1/projects/import", NDJSON, f"Authorization: {token}", *fields)


def imports(server, token):
    """The answer to an import of one line."""
    headers = {"Authorization": token, "Content-Type": "application/x-ndjson"}
    return server.post("/api/v1/projects/import", content=b'{"name": "a"}\n', headers=headers)


@pytest.mark.needs("projects")
class TestStalledUploads:
    def test_of_one_account_leave_those_of_others_alone_and_end(self, server):
        ann, bob = bearer(server, "ann"), bearer(server, "bob")
        half = upload(ann, "Content-Length: 1000") + b'{"name": "a"}\n'
        with ExitStack() as stack:
            connections = [stack.enter_context(connected(server, half)) for _ in range(6)]
            assert imports(server, bob).json()["imported"] == 1
            answers = [connection.answer() for connection in connections]
        assert sorted(answer.status for answer in answers) == [408] * 2 + [429] * 4
        for answer in answers:
            is_problem(answer, answer.status, "request_timeout" if answer.status == 408 else "too_many_requests")
        assert imports(server, ann).json()["imported"] == 1

    def test_of_clients_that_went_away_are_over(self, server):
        token = bearer(server, "cat")
        for _ in range(6):
            with connected(server, upload(token, "Transfer-Encoding: chunked"), b"5\r\n"):
                pass
        eventually(lambda: imports(server, token).status_code != 429)
        assert imports(server, token).json()["imported"] == 1


@pytest.mark.needs("tags")
class TestHalfBodies:
    def test_hold_no_connection_to_the_database(self, server, database):
        token = bearer(server, "dan")
        half = request(
            "POST /api/v1/tags", JSON, f"Authorization: {token}", "Content-Length: 100", "Idempotency-Key: x"
        )
        with ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(connected(server, half + b"{"))
            headers = {"Authorization": token}
            bodies = [{"name": f"tag {n}"} for n in range(20)]
            made = [server.post("/api/v1/tags", json=body, headers=headers) for body in bodies]
        assert {answer.status_code for answer in made} == {201}


class TestReaders:
    def test_who_never_read_are_given_up_and_their_answers_with_them(self, server):
        before, idle = memory(server), sockets(server)
        wanted = request("GET /openapi.json") * 200
        with ExitStack() as stack:
            connections = [stack.enter_context(connected(server)) for _ in range(20)]
            for connection in connections:
                connection.socket.setblocking(False)
                connection.socket.send(wanted)
            eventually(lambda: sockets(server) > idle)
            eventually(lambda: sockets(server) <= idle)
            whole = 200 * len(server.get("/openapi.json").content)
            assert memory(server) - before < 48 << 20
            for connection in connections:
                connection.socket.settimeout(PATIENCE)
                assert len(connection.read_to_reset()) < whole

    def test_who_read_slowly_get_all(self, server):
        whole = server.get("/openapi.json").content
        with connected(server, request("GET /openapi.json", "Connection: close")) as connection:
            time.sleep(3)
            assert connection.answer().body == whole


class TestASignalToStop:
    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"GET / HTTP/1.1\r\nHost",
            request("GET /health/live"),
            request("POST /api/v1/users", "Content-Length: 9", JSON) + b"{",
            request("POST /api/v1/users", "Transfer-Encoding: chunked", JSON) + b"5\r\n{",
        ],
        ids=["nothing", "half a head", "a request", "half a body", "half a chunk"],
    )
    def test_is_obeyed_while_a_client_is_in_the_midst_of_something(self, tmp_path, database, sent):
        with serving(
            tmp_path, DATABASE_URL=database, TRELLIS_SHUTDOWN_SECONDS="9999", TRELLIS_BODY_SECONDS="9999"
        ) as server:
            with connected(server, sent) as connection:
                time.sleep(0.3)
                assert server.get("/health/live").status_code == 200  # What came before is read.
                assert server.stop(signal.SIGTERM) == 0
                if b"POST" in sent:
                    is_problem(connection.answer(), 503, "unavailable")
            assert "Traceback" not in server.output()

    def test_lets_a_body_that_is_on_its_way_arrive(self, tmp_path, database):
        body = b'{"email": "eve@example.com", "password": "correct horse battery", "full_name": "Eve"}'
        length = f"Content-Length: {len(body)}"
        with serving(tmp_path, DATABASE_URL=database) as server:
            with connected(server, request("POST /api/v1/users", length, JSON), body[:9]) as connection:
                time.sleep(0.3)
                assert server.get("/health/live").status_code == 200  # What came before is read.
                server.process.terminate()
                eventually(lambda: refuses(server))
                connection.send(body[9:])
                assert connection.answer().status == 201
            assert server.process.wait(PATIENCE) == 0

    def test_that_runs_out_of_time_is_told_as_a_problem(self, tmp_path, database):
        account = b'{"email": "fay@example.com", "password": "correct horse battery", "full_name": "Fay"}'
        settings = {"DATABASE_URL": database, "TRELLIS_SHUTDOWN_SECONDS": "1"}
        with serving(tmp_path, **settings) as server, psycopg.connect(database) as blocker:
            blocker.execute("LOCK TABLE users")
            with connected(server, request("POST /api/v1/users", JSON, body=account)) as connection:
                await_lock(database)
                server.process.terminate()
                is_problem(connection.answer(), 503, "unavailable")


class TestAConnectionThatIsKept:
    def test_outlives_a_proxys_idle_time(self, server):
        with connected(server, request("GET /health/live")) as connection:
            assert connection.answer().status == 200
            time.sleep(6.5)
            connection.send(request("GET /health/live"))
            assert connection.answer().status == 200

    def test_is_ended_after_its_time(self, tmp_path, database):
        settings = {"DATABASE_URL": database, "TRELLIS_KEEP_ALIVE_SECONDS": "1"}
        with serving(tmp_path, **settings) as server, connected(server, request("GET /health/live")) as connection:
            assert connection.answer().status == 200
            assert connection.is_closed()
