"""The forks that stand in for started processes of `trellis` are processes like those."""

import os
import signal
from subprocess import TimeoutExpired
from tempfile import TemporaryFile

import pytest

from tests.forks import Fork
from tests.servers import ROOT, serving, trellis

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


class TestAProcess:
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
