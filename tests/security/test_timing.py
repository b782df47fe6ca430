"""What times tell, in a short version that asserts nothing of them; and that the figures would tell of a difference."""

import subprocess
import sys

import pytest

from tests.patience import PATIENCE
from tests.security import timing
from tests.servers import ROOT


class TestTheTimes:
    def test_of_all_kinds_are_measured(self) -> None:
        command = [sys.executable, "-m", "tests.security.timing", *timing.SHORT]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("AUC") == 12

    def test_that_differ_are_told(self) -> None:
        times: timing.Times = {kind: [1.0, 2.0, 3.0] for kind in timing.KINDS} | {"older": [0.5, 0.7]}
        assert [*timing.told("reset", times, 0.05)] == [
            f"The time of a reset tells {kind} from older." for kind in ("unknown", "known", "deactivated")
        ]


@pytest.mark.parametrize(
    ("some", "others", "expected"),
    [
        ([1.0], [2.0], 0),
        ([2.0], [1.0], 1),
        ([1.0, 2.0], [2.0, 1.0], 0.5),
        ([1.0], [1.0], 0.5),
        ([3.0, 1.0], [2.0], 0.5),
    ],
)
def test_auc_is_the_probability_that_one_is_more(some: list[float], others: list[float], expected: float) -> None:
    assert timing.auc(some, others) == expected
