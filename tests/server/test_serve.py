"""`trellis serve` as operators and newcomers meet it: real processes, real signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from app.serving import _allow_files, _revival, listening
from tests.database import clone, url_with
from tests.patience import PATIENCE, eventually
from tests.servers import ROOT, await_lock, own_environment, serving, trellis

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"


def postgres_processes(data: Path) -> list[int]:
    """The processes that still hold the embedded database's lock or folder open."""
    needle = str(data)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [str(link.readlink()) for link in [process / "cwd", *(process / "fd").iterdir()]]
            is_postgres = (process / "comm").read_text().startswith("postgres")
        except OSError:
            continue
        if is_postgres and any(link.startswith(needle) for link in links):
            found.append(int(process.name))
    return found


class TestOverTheEmbeddedDatabase:
    def test_tells_where_the_docs_are_and_how_to_make_the_first_account(self, tmp_path):
        with serving(tmp_path) as server:
            told = (f"{server.url}/docs", f"{server.url}/api/v1/users", "trellis users promote")
            eventually(lambda: all(word in server.output() for word in told))
            assert postgres_processes(tmp_path / "data")

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_stops_everything_the_database_included(self, tmp_path, how):
        with serving(tmp_path) as server:
            assert server.stop(how) == 0
            assert not postgres_processes(tmp_path / "data")
            assert "Traceback" not in server.output()

    def test_after_kill_9_no_postgres_is_left_and_the_next_start_has_all_data(self, tmp_path):
        with serving(tmp_path) as server:
            created = server.post("/api/v1/users", json=ACCOUNT)
            assert created.status_code == 201
            server.stop(signal.SIGKILL)
            eventually(lambda: not postgres_processes(tmp_path / "data"))
        with serving(tmp_path) as server:
            again = server.post("/api/v1/users", json=ACCOUNT)
            assert again.json()["code"] == "email_taken"

    def test_a_killed_database_comes_back_under_a_running_server(self, tmp_path):
        with serving(tmp_path) as server:
            postmaster = int((tmp_path / "data/postgres/postmaster.pid").read_text().split()[0])
            os.kill(postmaster, signal.SIGKILL)
            statuses = set()

            def ready():
                statuses.add(server.get("/health/ready").status_code)
                return 200 in statuses

            eventually(ready)
            assert statuses <= {200, 503}
            assert int((tmp_path / "data/postgres/postmaster.pid").read_text().split()[0]) != postmaster

    def test_a_command_attaches_to_the_running_database(self, tmp_path):
        with serving(tmp_path) as server:
            server.post("/api/v1/users", json=ACCOUNT)
            promoted = trellis("users", "promote", "ANN@example.com", TRELLIS_DATA_DIR=str(tmp_path / "data"))
            assert promoted.returncode == 0, promoted.stderr
            body = {"email": ACCOUNT["email"], "password": ACCOUNT["password"]}
            token = server.post("/api/v1/auth/sessions", json=body).json()["access_token"]
            users = server.get("/api/v1/users", headers={"Authorization": f"Bearer {token}"})
            assert users.json()["items"][0]["role"] == "admin"

    def test_the_secret_it_makes_is_kept_private(self, tmp_path):
        with serving(tmp_path):
            secret = tmp_path / "data" / "secret"
            assert len(secret.read_text()) >= 32
            assert secret.stat().st_mode & 0o077 == 0


MAKING = """
import contextlib, sys, time
import app.asgi
from app.cli import main

@contextlib.contextmanager
def slowly():
    print("making", flush=True)
    time.sleep(2)
    yield
    print("made", flush=True)

app.asgi.LATER_SECONDS, app.asgi.in_short_turns = float(sys.argv.pop()), slowly
main()
"""
"""A server that takes two seconds more to make the rest. The last argument: how many seconds after its start."""


