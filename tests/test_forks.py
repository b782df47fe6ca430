"""The forks that stand in for started processes of `trellis` are processes like those."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired
from tempfile import TemporaryFile

import pytest

from tests.database import TEMPLATE
from tests.forks import Fork
from tests.patience import eventually
from tests.servers import ROOT, forget_settings, own_environment, serving, trellis

BARE = {"PATH": os.environ["PATH"], "TRELLIS_ENVIRONMENT": "development"}


def fork(*arguments, folder=ROOT, **environment):
    """One whose output is dropped."""
    with TemporaryFile() as output:
        return Fork(arguments, folder, BARE | environment, output, output)


class TestACommand:
    def test_ends_with_its_own_code_and_says_why_apart_from_its_output(self):
        refused = trellis("nonsense")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "No such command 'nonsense'." in refused.stderr

    def test_has_the_environment_that_it_is_given_and_nothing_of_another(self):
        told = [trellis("config", TRELLIS_ENVIRONMENT="development", **more) for more in ({"PORT": "8123"}, {})]
        assert ["8123" in command.stdout for command in told] == [True, False]

    def test_that_is_in_no_folder_fails(self, tmp_path):
        assert fork("--help", folder=tmp_path / "nowhere").wait(60) == 1


class TestWhatTheShellHasSet:
    def test_is_forgotten_before_the_first_test(self, monkeypatch):
        for name in ("PORT", "TRELLIS_POOL_SIZE", "OTEL_EXPORTER_OTLP_ENDPOINT", "FORWARDED_ALLOW_IPS", "TRELLIS_KEPT"):
            monkeypatch.setenv(name, "1")
        forget_settings(but=(TEMPLATE, "DATABASE_URL", "TRELLIS_KEPT"))
        assert "TRELLIS_KEPT" in os.environ
        assert {"PORT", "TRELLIS_POOL_SIZE", "OTEL_EXPORTER_OTLP_ENDPOINT", "FORWARDED_ALLOW_IPS"}.isdisjoint(
            os.environ
        )


SERVING = """
import os, sys, time
from pathlib import Path
from tests.servers import serving
with serving(Path(sys.argv[1]), until="/health/live", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none") as server:
    print(server.process.pid, flush=True)
    time.sleep(3600)
"""


def is_running(pid: int) -> bool:
    """Whether it has not ended; nobody may have asked how."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class TestAProcess:
    def test_ends_when_the_tests_are_killed_that_would_have_ended_it(self, tmp_path):
        command = [sys.executable, "-c", SERVING, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, env=own_environment({}), stdout=subprocess.PIPE, text=True) as tests:
            pid = int(tests.stdout.readline())
            tests.kill()
        eventually(lambda: not is_running(pid))

    def test_tells_the_signal_that_ended_it(self, tmp_path):
        with serving(tmp_path) as server:
            assert isinstance(server.process, Fork)
            with pytest.raises(TimeoutExpired):
                server.process.wait(0.01)
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
            server.process.terminate()  # It has ended, and its id may be another's.

    def test_that_nobody_waits_for_stops_no_others(self):
        for _ in range(3):
            fork("--help")._told.close()
            assert fork("--help").wait(60) == 0
