"""Migrations among those who use the database meanwhile: they wait for locks, but nobody waits long for them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config

from app.migrations import MigrationError, moves, turn, upgrade
from shared.upkeep.schema import ALEMBIC_INI
from tests.architecture import trees
from tests.migrations.catalog import connect
from tests.migrations.test_ahead import UPGRADE, migrate_newer
from tests.migrations.test_to_here import newest
from tests.migrations.test_upgrade import LOCK, missing
from tests.patience import eventually
from tests.servers import await_lock

CONFIG = Config(ALEMBIC_INI)


@contextmanager
def in_use(url: str, table: str, mode: str = "ACCESS SHARE") -> Iterator[int]:
    """Somebody holds a lock on a table. Their process id."""
    with psycopg.connect(url, application_name="a long report") as connection:
        connection.execute(f"LOCK TABLE {table} IN {mode} MODE")
        yield connection.info.backend_pid


class TestBehindALongReader:
    def test_others_are_answered_and_the_migration_succeeds_in_the_end(self, tmp_path: Path, url, monkeypatch):
        """ADD COLUMN waits for the reader, and everybody who comes later waits behind it."""
        upgrade(url)
        with ThreadPoolExecutor() as threads:
            with in_use(url, "projects"):
                column = "ALTER TABLE projects ADD colour text"
                migration = threads.submit(migrate_newer, tmp_path, url, "projects", column)
                with connect(url) as another:
                    another.execute("SET lock_timeout = '30s'")
                    for _ in range(2):
                        await_lock(url)
                        another.execute("SELECT count(*) FROM projects")
                assert not migration.done()
            migration.result()
        with connect(url) as connection:
            connection.execute("SELECT colour FROM projects")

    def test_it_tells_whom_it_waits_for_and_does_not_wait_for_ever(self, url, monkeypatch, caplog):
        """What was done until then is undone."""
        monkeypatch.setattr(moves, "PAUSE_SECONDS", 0.1)
        monkeypatch.setattr(moves, "LOCK_PATIENCE_SECONDS", 1)
        monkeypatch.setattr(moves, "monotonic", count().__next__)  # It is over at the second refusal, no sooner.
        for branch in ("kernel", "users"):
            command.upgrade(CONFIG, f"{branch}@head")
        before = missing(url)
        with in_use(url, "users", "ROW EXCLUSIVE") as pid:
            whom = rf"a lock that process {pid} \(a long report\), on users holds"
            with pytest.raises(MigrationError, match=rf"^A migration needs {whom}\. Nothing was changed"):
                upgrade(url)
        assert f"Waiting for a lock that process {pid} (a long report), on users holds" in caplog.text
        assert missing(url) == before
        assert upgrade(url) == "The database is up to date."


CONCURRENTLY = """
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS more ON users (full_name)")


def downgrade() -> None:
    op.execute("DROP INDEX more")
"""


WAITING_FOR = """
    SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%%' AND %s = ANY (pg_blocking_pids(pid))"""


class TestAnIndexThatIsCreatedConcurrently:
    """It waits for every transaction that has begun before, in no transaction of its own."""

    def test_waits_for_a_long_writer_while_nobody_else_waits(self, tmp_path: Path, url):
        """Two migrations at once: the second waits for its turn without a snapshot, or each would wait for the other.
        Longer than a migration waits for a table: others go on meanwhile.
        """
        upgrade(url)
        tree = trees.copied(tmp_path)
        head, newer = newest("users")
        written = CONCURRENTLY.format(revision=newer, down=head)
        (tree / f"migrations/versions/users/{newer}_other.py").write_text(written)
        with ThreadPoolExecutor() as threads, connect(url) as another:
            with in_use(url, "users", "ROW EXCLUSIVE") as writer:
                migrations = [threads.submit(trees.run, tree, "-c", UPGRADE, url) for _ in range(2)]
                eventually(lambda: another.execute(WAITING_FOR, [writer]).fetchone() is not None)
                another.execute("SELECT pg_sleep(1)")
                another.execute("UPDATE users SET full_name = ''")
                assert not any(migration.done() for migration in migrations)
            for migration in migrations:
                assert migration.result().stdout == "The database is up to date.\n", migration.result().stderr
            valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'more'::regclass"
            assert another.execute(valid).fetchone() == (True,)

    def test_that_failed_has_to_be_dropped_first(self, url):
        """IF NOT EXISTS would take it for done."""
        for branch in ("kernel", "users"):
            command.upgrade(CONFIG, f"{branch}@head")
        with connect(url) as connection:
            connection.execute("CREATE INDEX more ON users (full_name)")
            connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'more'::regclass")
            with pytest.raises(MigrationError, match=r"more was created in part only, .* DROP INDEX CONCURRENTLY more"):
                upgrade(url)
            connection.execute("DROP INDEX CONCURRENTLY more")
        assert upgrade(url) == "The database is up to date."


class TestAnotherMigration:
    def test_is_waited_for_no_longer_than_it_may_take(self, url, monkeypatch):
        """The sentence says who it is."""
        monkeypatch.setattr(turn, "TURN_SECONDS", 0.6)
        with connect(url) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            holder = rf"has not ended in 0\.6 s: process {other.info.backend_pid} from 127\.0\.0\.1\."
            with pytest.raises(MigrationError, match=holder):
                upgrade(url)
            other.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        assert upgrade(url) == "The database is up to date."


class TestTheSettingsOfTheDatabase:
    def test_do_not_end_a_migration_that_takes_long(self, url, caplog):
        """Nor one that waits for another: the timeouts are for requests."""
        with connect(url) as connection:
            timeouts = {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"}
            if connection.info.server_version >= 170_000:
                timeouts.add("transaction_timeout")
            for timeout in timeouts:
                connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {timeout} = '300ms'")
        own = " ".join(f"-c {timeout}=0" for timeout in timeouts)
        with psycopg.connect(url, autocommit=True, options=own) as connection, ThreadPoolExecutor() as threads:
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            with caplog.at_level("INFO"):
                migration = threads.submit(upgrade, url)
                eventually(lambda: "Waiting for another migration" in caplog.text)
                connection.execute("SELECT pg_sleep(1)")
                connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
                assert migration.result() == "The database is up to date."
        assert "Waiting for another migration of this database to end." in caplog.text
        assert [line for line in caplog.messages if line.startswith("Applying projects_0001: Projects")]

    @pytest.mark.parametrize(
        "setting",
        [
            "datestyle = 'German'",
            "timezone = '<-03>+03'",
            "client_encoding = 'LATIN1'",
            "intervalstyle = 'sql_standard'",
        ],
    )
    def test_do_not_change_what_a_migration_means(self, url, setting):
        """What the code relies on is set for the transaction."""
        with connect(url) as connection:
            connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET {setting}')
        upgrade(url)
        with connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone()[0]
