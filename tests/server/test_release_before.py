"""The release before on this version's schema: a rollout has both, and the way back is open."""

import os
from pathlib import Path

import pytest

from tests.database import TEMPLATE, clone, empty_database
from tests.reliability.upgrade import NoRelease, first_session, release_before, run
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
        with clone() as url, serving(tmp_path, DATABASE_URL=url, PYTHONPATH=str(release)) as server:
            printed, refused = first_session(server, release)
        assert refused == ["412", "204", "404", "401"]
        assert '"description":"For the roses"' in printed


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
