"""The worker harness, for a few events and kills; `make jobs` has many."""

from tests.database import clone
from tests.jobs.kills import harness


class TestJobs:
    def test_are_neither_lost_nor_written_twice_when_workers_are_killed(self):
        with clone("kills") as url, harness(url, seed=1) as run:
            told = run.run(events=300, workers=2, kills=5)
        assert "5 workers killed or stopped, " in told
        assert "Lost: 0. Written twice: 0." in told