@contextmanager
def making_the_rest(folder, later):
    with clone() as url, (folder / "log").open("w") as log:
        settings = {
            "DATABASE_URL": url,
            "PORT": "0",
            "TRELLIS_DRAIN_SECONDS": "0",
            "TRELLIS_ENVIRONMENT": "development",
        }
        command = [sys.executable, "-c", MAKING, "serve", str(later)]
        process = subprocess.Popen(command, cwd=ROOT, env=own_environment(settings), stdout=log, stderr=log)
        try:
            yield process, (folder / "log").read_text
        finally:
            process.kill()
            process.wait()


class TestOneThatEndsSoonAfterItsStart:
    """Python may abort (exit code -6) when it ends before a thread of ours does."""

    def test_finishes_what_it_is_making(self, tmp_path):
        with making_the_rest(tmp_path, later=0) as (process, output):
            eventually(lambda: "making" in output())
            process.terminate()
            assert process.wait(PATIENCE) == 0, output()
            assert "made" in output()

    def test_does_not_wait_for_what_it_has_yet_to_make(self, tmp_path):
        with making_the_rest(tmp_path, later=3 * PATIENCE) as (process, output):
            eventually(lambda: "Listening on" in output())
            process.terminate()
            assert process.wait(PATIENCE) == 0, output()
            assert "making" not in output()


class TestTwoOnOneDataFolder:
    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
    def test_the_second_takes_the_database_over_from_the_first(self, tmp_path, how):
        (tmp_path / "second").mkdir()
        data = str(tmp_path / "data")
        with serving(tmp_path) as first, serving(tmp_path / "second", TRELLIS_DATA_DIR=data) as second:
            assert first.post("/api/v1/users", json=ACCOUNT).status_code == 201
            first.stop(how)
            eventually(lambda: takes_over(second))
            again = second.post("/api/v1/users", json=ACCOUNT)
            assert again.json()["code"] == "email_taken"
            assert second.stop() == 0
            assert "Traceback" not in second.output()
        eventually(lambda: not postgres_processes(tmp_path / "data"))


def takes_over(server):
    """Whether it has begun to run the database, and answers from it."""
    return "this one takes over" in server.output() and server.get("/health/ready").status_code == 200


