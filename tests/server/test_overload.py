"""A server that has more to do than it may do at once, on real sockets: who is refused, how, and who never is."""

import json
from contextlib import ExitStack

import psycopg
import pytest
from fastapi.routing import APIRoute

from app.asgi import _matching
from tests.database import clone
from tests.patience import eventually
from tests.server.test_protocol import JSON, is_problem
from tests.server.test_slow_clients import NDJSON, bearer, sockets
from tests.servers import await_lock, serving
from tests.sockets import connected, request

ORIGIN = "https://app.example.com"
SETTINGS = {"TRELLIS_MAX_REQUESTS": "2", "TRELLIS_QUEUE_SECONDS": "0.3", "TRELLIS_CORS_ORIGINS": ORIGIN}
PROBLEMS = request("GET /problems")


def account(name):
    return {"email": f"{name}@example.com", "password": "correct horse battery", "full_name": name}


@pytest.fixture(scope="module")
def database():
    with clone() as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory, database):
    with serving(tmp_path_factory.mktemp("overload"), DATABASE_URL=database, **SETTINGS) as server:
        yield server


@pytest.fixture
def full(server, database, request):
    """All places are taken, until `let_go` is called."""
    with psycopg.connect(database) as blocker, ExitStack() as stack:
        blocker.execute("LOCK TABLE users IN SHARE MODE")
        bodies = [json.dumps(account(f"{request.node.name[5:25]}{n}")).encode() for n in range(2)]
        asked = [stack.enter_context(connected(server, posted(body))) for body in bodies]
        await_lock(database, 2)

        def let_go():
            blocker.rollback()
            return [one.answer().status for one in asked]

        yield let_go


def posted(body):
    return request("POST /api/v1/users", JSON, body=body)


class TestARequestTooMany:
    def test_is_refused_with_a_problem_on_a_connection_that_is_kept(self, server, full):
        with connected(server, request("GET /problems?a=1", "X-Request-ID: mine")) as client:
            answer = client.answer()
            problem = is_problem(answer, 503, "unavailable")
            assert (problem["instance"], problem["request_id"]) == ("/problems", "mine")
            assert (answer.headers["retry-after"], problem["retryable"]) == ("1", True)
            assert problem["detail"] == "The server is overloaded just now. Try again shortly."
            assert full() == [201, 201]
            client.send(PROBLEMS)
            assert client.answer().status == 200

    def test_has_the_headers_of_any_answer_with_a_problem(self, server, full):
        refused = server.get("/problems")
        full()
        other = server.get("/nowhere")
        assert refused.headers.keys() - other.headers.keys() == {"retry-after"}
        assert other.headers.keys() <= refused.headers.keys()
        assert refused.json().keys() == other.json().keys()

    def test_can_be_read_by_a_page_that_may_call_and_its_browser_is_told_so_before(self, server, full):
        fields = (f"Origin: {ORIGIN}", "Access-Control-Request-Method: GET")
        with connected(server, request("GET /problems", fields[0])) as client:
            refused = client.answer()
            client.send(request("OPTIONS /problems", *fields))
            preflight = client.answer()
        full()
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (503, ORIGIN)
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, ORIGIN)

    def test_is_one_of_very_many_that_were_sent_ahead(self, server, full):
        with connected(server, request("HEAD /problems") + PROBLEMS * 3) as client:
            head = client._answers  # Its answer has the length of a body that does not come.
            lines = []
            while (line := head.readline()) != b"\r\n":
                lines.append(line)
            assert lines[0] == b"HTTP/1.1 503 Service Unavailable\r\n"
            assert [client.answer().status for _ in range(3)] == [503] * 3
        full()

    def test_that_went_away_is_not_answered_and_takes_no_place(self, server, full):
        before = sockets(server)
        for _ in range(5):
            with connected(server, posted(json.dumps(account("gone")).encode())):
                pass
        eventually(lambda: sockets(server) <= before)
        assert full() == [201, 201]
        assert server.post("/api/v1/users", json=account("gone")).status_code == 201

    def test_whose_body_comes_apart_from_its_head_waits_for_a_place(self, server, full):
        """As clients often send the two, and as others wait."""
        whole = posted(json.dumps(account("apart")).encode())
        head, _, body = whole.partition(b"\r\n\r\n")
        with connected(server, head + b"\r\n\r\n") as client:
            client.send(body[:5])
            assert full() == [201, 201]
            client.send(body[5:])
            assert client.answer().status == 201

    @pytest.mark.parametrize(
        "sent",
        [
            ("Content-Length: 70000",),
            ("Content-Length: 90", "Expect: 100-continue"),
            ("Transfer-Encoding: chunked", b"fffff\r\n" + b" " * 70_000),
        ],
        ids=["large", "waiting to be asked for", "chunked"],
    )
    def test_whose_body_cannot_be_kept_is_refused_before_it_is_sent(self, server, full, sent):
        fields = [field for field in sent if isinstance(field, str)]
        begun = b"".join(part for part in sent if isinstance(part, bytes))
        with connected(server, request("POST /api/v1/users", JSON, *fields) + begun) as client:
            answer = client.answer()
            is_problem(answer, 503, "unavailable")
            assert answer.headers["connection"] == "close"
            assert client.is_closed()
        full()


