"""The release before on this version's schema: a rollout has both, and the way back is open."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.database import TEMPLATE, clone, empty_database
from tests.patience import PATIENCE
from tests.reliability.upgrade import NoRelease, release_before, run
from tests.servers import serving

pytestmark = [pytest.mark.needs("projects"), pytest.mark.timeout(900)]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Its code, or that of the RELEASE that is asked for: a tag or a commit."""
    try:
        return release_before(tmp_path, os.environ.get("RELEASE", ""))
    except NoRelease as error:
        pytest.skip(str(error))


class TestTheReleaseBefore:
    def test_serves_its_first_session_on_this_schema(self, tmp_path, release):
        """The commands of its own README, as it serves them."""
        session = re.search(r"```bash\n(.*?)```", (release / "README.md").read_text(), re.DOTALL)
        assert session is not None
        with clone() as url, serving(tmp_path, DATABASE_URL=url, PYTHONPATH=str(release)) as server:
            pasted = subprocess.run(
                ["bash"],
                input=session[1],
                env=os.environ | {"PORT": server.url.rpartition(":")[2]},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
            statuses = re.findall(r' HTTP/1.1" (\d+)', server.output())
        assert pasted.stderr == ""
        assert sorted({status for status in statuses if status >= "400"}) == ["401", "404", "412"]
        assert '"description":"For the roses"' in pasted.stdout


class TestAnUpgradeUnderLoad:
    def test_fails_no_request_and_loses_no_write(self, tmp_path):
        """A migration that a long reader holds up; then both versions at once. make reliability does it for longer."""
        with empty_database(os.environ[TEMPLATE], "upgrade") as url:
            try:
                ledger, _, wrong = run(tmp_path, url, seconds=2, clients=1)
            except NoRelease as error:
                pytest.skip(str(error))
        assert ledger.failures == []
        assert wrong == []
        assert {name.split("-")[0] for name in ledger.acknowledged} == {"0", "1000"}
