"""What a client may send before there is a request for the application: how large, how long, how many, and what of it
is no request. Also what uvicorn and httptools do not promise, and the protocol relies on.
"""

import json
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.database import clone
from tests.patience import eventually
from tests.servers import serving
from tests.sockets import chunked, connected, request

LIVE = request("GET /health/live")
ACCOUNT = {"email": "ann@example.com", "password": "short", "full_name": "Ann"}
JSON = "Content-Type: application/json"
REFUSED = json.dumps(ACCOUNT).encode()
"""A registration that is refused for its password, and so shows that its body has come."""
HEAD_BYTES = 64 << 10
SETTINGS = {"TRELLIS_HEAD_SECONDS": "1", "TRELLIS_BODY_SECONDS": "2", "TRELLIS_MAX_CONNECTIONS": "40"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with clone() as url, serving(tmp_path_factory.mktemp("protocol"), DATABASE_URL=url, **SETTINGS) as server:
        yield server


def succeeds(attempt):
    """At some time: a server that stands still for longer than its deadlines takes any client for a slow one."""

    def has_succeeded():
        try:
            attempt()
        except (AssertionError, ConnectionError):
            return False
        return True

    eventually(has_succeeded)


def is_problem(answer, status, code):
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/problems/{code}")
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers
    return problem


def is_refused(connection, status, code):
    """With a problem, after which the connection is closed."""
    answer = connection.answer()
    problem = is_problem(answer, status, code)
    assert answer.headers["connection"] == "close"
    assert connection.is_closed()
    return problem


def send_for_ever(connection):
    while True:
        connection.socket.sendall(b"10000\r\n%b\r\n" % bytes(1 << 16))


def names_password(answer):
    """The body was read to its end."""
    assert [error["pointer"] for error in is_problem(answer, 422, "invalid_input")["errors"]] == ["/password"]


def memory(server, field="VmRSS"):
    """Bytes of the server's process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(field))


class TestWhatIsNoRequest:
    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: u:p@x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x:80:81\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: x?\xff\r\n\r\n",
            b"GET / HTTP/1.1\nHost: x\n\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: a\rb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /?\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
            b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
            b"SSH-2.0-OpenSSH_9.6\r\n",
            pytest.param(b"\0" * 100_000, id="nothing but zeros"),
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\na",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
        ids=ascii,
    )
    @pytest.mark.parametrize("byte_by_byte", [False, True])
    def test_is_answered_with_a_problem_and_closed(self, server, sent, byte_by_byte):
        pieces = [sent[n : n + 1] for n in range(min(len(sent), 200))] if byte_by_byte else [sent]
        with connected(server, *pieces) as connection:
            is_refused(connection, 400, "malformed_request")

    @pytest.mark.parametrize(
        "body", [b"zz\r\n", b"1\r\nab\r\n", b"fffffffffffffffff\r\n", b"-1\r\n", b"0\r\nno colon\r\n\r\n"]
    )
    @pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/auth/token"])
    def test_a_body_that_breaks_off_in_bad_chunks_is_one(self, server, body, path):
        with connected(
            server, request(f"POST {path}", "Transfer-Encoding: chunked", JSON) + b"1\r\n{\r\n" + body
        ) as client:
            answer = client.answer()
            assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
            assert client.is_closed()

    def test_comes_after_the_answers_to_what_was_before_it(self, server):
        with connected(server, LIVE * 3 + b"\0" + LIVE) as connection:
            assert [connection.answer().status for _ in range(3)] == [200] * 3
            is_refused(connection, 400, "malformed_request")

    def test_has_the_id_that_it_gives_and_a_line_in_the_log(self, server):
        field = b"X-Request-ID: bad-one\r\n"
        with connected(server, b"GET /some%20where?x=1 HTTP/1.1\r\n" + field + b"\r\n") as connection:
            problem = is_refused(connection, 400, "malformed_request")
        assert (problem["request_id"], problem["instance"]) == ("bad-one", "/some%20where")
        eventually(lambda: "bad-one" in server.output())
        (line,) = [json.loads(line) for line in server.output().splitlines() if "bad-one" in line]
        assert (line["request_id"], line["path"], line["status"]) == ("bad-one", "/some%20where", 400)

    @pytest.mark.parametrize("target", [b"http://u:hunter2@x:99999/here?y=1", b"HTTPS://u:hunter2@/here"])
    def test_names_of_its_target_the_path_alone(self, server, target):
        """The absolute form can hold a password."""
        with connected(server, b"GET %b HTTP/1.1\r\n\r\n" % target) as connection:
            assert is_refused(connection, 400, "malformed_request")["instance"] == "/here"
        assert "hunter2" not in server.output()

    def test_head_is_answered_without_content(self, server):
        with connected(server, b"HEAD /x HTTP/1.1\r\n\r\n") as connection:
            assert connection.read_all().partition(b"\r\n\r\n")[2] == b""


class TestAHead:
    @pytest.mark.parametrize(
        "fields",
        [
            [b"A: " + b"x" * (HEAD_BYTES + 1)],
            [b"A" * (HEAD_BYTES + 1) + b": x"],
            [b"A-%d: x" % n for n in range(300)],
            [b"A-%d: %b" % (n, b"x" * 1000) for n in range(80)],
        ],
        ids=["value", "name", "number", "all"],
    )
    def test_that_is_too_large_is_431(self, server, fields):
        sent = b"GET /here HTTP/1.1\r\nX-Request-ID: large\r\nHost: x\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"
        for pieces in ([sent], [sent[n : n + 5000] for n in range(0, len(sent), 5000)]):
            with connected(server, *pieces) as connection:
                problem = is_refused(connection, 431, "head_too_large")
                assert (problem["instance"], problem["request_id"]) == ("/here", "large")

    def test_whose_target_is_too_large_is_431(self, server):
        with connected(server, request(f"GET /{'x' * HEAD_BYTES}")) as connection:
            is_refused(connection, 431, "head_too_large")

    def test_may_be_as_large_as_that(self, server):
        room = HEAD_BYTES - len(request("GET /health/live", "A: "))
        for more, status in ((0, 200), (1, 431)):
            with connected(server, request("GET /health/live", f"A: {'x' * (room + more)}")) as connection:
                assert connection.answer().status == status

    def test_is_measured_for_each_request_anew(self, server):
        with connected(server) as connection:
            for _ in range(3):
                connection.send(request("GET /health/live", f"A: {'x' * 60_000}"))
                assert connection.answer().status == 200

    def test_of_90_mb_costs_neither_memory_nor_others_their_answer(self, server):
        before = memory(server)
        with connected(server, b"GET / HTTP/1.1\r\nHost: x\r\nA: ", *[b"x" * (1 << 20)] * 90) as connection:
            assert server.get("/health/live").status_code == 200
            is_refused(connection, 431, "head_too_large")
        assert memory(server) - before < 32 << 20

    @pytest.mark.parametrize(
        "body",
        [
            b"1;" + b"x" * 200_000 + b"\r\na\r\n0\r\n\r\n",
            b"0\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",
            b"1\r\na\r\n0\r\nA: " + b"x" * 66_000 + b"\r\n\r\n",
            b"1\r\na\r\n0\r\n" + b"A: x\r\n" * 20_000 + b"\r\n",
            b"0;" + b"x" * (HEAD_BYTES + (1 << 14) + 100) + b"\r\n\r\n",
        ],
        ids=["extension", "trailer", "long", "many", "in the last piece"],
    )
    def test_what_surrounds_chunks_counts_like_one(self, server, body):
        with connected(server, request("POST /api/v1/users", "Transfer-Encoding: chunked", JSON) + body) as connection:
            is_refused(connection, 431, "head_too_large")

    def test_trailer_fields_are_none_of_its_own(self, server):
        body = chunked(REFUSED)[:-2] + b"X-Request-ID: trailer\r\n\r\n"
        with connected(
            server, request("POST /api/v1/users", "Transfer-Encoding: chunked", JSON) + body + LIVE
        ) as client:
            answer = client.answer()
            names_password(answer)
            assert answer.headers["x-request-id"] != "trailer"
            assert client.answer().status == 200


class TestTheTimeForAHead:
    """It is a second here."""

    def test_ends_a_connection_on_which_nothing_is_sent_without_a_word(self, server):
        with connected(server) as connection:
            assert connection.is_closed()

    @pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA"])
    @pytest.mark.parametrize("before", [b"", LIVE])
    def test_is_over_for_half_a_head(self, server, before, sent):
        with connected(server, before + sent) as connection:
            if before:
                assert connection.answer().status == 200
            assert is_refused(connection, 408, "request_timeout")["retryable"]

    def test_is_over_for_one_that_trickles(self, server):
        with connected(server, b"GET / HTTP/1.1\r\nHost: x\r\n") as connection:
            connection.send(*[b"A: x\r\n"] * 30, pause=0.1)
            is_refused(connection, 408, "request_timeout")

    def test_does_not_run_between_requests(self, server):
        with connected(server) as connection:
            for pause in (0, 1.5, 0):
                time.sleep(pause)
                connection.send(LIVE)
                assert connection.answer().status == 200


class TestTheTimeForABody:
    """A client may be two seconds behind here, at 1,024 bytes a second."""

    @pytest.mark.parametrize("body", [b"", b"{"])
    @pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/auth/token", "/api/v1/batch"])
    @pytest.mark.parametrize("framing", ["Content-Length: 9", "Transfer-Encoding: chunked"])
    def test_is_over_for_half_a_body(self, server, path, body, framing):
        sent = b"1\r\n" + body if "chunked" in framing else body
        kind = "application/x-www-form-urlencoded" if path.endswith("token") else "application/json"
        with connected(server, request(f"POST {path}", framing, f"Content-Type: {kind}") + sent) as connection:
            answer = connection.answer()
            if answer.status != 401:  # A batch is nobody's.
                assert is_problem(answer, 408, "request_timeout")["retryable"]
            assert answer.headers["connection"] == "close"
            assert connection.is_closed()

    def test_is_over_for_one_that_trickles(self, server):
        with connected(server, request("POST /api/v1/users", "Content-Length: 1000", JSON)) as connection:
            connection.send(*[b" "] * 50, pause=0.1)
            is_refused(connection, 408, "request_timeout")

    def test_is_not_prolonged_by_chunk_extensions(self, server):
        with connected(server, request("POST /api/v1/users", "Transfer-Encoding: chunked", JSON) + b"1;") as connection:
            connection.send(*[b"x" * 1000] * 50, pause=0.1)
            is_refused(connection, 408, "request_timeout")

    def test_is_as_long_as_it_takes_for_one_that_comes_steadily(self, server):
        body = b" " * 20_000 + REFUSED

        def attempt():
            with connected(server, request("POST /api/v1/users", JSON, f"Content-Length: {len(body)}")) as connection:
                connection.send(*[body[n : n + 1000] for n in range(0, len(body), 1000)], pause=0.2)
                names_password(connection.answer())

        succeeds(attempt)

    def test_cannot_be_earned_ahead(self, server):
        """By 500,000 bytes at once, to be silent for eight minutes."""
        with connected(server, request("POST /api/v1/users", "Content-Length: 600000", JSON), b" " * 500_000) as client:
            is_refused(client, 408, "request_timeout")

    def test_a_body_that_nobody_reads_holds_no_connection(self, server):
        with connected(server, request("POST /nowhere", "Content-Length: 100000")) as connection:
            is_refused(connection, 404, "no_such_path")

    def test_a_client_that_sends_all_before_it_reads_gets_its_answer(self, server):
        body = b" " * 3_000_000
        with connected(server, request("POST /api/v1/users", JSON, body=body)) as connection:
            is_refused(connection, 413, "too_large")


class TestOffersToUpgrade:
    OFFERS = (
        ("Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", "Upgrade: h2c"),
        ("Upgrade: websocket", "Connection: keep-alive, upgrade", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"),
        ("Connection: Upgrade", "Upgrade: TLS/1.0, h2c"),
    )

    @pytest.mark.parametrize("offer", OFFERS)
    @pytest.mark.parametrize("framing", ["length", "chunked"])
    @pytest.mark.parametrize("size", [1, 7, 100_000])
    def test_are_ignored_and_the_body_is_kept(self, server, offer, framing, size):
        if framing == "length":
            whole = request("POST /api/v1/users", *offer, JSON, body=REFUSED)
        else:
            whole = request("POST /api/v1/users", "Transfer-Encoding: chunked", JSON, *offer)
            whole += chunked(REFUSED[:9], REFUSED[9:])
        sent = whole + LIVE + whole
        with connected(server, *[sent[n : n + size] for n in range(0, len(sent), size)]) as connection:
            names_password(connection.answer())
            assert connection.answer().status == 200
            names_password(connection.answer())

    @pytest.mark.parametrize("offer", OFFERS)
    def test_are_ignored_on_requests_without_a_body(self, server, offer):
        with connected(server, request("GET /health/live", *offer) * 2) as connection:
            assert [connection.answer().json() for _ in range(2)] == [{"status": "alive"}] * 2

    @pytest.mark.parametrize("offer", OFFERS)
    def test_are_ignored_where_the_client_waits_to_be_told_to_go_on(self, server, offer):
        length = f"Content-Length: {len(REFUSED)}"
        with connected(server, request("POST /api/v1/users", *offer, JSON, "Expect: 100-continue", length)) as client:
            assert client.answer().status == 100
            client.send(REFUSED, LIVE)
            names_password(client.answer())
            assert client.answer().status == 200

    def test_do_not_hide_what_is_wrong_with_the_request(self, server):
        with connected(server, b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n") as connection:
            is_refused(connection, 400, "malformed_request")


class TestAConnectionThatIsKept:
    def test_answers_requests_that_were_sent_ahead_in_order(self, server):
        registration = request("POST /api/v1/users", JSON, body=REFUSED)
        in_chunks = request("POST /api/v1/users", JSON, "Transfer-Encoding: chunked") + chunked(b"\r\n\r\n", REFUSED)
        sent = (LIVE + registration + in_chunks + b"\r\n") * 30
        for size in (len(sent), 997, 61):
            with connected(server, *[sent[n : n + size] for n in range(0, len(sent), size)]) as connection:
                for _ in range(30):
                    assert connection.answer().status == 200
                    names_password(connection.answer())
                    names_password(connection.answer())

    def test_costs_no_more_when_very_many_are_sent_ahead(self, server):
        before = memory(server)
        with ExitStack() as stack:
            for _ in range(5):
                connection = stack.enter_context(connected(server))
                connection.socket.settimeout(0.5)
                with suppress(TimeoutError):  # It is not taken from the socket.
                    connection.socket.sendall(LIVE * 200_000)
            assert server.get("/health/live").status_code == 200
        assert memory(server) - before < 32 << 20

    def test_is_ended_by_an_answer_before_the_body_that_a_client_holds_back(self, server):
        fields = ("Expect: 100-continue", "Content-Length: 100000000", JSON)
        with connected(server, request("POST /api/v1/users", *fields)) as connection:
            is_refused(connection, 413, "too_large")

    def test_is_not_told_to_go_on_by_who_speaks_http_1_0(self, server):
        """RFC 9110 §10.1.1: it would take that for the answer."""
        head = (
            f"POST /api/v1/users HTTP/1.0\r\nExpect: 100-continue\r\n{JSON}\r\nContent-Length: {len(REFUSED)}\r\n\r\n"
        )
        with connected(server, head.encode(), REFUSED) as client:
            names_password(client.answer())

    def test_ends_when_the_client_wants_it(self, server):
        with connected(server, request("GET /health/live", "Connection: close") + LIVE) as connection:
            assert connection.answer().headers["connection"] == "close"
            assert connection.is_closed()

    def test_is_taken_with_the_absolute_form(self, server):
        with connected(server, request(f"GET {server.url}/health/live")) as connection:
            assert connection.answer().status == 200


class TestWhatIsStillSentAfterARefusal:
    def test_is_read_so_that_the_answer_arrives(self, server):
        """Of a body of 20 MB, all but its first megabyte."""

        def attempt():
            with connected(server, request("POST /api/v1/users", JSON, "Content-Length: 20000000")) as connection:
                connection.socket.sendall(bytes(20_000_000))
                is_refused(connection, 413, "too_large")

        succeeds(attempt)

    def test_has_an_end(self, server):
        endless = request("POST /api/v1/users", JSON, "Transfer-Encoding: chunked")
        with connected(server, endless) as connection, pytest.raises(ConnectionError):
            send_for_ever(connection)


class TestConnections:
    """There may be 40 here."""

    def test_beyond_the_limit_take_the_place_of_those_that_wait_longest(self, server):
        with ExitStack() as stack:
            kept = stack.enter_context(connected(server, LIVE))
            assert kept.answer().status == 200
            for sent in [b"", b"GET / HTTP/1.1\r\n"] * 50:
                stack.enter_context(connected(server, sent))
            newest = stack.enter_context(connected(server, LIVE))
            assert newest.answer().status == 200
            assert kept.is_closed()

    def test_beyond_the_limit_are_to_come_later_when_none_waits(self, server):
        busy = request("POST /api/v1/users", "Content-Length: 100", JSON)
        with ExitStack() as stack:
            held = [stack.enter_context(connected(server, busy)) for _ in range(40)]
            time.sleep(0.2)
            refused = stack.enter_context(connected(server))
            answer = refused.answer()
            is_problem(answer, 503, "unavailable")
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
            assert {connection.answer().status for connection in held} == {408}
        assert server.get("/health/live").status_code == 200
