"""The crash harness, for a few rounds; `make crashes` runs many."""

import subprocess
import sys

from tests.server.crashes import Victim
from tests.servers import ROOT


def crashes(*options: str) -> str:
    """What the harness prints."""
    command = [sys.executable, "-m", "tests.server.crashes", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestAcknowledgedWrites:
    def test_are_there_exactly_once_whoever_is_killed(self):
        output = crashes("--rounds", str(len(Victim)))
        assert output.endswith("Lost or doubled: 0.\n")
        assert all(f"{victim} 1" in output for victim in Victim)


class TestTheHarness:
    def test_finds_the_loss_where_postgresql_acknowledges_before_it_has_written(self):
        assert "Found: " in crashes("--asynchronous", "--rounds", "50")
