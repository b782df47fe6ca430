"""Guessing, in a short version; and that the figures would tell of a fault."""

import subprocess
import sys

from tests.patience import PATIENCE
from tests.reliability.load import Tally
from tests.security import guessing
from tests.servers import ROOT


class TestGuessing:
    def test_finds_no_fault_in_a_short_while(self):
        command = [sys.executable, "-m", "tests.security.guessing", *guessing.SHORT]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "looked at" in done.stdout

    def test_tells_of_what_is_no_refusal(self):
        tally = Tally()
        for status in (401, 429, 503, 500, 500):
            tally.add(status, 0.1)
        assert [*guessing._others(tally, 401, 429)] == ["Other answers: {500: 2} {}."]