class TestARequestThatWaits:
    def test_counts_its_time_from_its_head(self, database, tmp_path):
        """Else the queue would be in no figure."""
        with (
            serving(tmp_path, DATABASE_URL=database, TRELLIS_MAX_REQUESTS="1") as server,
            psycopg.connect(database) as blocker,
        ):
            blocker.execute("LOCK TABLE users IN SHARE MODE")
            first = posted(json.dumps(account("counts")).encode())
            with connected(server, first) as at_work, connected(server) as waiting:
                await_lock(database)
                waiting.send(PROBLEMS)
                assert server.get("/health/live").status_code == 200  # What came before is read.
                blocker.rollback()
                assert at_work.answer().status == 201
                assert waiting.answer().status == 200
            lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
        (told,) = [line for line in lines if line.get("path") == "/problems"]
        assert told["duration_ms"] >= told["queue_ms"] >= 1


class TestWhatIsUrgent:
    def test_health_and_a_sign_out_are_served_all_the_same(self, server, full):
        assert server.get("/health/live").status_code == 200
        assert server.get("/health/ready").status_code == 200
        with connected(server, request("HEAD /health/live")) as client:
            assert client._answers.readline().startswith(b"HTTP/1.1 200")
        signed_out = server.post("/api/v1/auth/revoke", data={"token": "x"})
        assert signed_out.status_code == 200
        full()

    @pytest.mark.parametrize(
        ("method", "path", "is_urgent"),
        [
            ("DELETE", "/sessions/1", True),
            ("HEAD", "/sessions/1", False),
            ("GET", "/sessions/1", False),
            ("DELETE", "/sessions/1/2", False),
            ("DELETE", "/sessions/", False),
            ("DELETE", "/other/sessions/1", False),
        ],
    )
    def test_is_known_by_method_and_path(self, method, path, is_urgent):
        route = APIRoute("/sessions/{session_id}", lambda: None, methods=["DELETE"])
        assert bool(_matching([route]).fullmatch(f"{method} {path}")) is is_urgent


class TestAPlace:
    def test_is_not_taken_by_bodies_that_are_yet_to_come(self, server):
        half = request("POST /api/v1/users", JSON, "Content-Length: 90") + b"{"
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(connected(server, half))
            assert server.get("/problems").status_code == 200

    def test_is_taken_when_the_body_has_come(self, server, database):
        waiting = []
        with psycopg.connect(database) as blocker, ExitStack() as stack:
            blocker.execute("LOCK TABLE users IN SHARE MODE")
            for n in range(2):
                body = json.dumps(account(f"late{n}")).encode()
                whole = posted(body)
                late = stack.enter_context(connected(server, whole[:-5]))
                late.send(whole[-5:])
                waiting.append(late)
            await_lock(database, 2)
            assert server.get("/problems").status_code == 503
            blocker.rollback()
            assert [late.answer().status for late in waiting] == [201, 201]

    @pytest.mark.needs("projects")
    def test_is_not_kept_by_imports_which_have_turns_of_their_own(self, server, database):
        tokens = [bearer(server, name) for name in ("imports1", "imports2")]
        lines = b'{"name": "a"}\n'
        with psycopg.connect(database) as blocker, ExitStack() as stack:
            blocker.execute("LOCK TABLE projects IN SHARE MODE")
            for token in tokens:
                upload = request(
                    "POST /api/v1/projects/import", NDJSON, f"Authorization: {token}", f"Content-Length: {len(lines)}"
                )
                stack.enter_context(connected(server, upload + lines))
            await_lock(database, 2)
            assert server.get("/problems").status_code == 200

    def test_is_not_kept_by_those_who_do_not_read_their_answers(self, server):
        assert server.get("/openapi.json").status_code == 200  # It is made now, which takes a while.
        with ExitStack() as stack:
            for _ in range(4):
                client = stack.enter_context(connected(server))
                client.socket.setblocking(False)
                client.socket.send(request("GET /openapi.json") * 200)
            for _ in range(20):
                assert server.get("/problems").status_code == 200

    def test_is_given_back_whatever_becomes_of_a_request(self, server):
        for sent in (PROBLEMS, request("GET /nowhere"), posted(b"{"), b"GET / HTTP/1.1\r\n\r\n"):
            for _ in range(3):
                with connected(server, sent) as client:
                    assert client.answer().status != 503
        eventually(lambda: server.get("/problems").status_code == 200)

    def test_the_log_tells_how_many_were_refused(self, server, full):
        assert server.get("/problems").status_code == 503
        full()
        eventually(lambda: " requests were refused" in server.output())
        assert "Traceback" not in server.output()