class TestOverAServerOfYourOwn:
    def test_starts_none_and_migrates_nothing(self, tmp_path):
        with clone() as url:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DELETE FROM alembic_version WHERE version_num NOT LIKE 'kernel%'")
            with serving(tmp_path, until="/health/live", DATABASE_URL=url) as server:
                assert server.get("/health/ready").json()["code"] == "schema_outdated"
            assert not (tmp_path / "data" / "postgres").exists()

    def test_finishes_requests_in_flight_on_sigterm(self, tmp_path):
        with clone() as url, serving(tmp_path, DATABASE_URL=url) as server:
            with psycopg.connect(url) as blocker:
                blocker.execute("LOCK TABLE users")
                request = subprocess.Popen(
                    [
                        *("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{server.url}/api/v1/users"),
                        *("-H", "Content-Type: application/json", "-d", json.dumps(ACCOUNT)),
                    ],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                await_lock(url)
                server.process.terminate()
                time.sleep(0.2)
                assert server.process.poll() is None
            output, _ = request.communicate(timeout=PATIENCE)
            assert output == "201"
            assert server.process.wait(PATIENCE) == 0

    def test_stops_requests_in_flight_after_the_time_that_is_set(self, tmp_path):
        """Less than a second is no time at all only when it is rounded."""
        with (
            clone() as url,
            serving(tmp_path, DATABASE_URL=url, TRELLIS_SHUTDOWN_SECONDS="0.4") as server,
            psycopg.connect(url) as blocker,
            ThreadPoolExecutor() as threads,
        ):
            blocker.execute("LOCK TABLE users")
            asked = threads.submit(server.post, "/api/v1/users", json=ACCOUNT)
            await_lock(url)
            assert server.stop() == 0
            with suppress(httpx2.TransportError):
                assert asked.result().status_code >= 500

    def test_does_not_start_in_production_without_a_secret(self):
        refused = trellis("serve", DATABASE_URL="postgresql://nowhere/x")
        assert refused.returncode == 1
        assert refused.stderr.startswith("trellis: TRELLIS_SECRET is not set.")

    @pytest.mark.parametrize("secret", ["short", "a" * 64])
    def test_does_not_start_with_a_weak_secret_and_does_not_print_it(self, secret):
        refused = trellis("serve", DATABASE_URL="postgresql://nowhere/x", TRELLIS_SECRET=secret)
        assert refused.returncode == 1
        assert refused.stderr.startswith("trellis: TRELLIS_SECRET is too weak.")
        assert secret not in refused.stderr

    def test_logs_json_lines_with_the_id_of_the_request(self, tmp_path):
        settings = {"TRELLIS_SECRET": SECRET, "TRELLIS_ENVIRONMENT": "production"}
        with clone() as url, serving(tmp_path, DATABASE_URL=url, **settings) as server:
            server.get("/nowhere", headers={"X-Request-ID": "abc-1"})
            eventually(lambda: f"Listening on {server.url}" in server.output() and "/nowhere" in server.output())
            lines = [json.loads(line) for line in server.output().splitlines()]
        assert {"Trellis", "Docs"}.isdisjoint(server.output().split())
        assert any(line["message"] == f"Listening on {server.url}" for line in lines)
        (access,) = [line for line in lines if line["request_id"] == "abc-1"]
        assert (access["logger"], access["path"], access["status"]) == ("trellis.access", "/nowhere", 404)

    def test_logs_no_requests_when_told_not_to(self, tmp_path):
        with clone() as url, serving(tmp_path, DATABASE_URL=url, TRELLIS_ACCESS_LOG="false") as server:
            server.get("/nowhere")
            eventually(lambda: "Listening on" in server.output())
            assert "/nowhere" not in server.output()

    def test_a_setting_that_is_wrong_is_named(self):
        refused = trellis("serve", DATABASE_URL="postgresql://nowhere/x", TRELLIS_SECRET=SECRET, PORT="http")
        assert refused.returncode == 1
        assert "PORT" in refused.stderr

    def test_is_alive_but_not_ready_while_the_database_is_away(self, tmp_path):
        nowhere = "postgresql://trellis:x@127.0.0.1:1/trellis"
        with serving(tmp_path, until="/health/live", DATABASE_URL=nowhere) as server:
            ready = server.get("/health/ready")
        assert (ready.status_code, ready.json()["code"], ready.headers["Retry-After"]) == (503, "unavailable", "1")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="This machine has no IPv6.")
class TestEveryAddress:
    @pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
    def test_is_listened_on_of_ipv4_and_of_ipv6(self, client):
        """A pod has both where the cluster has both, and probes and services take either."""
        with listening("::", 0) as listener, socket.create_connection((client, listener.getsockname()[1]), PATIENCE):
            pass

    def test_names_a_client_of_ipv4_as_one(self, tmp_path):
        """And not as an address of IPv6 with another within."""
        environment = {"TRELLIS_ENVIRONMENT": "production", "TRELLIS_SECRET": SECRET, "TRELLIS_HOST": "::"}
        with clone() as url, serving(tmp_path, DATABASE_URL=url, **environment) as server:
            httpx2.get(server.url.replace("[::]", "127.0.0.1") + "/api/v1/users/me", timeout=PATIENCE)
            eventually(lambda: "GET /api/v1/users/me 401" in server.output())
            (line,) = [line for line in server.output().splitlines() if "GET /api/v1/users/me 401" in line]
        assert json.loads(line)["client"] == "127.0.0.1"


