"""The deadlines of a request, one within the other, and a client that does not wait for any of them."""

import json
import os
import signal
from contextlib import contextmanager

import httpx2
import psycopg
import pytest
from anyio.from_thread import start_blocking_portal

from shared.settings import Settings, SettingsError
from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.proxy import Fault, Proxy, Step
from tests.server.test_protocol import JSON, is_problem
from tests.servers import await_lock, serving
from tests.sockets import connected, request

ANN = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
ASKED = request("POST /api/v1/users", JSON, body=json.dumps(ANN).encode())
OURS = "FROM pg_stat_activity WHERE application_name = 'trellis' AND datname = current_database()"


@pytest.fixture(scope="module")
def database():
    with clone() as url:
        yield url


@pytest.fixture
def sql(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection.execute


@contextmanager
def locked(database):
    with psycopg.connect(database) as blocker:
        blocker.execute("LOCK TABLE users")
        yield blocker


class TestARequest:
    def test_that_takes_too_long_is_answered_and_leaves_nothing(self, tmp_path, database, sql):
        """PostgreSQL stands still, so it keeps no deadline of its own."""
        settings = {"TRELLIS_POOL_WAIT_SECONDS": "0.1", "TRELLIS_STATEMENT_SECONDS": "1", "TRELLIS_POOL_SIZE": "1"}
        with serving(tmp_path, DATABASE_URL=database, TRELLIS_REQUEST_SECONDS="1.2", **settings) as server:
            eventually(lambda: server.post("/api/v1/users", json=ANN).status_code in {201, 409})
            eventually(lambda: server.get("/health/ready").status_code == 200)
            backends = [pid for (pid,) in sql(f"SELECT pid {OURS}").fetchall()]
            try:
                for pid in backends:
                    os.kill(pid, signal.SIGSTOP)
                not_ready = server.get("/health/ready").json()
                assert not_ready["detail"] == "The database did not answer in time."
                with connected(server, ASKED) as client:
                    problem = is_problem(client.answer(), 503, "unavailable")
                    assert problem["detail"] == "The request was not done in time."
                    eventually(lambda: server.post("/api/v1/users", json=ANN).json()["code"] == "email_taken")
            finally:
                for pid in backends:
                    os.kill(pid, signal.SIGCONT)
            assert "Traceback" not in server.output()

    def test_that_takes_too_long_in_its_commit_is_told_that_it_may_be_kept(self, tmp_path, database, sql):
        """On a slow machine, the time may be over before that: then nothing is kept."""
        settings = {
            "TRELLIS_POOL_WAIT_SECONDS": "0.1",
            "TRELLIS_STATEMENT_SECONDS": "1",
            "TRELLIS_ARGON2_ITERATIONS": "1",
        }
        proxy = Proxy(database)
        account = ANN | {"email": "doubt@example.com"}
        names: list[str] = []
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(proxy.listening()) as through,
            serving(tmp_path, DATABASE_URL=through, TRELLIS_REQUEST_SECONDS="1.2", **settings) as server,
        ):
            eventually(lambda: server.post("/api/v1/users", json=account).status_code in {201, 409})
            body = {"email": account["email"], "password": account["password"]}
            token = eventually(lambda: server.post("/api/v1/auth/sessions", json=body).json().get("access_token"))
            me, headers = f"{server.url}/api/v1/users/me", {"Authorization": f"Bearer {token}"}

            def code() -> str:
                names.append(f"Ann {len(names)}")
                answer = httpx2.patch(me, headers=headers, json={"full_name": names[-1]}, timeout=PATIENCE)
                return str(answer.json()["code"])

            with portal.wrap_async_context_manager(proxy.troubled(Step.COMMITTED, Fault.STALL)):
                eventually(lambda: code() == "commit_in_doubt")
        kept = "SELECT full_name FROM users WHERE email = %s"
        eventually(lambda: sql(kept, [account["email"]]).fetchall() == [(names[-1],)])


class TestALock:
    def test_is_waited_for_a_shorter_time_than_a_statement_takes(self, tmp_path, database):
        with serving(tmp_path, DATABASE_URL=database, TRELLIS_LOCK_SECONDS="0.3") as server, locked(database):
            refused = server.post("/api/v1/users", json=ANN | {"email": "lock@example.com"})
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.json()["detail"] == "Another change holds what this one needs."


class TestAClientThatGoesAway:
    @pytest.mark.parametrize("how", ["read", "write"])
    def test_has_its_statement_ended_and_its_connection_freed(self, tmp_path, database, sql, how):
        gone = ANN | {"email": f"{how}@example.com"}
        settings = {"TRELLIS_POOL_SIZE": "1", "TRELLIS_ARGON2_MEMORY_KIB": "8", "TRELLIS_ARGON2_ITERATIONS": "1"}
        with serving(tmp_path, DATABASE_URL=database, **settings) as server:
            assert server.post("/api/v1/users", json=gone | {"email": f"1{how}@example.com"}).status_code == 201
            body = {"email": f"1{how}@example.com", "password": ANN["password"]}
            token = server.post("/api/v1/auth/sessions", json=body).json()["access_token"]
            asked = {
                "read": request("GET /api/v1/users/me", f"Authorization: Bearer {token}"),
                "write": request("POST /api/v1/users", JSON, body=json.dumps(gone).encode()),
            }[how]
            with locked(database):
                with connected(server, asked):
                    await_lock(database)
                eventually(lambda: sql(f"SELECT count(*) {OURS} AND wait_event_type = 'Lock'").fetchone() == (0,))
            again = server.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
            assert again.status_code == 200
            assert server.post("/api/v1/users", json=gone).status_code == 201
            eventually(lambda: "The request was given up: The client went away." in server.output())
            assert "Traceback" not in server.output()

    def test_a_moment_later_has_what_was_done_at_once(self, tmp_path, database):
        """To cut off what is over in a moment would cost a connection to PostgreSQL each time."""
        account = ANN | {"email": "quick@example.com"}
        with serving(tmp_path, DATABASE_URL=database) as server:
            with connected(server, request("POST /api/v1/users", JSON, body=json.dumps(account).encode())):
                pass
            eventually(lambda: server.post("/api/v1/users", json=account).status_code == 409)


class TestTheOrder:
    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            (
                "LOCK",
                "11",
                "TRELLIS_LOCK_SECONDS is 11, and more than TRELLIS_STATEMENT_SECONDS, which is 10",
            ),
            ("REQUEST", "12", "TRELLIS_REQUEST_SECONDS is 12, but has to be more than TRELLIS_POOL_WAIT_SECONDS and"),
        ],
    )
    def test_that_is_wrong_stops_the_start(self, monkeypatch, name, value, sentence):
        monkeypatch.setenv(f"TRELLIS_{name}_SECONDS", value)
        with pytest.raises(SettingsError) as refused:
            Settings.load()
        assert str(refused.value).startswith(sentence)

    def test_is_right_by_default_whatever_is_set(self, monkeypatch):
        for seconds in ("0.001", "1", str(PATIENCE), "86400"):
            monkeypatch.setenv("TRELLIS_STATEMENT_SECONDS", seconds)
            settings = Settings.load()
            assert settings.lock_seconds <= settings.statement_seconds
            assert settings.request_seconds > settings.statement_seconds + settings.pool_wait_seconds
