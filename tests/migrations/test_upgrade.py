"""Upgrades as operators run them: what a database lacks, and several upgrades at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.config import Config

from app.migrations import upgrade
from app.migrations.turn import LOCK
from shared.rows.models import owners
from shared.settings import Settings
from shared.upkeep.schema import ALEMBIC_INI, standing
from shared.wire.database import Database
from tests.architecture.trees import ROOT, copied, run
from tests.migrations.catalog import connect, tables
from tests.migrations.test_migrations import MODULES, REVISIONS, SCRIPTS, applied_with
from tests.migrations.test_to_here import add, newest
from tests.patience import eventually

CONFIG = Config(ALEMBIC_INI)
EVERY = {revision.revision for revision in REVISIONS}


def missing(url: str) -> set[str]:
    """What a database lacks."""

    async def ask() -> set[str]:
        database = Database(Settings(DATABASE_URL=url))
        try:
            return set((await standing(database)).lacks)
        finally:
            await database.close()

    return asyncio.run(ask())


class TestMissingRevisions:
    def test_are_none_after_an_upgrade(self, url):
        """The database is ready."""
        upgrade(url)
        assert missing(url) == set()

    def test_are_all_on_an_empty_database(self, url):
        """No migration ever ran: not even Alembic's table is there."""
        assert missing(url) == EVERY

    def test_are_all_after_a_way_down_to_the_base(self, url):
        """Alembic's table is there and empty."""
        upgrade(url)
        command.downgrade(CONFIG, "base")
        assert missing(url) == EVERY

    @pytest.mark.parametrize("module", MODULES)
    def test_are_those_that_the_applied_ones_do_not_depend_on(self, url, module):
        """Alembic's table forgets a head that another depends on; it is applied all the same."""
        command.upgrade(CONFIG, f"{module}@head")
        with connect(url) as connection:
            applied = {name for (name,) in connection.execute("SELECT version_num FROM alembic_version")}
        assert len(applied) == 1
        assert missing(url) == EVERY - applied_with(SCRIPTS.get_revision(f"{module}@head"))

    def test_are_none_when_the_database_is_ahead(self, url):
        """The next version's migrations ran before its rollout: this one goes on serving."""
        upgrade(url)
        with connect(url) as connection:
            connection.execute(
                "UPDATE alembic_version SET version_num = 'projects_9999' WHERE version_num LIKE 'projects%'"
            )
        assert missing(url) == set()


class TestUpgrade:
    def test_again_changes_nothing(self, url):
        """Safe to run at every start."""
        upgrade(url)
        upgrade(url)
        assert missing(url) == set()

    def test_twice_at_once_on_an_empty_database_succeeds_in_both(self, url):
        """Two replicas start together: one migrates, and the other waits and finds nothing to do."""
        program = "import sys; from app.migrations import upgrade; upgrade(sys.argv[1])"
        with ThreadPoolExecutor() as replicas, connect(url) as connection:
            # Both are held at the lock, so that they surely meet.
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            running = [replicas.submit(run, ROOT, "-c", program, url) for _ in range(2)]
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'trellis migrate' AND state = 'idle'"
            )
            eventually(lambda: connection.execute(waiting).fetchone() == (2,))
            connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        assert [replica.result().returncode for replica in running] == [0, 0], running[0].result().stderr
        assert missing(url) == set()
        assert tables(url) == owners().keys()


class TestEachMigration:
    def test_has_a_transaction_of_its_own(self, tmp_path, url):
        """A lock that one takes is not held through the next. On an empty database, all have one."""
        tree = copied(tmp_path)
        versions = tree / "migrations/versions"
        head, newer = newest("users")
        add(versions, newer, head, ("ALTER TABLE users ADD more text", ""))
        add(versions, "notes_0001", None, ("SELECT 1 / 0", ""), newer)
        program = "import sys; from app.migrations import upgrade; upgrade(sys.argv[1])"
        refused = run(tree, "-c", program, url)
        assert "refuses a migration: division by zero. Nothing was changed." in refused.stderr
        assert tables(url) == set()
        upgrade(url)
        refused = run(tree, "-c", program, url)
        assert f"refuses a migration: division by zero. What was applied before stays: {newer}." in refused.stderr
        with connect(url) as connection:
            connection.execute("SELECT more FROM users")