class TestWhatStopsAStart:
    """It is told in a sentence."""

    @pytest.mark.parametrize("command", ["serve", "migrate"])
    def test_a_database_url_that_is_none(self, command):
        is_told(trellis(command, DATABASE_URL="foo"), "DATABASE_URL is no URL of a PostgreSQL")

    @pytest.mark.parametrize("command", ["serve", "migrate"])
    def test_production_without_a_database(self, command):
        refused = trellis(command, TRELLIS_ENVIRONMENT="production", DATABASE_URL="")
        is_told(refused, "TRELLIS_ENVIRONMENT is production, but DATABASE_URL is not set")

    def test_a_database_out_of_reach_of_migrate(self):
        refused = trellis("migrate", DATABASE_URL="postgresql://trellis:x@127.0.0.1:1/trellis")
        is_told(refused, "The database cannot be reached: connection failed", code=3)

    def test_a_database_that_does_not_let_migrate_in(self):
        with clone() as url:
            refused = trellis("migrate", DATABASE_URL=url_with(url, user="nobody", password="hunter2"))
        is_told(refused, "The database cannot be reached: connection failed", code=3)
        assert "hunter2" not in refused.stderr

    def test_a_port_in_use(self):
        with clone() as url, socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            refused = trellis("serve", DATABASE_URL=url, TRELLIS_ENVIRONMENT="development", PORT=port)
        is_told(refused, f"Cannot listen on 127.0.0.1, port {port}: Address already in use.")
        assert refused.stdout == ""


class TestHelp:
    def test_needs_no_database(self, tmp_path):
        data = tmp_path / "data"
        helped = trellis("users", "promote", "--help", TRELLIS_DATA_DIR=str(data))
        assert (helped.returncode, data.exists()) == (0, False)
        assert "Make the account with this e-mail address an administrator." in helped.stdout


class TestRevival:
    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), EmbeddedPostgresError("Not ready.")])
    async def test_that_fails_does_not_stop_the_server(self, error, caplog):
        class Dead(EmbeddedPostgres):
            def revive(self):
                raise error

        await _revival(Dead(Path("nowhere")))()
        assert str(error) in caplog.text


class TestMigrate:
    def test_needs_no_secret(self):
        with clone() as url:
            migrated = trellis("migrate", DATABASE_URL=url)
            assert (migrated.returncode, migrated.stdout) == (0, "The database is up to date.\n")


@pytest.mark.needs("projects")
class TestAFirstSession:
    def test_the_readme_works_when_pasted(self, tmp_path):
        session = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        assert session is not None
        with clone() as url, serving(tmp_path, DATABASE_URL=url) as server:
            environment = os.environ | {"PORT": server.url.rpartition(":")[2]}
            pasted = subprocess.run(
                ["bash"],
                input=session[1],
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
            line = r'"message":"(GET|POST|PATCH|DELETE) \S+ (\d+)"'
            eventually(lambda: ("GET", "401") in re.findall(line, server.output()))  # It is written after the answer.
            answered = re.findall(line, server.output())
        assert pasted.stderr == ""
        assert [(m, int(status)) for m, status in answered if int(status) != 200] == [
            *[("POST", 201)] * 6,
            ("PATCH", 412),
            ("DELETE", 204),
            ("GET", 404),
            ("GET", 401),
        ]
        assert '"description":"For the roses"' in pasted.stdout


def is_told(refused, sentence, code=1):
    assert refused.returncode == code
    assert refused.stderr.splitlines()[-1].startswith(f"trellis: {sentence}")
    assert "Traceback" not in refused.stderr


class TestTheLimitOfOpenFiles:
    def test_is_raised_or_told_where_it_is_too_low(self, monkeypatch, caplog):
        """uvloop closes what it cannot accept, and tells nobody."""
        raised = []
        monkeypatch.setattr("resource.setrlimit", lambda _, limits: raised.append(limits))
        for hard in (5000, 1500):
            monkeypatch.setattr("resource.getrlimit", lambda _, hard=hard: (1024, hard))
            _allow_files(1000)
        assert raised == [(2000, 5000), (1500, 1500)]
        (line,) = caplog.messages
        assert line.startswith("This process may open 1500 files. TRELLIS_MAX_CONNECTIONS (1000) and what it needs")
