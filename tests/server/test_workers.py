"""`trellis serve --workers`: several processes on one port, and one of everything that there is once."""

import json
import os
import signal
import time
from contextlib import suppress
from multiprocessing import Pipe, get_context
from pathlib import Path
from threading import Timer

import psycopg
import pytest

from app.serving import StartError
from app.workers import _Process, _Supervisor, refuse_too_many, share_of
from shared.settings import Settings
from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.server.test_drain import refuses
from tests.server.test_protocol import JSON
from tests.server.test_serve import postgres_processes
from tests.servers import await_lock, serving, trellis
from tests.sockets import connected, request

TWO = ("--workers", "2")
ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}


def children(server):
    """The processes that serve."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended meanwhile.
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.process.pid and b"spawn_main" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return sorted(found)


def listening(server, number):
    """Whether so many have told that they listen."""
    return server.output().count("Listening on ") >= number


class TestSeveralProcesses:
    def test_serve_over_one_embedded_database_with_one_worker_and_replace_one_that_dies(self, tmp_path):
        with serving(tmp_path, worker="", options=TWO) as server:
            eventually(lambda: listening(server, 2))
            eventually(lambda: "A worker does up to" in server.output())
            eventually(lambda: "Make it an administrator's with" in server.output())
            before = children(server)
            assert len(before) == 2
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            eventually(lambda: listening(server, 4))
            assert len(children(server)) == 2
            assert not set(before) & set(children(server))
            assert server.post("/api/v1/users", json=ACCOUNT).status_code == 201
            eventually(lambda: server.output().count("A worker does up to") == 2)
            assert server.output().count("Make it an administrator's with") == 1
            assert server.stop() == 0
            assert not postgres_processes(tmp_path / "data")
            assert "Traceback" not in server.output()

    def test_answer_each_request_while_another_one_starts(self, tmp_path):
        with clone() as url, serving(tmp_path, options=TWO, DATABASE_URL=url) as server:
            eventually(lambda: listening(server, 2))
            os.kill(children(server)[1], signal.SIGKILL)
            while not listening(server, 3):  # One at a time: the next connection would wake who waits in `accept`.
                assert server.get("/health/live").status_code == 200

    def test_drain_all_until_a_second_signal_and_finish_what_has_begun(self, tmp_path):
        asked = request("POST /api/v1/users", JSON, body=json.dumps(ACCOUNT).encode())
        with (
            clone() as url,
            serving(tmp_path, options=TWO, DATABASE_URL=url, TRELLIS_DRAIN_SECONDS="3600") as server,
            psycopg.connect(url) as blocker,
        ):
            eventually(lambda: listening(server, 2))
            blocker.execute("LOCK TABLE users")
            with connected(server, asked) as busy:
                await_lock(url)
                server.process.terminate()
                eventually(lambda: {server.get("/health/ready").status_code for _ in range(10)} == {503})
                for pid in children(server):
                    os.kill(pid, signal.SIGTERM)  # As a service manager does it, which ends the group.
                assert server.get("/health/live").status_code == 200
                server.process.terminate()
                eventually(lambda: refuses(server))
                blocker.rollback()
                assert busy.answer().status == 201
            assert server.process.wait(PATIENCE) == 0
            assert "Traceback" not in server.output()

    def test_end_when_their_supervisor_is_killed(self, tmp_path):
        with clone() as url, serving(tmp_path, options=TWO, DATABASE_URL=url) as server:
            eventually(lambda: listening(server, 2))
            server.stop(signal.SIGKILL)
            eventually(lambda: refuses(server))


@pytest.fixture
def one():
    """A process that answers nothing, and does not end for a long time."""
    one = _Process.__new__(_Process)
    one.parent_conn, one.child_conn = Pipe()
    one.process = get_context("spawn").Process(target=time.sleep, args=(PATIENCE,), daemon=True)
    one.process.start()
    yield one
    one.process.kill()
    one.process.join()
    one.parent_conn.close()
    one.child_conn.close()


class TestTheSupervisor:
    @pytest.mark.parametrize("happens", ["a signal", "a death"])
    def test_waits_for_no_answer_of_a_process_when_something_happens(self, monkeypatch, one, happens):
        """One that starts gives none yet, and a service manager waits for a limited time."""
        monkeypatch.setattr(_Process, "signals", waiting := [])
        happening = {"a signal": lambda: waiting.append(signal.SIGTERM), "a death": one.process.kill}[happens]
        timer = Timer(0.2, happening)
        timer.start()
        assert one.is_alive(timeout=10 * PATIENCE) is (happens == "a signal")
        timer.join()

    def test_heeds_a_second_signal_that_comes_before_it_waits_for_the_end(self, one):
        supervisor = _Supervisor.__new__(_Supervisor)
        supervisor.processes, supervisor.signal_queue = [one], [signal.SIGTERM]
        supervisor.join_all()
        assert one.process.exitcode != 0, "It was told to end."


class TestTheShares:
    def test_are_equal_and_no_more_than_there_is(self):
        own = share_of(Settings(DATABASE_URL="postgresql://x/y"), 3)
        assert (own.pool_size, own.max_requests, own.max_connections) == (3, 13, 333)

    def test_that_are_none_stop_the_start(self):
        with pytest.raises(StartError, match=r"^11 processes cannot divide TRELLIS_POOL_SIZE \(10\)"):
            refuse_too_many(11, Settings(DATABASE_URL="postgresql://x/y"))

    def test_are_told_before_anything_is_started(self):
        refused = trellis("serve", "--workers", "11", DATABASE_URL="postgresql://x/y", TRELLIS_SECRET="0123456789" * 4)
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-1].startswith("trellis: 11 processes cannot divide TRELLIS_POOL_SIZE (10)")
