"""Clients behind a proxy, and those that ask too much: on real sockets, before the gate."""

import json
import re
from itertools import count

import pytest

from tests.database import clone
from tests.patience import eventually
from tests.server.test_protocol import JSON, is_problem
from tests.servers import serving
from tests.sockets import connected, request

QUOTA = 8
ORIGIN = "https://app.example.com"
SETTINGS = {
    "FORWARDED_ALLOW_IPS": "127.0.0.1",
    "TRELLIS_ADDRESS_LIMIT": f"{QUOTA}/3600",
    "TRELLIS_CORS_ORIGINS": ORIGIN,
}
PASSING_BY = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with clone() as url, serving(tmp_path_factory.mktemp("clients"), DATABASE_URL=url, **SETTINGS) as server:
        yield server


@pytest.fixture
def address():
    """Of a client that nobody has seen yet."""
    return f"203.0.113.{next(PASSING_BY)}"


@pytest.fixture
def exhausted(server, address):
    """The address of a client that has asked for all there is."""
    while server.get("/problems", headers={"X-Forwarded-For": address}).status_code == 200:
        pass
    return address


def left(answer):
    return int(re.search(r"r=(\d+)", answer.headers["ratelimit"])[1])


class TestAClientBehindAProxy:
    def test_is_the_one_that_the_proxy_names_and_no_other(self, server, address):
        """Whatever it sends itself stands before that."""
        for asked, chosen in enumerate(("", "127.0.0.1, ", "198.51.100.1, "), 1):
            answer = server.get(
                "/problems", headers={"X-Forwarded-For": chosen + address, "Forwarded": "for=192.0.2.1"}
            )
            assert left(answer) == QUOTA - asked
        eventually(lambda: server.output().count(f'"client":"{address}"') == 3)

    def test_is_told_to_keep_to_tls_where_the_proxy_says_that_it_uses_it(self, server, address):
        told = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
        strict = server.get("/problems", headers=told).headers["strict-transport-security"]
        assert strict == f"max-age={366 * 86_400}; includeSubDomains"
        assert "strict-transport-security" not in server.get("/problems", headers={"X-Forwarded-For": address}).headers


class TestAClientThatAsksTooMuch:
    def test_is_refused_as_the_application_would_on_a_connection_that_is_kept(self, server, exhausted):
        forwarded = f"X-Forwarded-For: {exhausted}"
        with connected(server, request("GET /problems?a=1", forwarded, "X-Request-ID: mine")) as client:
            answer = client.answer()
            problem = is_problem(answer, 429, "quota_exceeded")
            assert problem["violated-policies"] == ["address"]
            assert (problem["instance"], problem["request_id"]) == ("/problems", "mine")
            assert answer.headers["ratelimit-policy"] == f'"address";q={QUOTA};w=3600'
            assert answer.headers["ratelimit"] == f'"address";r=0;t={answer.headers["retry-after"]}'
            assert 1 <= int(answer.headers["retry-after"]) <= 3600 // QUOTA
            client.send(request("GET /health/live", forwarded))
            assert client.answer().status == 200
            client.send(request("POST /api/v1/users", forwarded, JSON, body=json.dumps({"email": "a"}).encode()))
            is_problem(client.answer(), 429, "quota_exceeded")
            client.send(request("GET /problems", "X-Forwarded-For: 198.51.100.200"))
            assert client.answer().status == 200

    def test_has_the_headers_of_any_answer_with_a_problem(self, server, exhausted, address):
        refused = server.get("/problems", headers={"X-Forwarded-For": exhausted, "Origin": ORIGIN})
        other = server.get("/nowhere", headers={"X-Forwarded-For": "198.51.100.201", "Origin": ORIGIN})
        assert refused.headers.keys() - other.headers.keys() == {"retry-after"}
        assert other.headers.keys() <= refused.headers.keys()

    def test_is_refused_however_much_it_sends_ahead(self, server, exhausted):
        """More than its budget of refusals, so that the last ones wait for a moment."""
        with connected(server, request("GET /problems", f"X-Forwarded-For: {exhausted}") * 1000) as client:
            assert {client.answer().status for _ in range(1000)} == {429}
        assert "Traceback" not in server.output()

    def test_is_refused_before_a_large_body_is_sent(self, server, exhausted):
        fields = (f"X-Forwarded-For: {exhausted}", JSON, "Content-Length: 90", "Expect: 100-continue")
        with connected(server, request("POST /api/v1/users", *fields)) as client:
            answer = client.answer()
            is_problem(answer, 429, "quota_exceeded")
            assert answer.headers["connection"] == "close"


class TestAPageOfAnotherOrigin:
    @pytest.mark.parametrize(
        ("broken", "status"), [("Host: second", 400), ("Transfer-Encoding: gzip", 400), ("X: " + "x" * 70_000, 431)]
    )
    def test_can_read_what_is_wrong_with_a_request_that_cannot_be_parsed(self, server, broken, status):
        with connected(server, request("GET /problems", f"Origin: {ORIGIN}", broken)) as client:
            answer = client.answer()
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)
