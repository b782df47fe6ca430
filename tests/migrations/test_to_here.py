"""A branch was switched away, and the database has migrations that this checkout has not, or has otherwise."""

from pathlib import Path

import pytest

from app.migrations import MigrationError, upgrade, write_revision
from app.migrations.branches import ancestors, heads, in_order, revisions
from app.migrations.leaving import take_back
from shared.manifest import discover
from tests.architecture import trees
from tests.migrations.catalog import catalogue, connect, tables
from tests.servers import trellis

REVISION = """
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    op.execute({up!r})


def downgrade() -> None:
    op.execute({down_sql!r})
"""
COLUMN = ("ALTER TABLE users RENAME full_name TO name", "ALTER TABLE users RENAME name TO full_name")
TABLE = ("CREATE TABLE notes (id int)", "DROP TABLE notes")
DEVELOPMENT = {"TRELLIS_ENVIRONMENT": "development"}


def add(versions: Path, revision: str, down: str | None, statements: tuple[str, str], *depends_on: str) -> None:
    """A migration of another branch."""
    module, up, down_sql = revision.partition("_")[0], *statements
    (versions / module).mkdir(exist_ok=True)
    labels = None if down else (module,)
    links = {"revision": revision, "down": down, "labels": labels, "depends_on": depends_on or None}
    (versions / module / f"{revision}_other.py").write_text(REVISION.format(**links, up=up, down_sql=down_sql))


def newest(module: str) -> tuple[str, str]:
    """Its newest migration here, and the name of the next."""
    head = heads(revisions())[module]
    name, _, number = head.rpartition("_")
    return head, f"{name}_{int(number) + 1:04}"


@pytest.fixture
def here(url) -> list[str]:
    """What stands in a database at this checkout's revisions, in development."""
    upgrade(url, is_development=True)
    return catalogue(url)


class TestABranchThatWasSwitchedAway:
    def test_is_told_and_taken_back(self, tmp_path, url, here):
        """A way down is in a file that is gone: the database has kept it."""
        with connect(url) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        tree = trees.copied(tmp_path)
        head, newer = newest("users")
        add(tree / "migrations/versions", newer, head, COLUMN)
        add(tree / "migrations/versions", "notes_0001", None, TABLE, newer)
        migrated = trees.run(tree, "-m", "app.cli", "migrate", DATABASE_URL=url, **DEVELOPMENT)
        assert migrated.returncode == 0, migrated.stderr
        refused = trellis("migrate", DATABASE_URL=url, **DEVELOPMENT)
        assert refused.returncode == 1
        told = "trellis: The database has run notes_0001. Another branch wrote what this checkout has not, or it was"
        assert refused.stderr.startswith(told)
        assert "`trellis migrate --to-here` takes back what this checkout has not; or begin anew" in refused.stderr
        taken = trellis("migrate", "--to-here", DATABASE_URL=url, **DEVELOPMENT)
        assert (taken.returncode, taken.stdout) == (
            0,
            f"Taken back: notes_0001\nTaken back: {newer}\nThe database is up to date.\n",
        )
        assert catalogue(url) == here

    def test_is_told_to_who_writes_the_next_migration(self, url, here):
        """Also of a first migration that was removed to be written anew: `trellis migrate` alone is no way out."""
        with connect(url) as connection:
            connection.execute("INSERT INTO alembic_version VALUES ('notes_0001')")
        told = (
            r"^The database has run notes_0001\. .* removed to be written anew: `trellis migrate --to-here` takes back"
        )
        with pytest.raises(MigrationError, match=told):
            write_revision(url, discover()[0], "again")

    def test_is_not_taken_back_in_production(self, url):
        refused = trellis("migrate", "--to-here", DATABASE_URL=url, TRELLIS_ENVIRONMENT="production")
        assert refused.returncode == 1
        assert refused.stderr.startswith("trellis: --to-here is for development.")

    def test_is_left_when_its_files_were_not_kept(self, url, here):
        """As by a command that did not know that it was in development."""
        with connect(url) as connection:
            connection.execute("INSERT INTO alembic_version VALUES ('notes_0009')")
        with pytest.raises(MigrationError, match=r"^The database did not keep the way down of notes_0009: begin anew"):
            take_back(url)
        assert catalogue(url) == here


class TestAMigrationThatRanWithOtherStatements:
    def test_is_told_and_taken_back_as_it_ran_with_all_that_depend_on_it(self, url, here, caplog):
        """As when two branches had the same number, or a team goes on writing at its own."""
        with connect(url) as connection:
            connection.execute("ALTER TABLE users RENAME full_name TO name")
            connection.execute("""
                UPDATE alembic_version_files SET source = replace(source, 'def downgrade() -> None:',
                    E'def downgrade() -> None:\n    op.execute("ALTER TABLE users RENAME name TO full_name")')
                WHERE revision = 'users_0001'""")
        upgrade(url, is_development=True)
        assert "users_0001 ran with other statements than this checkout has. `trellis migrate" in caplog.text
        found = in_order(revisions())
        taken = [one.id for one in reversed(found) if "users_0001" in ancestors([one.id], found)]
        assert take_back(url) == taken
        assert "users" not in tables(url)
        upgrade(url, is_development=True)
        assert catalogue(url) == here

    def test_is_none_that_has_other_words_about_them(self, url, here):
        """Comments and formatting are no statements."""
        with connect(url) as connection:
            connection.execute("""UPDATE alembic_version_files SET source = '"Good."' || E'\\n# Very.\\n' || source""")
        assert take_back(url) == []


class TestWhatIsKept:
    def test_is_nothing_in_production(self, url):
        upgrade(url)
        assert "alembic_version_files" not in tables(url)

    def test_is_the_file_as_it_ran_last(self, url, here):
        """What was kept before is not what was just applied."""
        with connect(url) as connection:
            connection.execute("UPDATE alembic_version_files SET source = '# other'")
            connection.execute("DELETE FROM alembic_version_files WHERE revision = 'users_0001'")
            upgrade(url, is_development=True)
            kept = connection.execute("SELECT revision FROM alembic_version_files WHERE source <> '# other'").fetchall()
        assert kept == [("users_0001",)]
