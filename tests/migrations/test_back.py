"""`trellis migrate --back`: to the schema of the release before, as long as nothing is lost that nobody gave up."""

import subprocess

import pytest
from alembic import command

from app.migrations import MigrationError, upgrade
from app.migrations.back import RELEASED, losses, released, way_back
from app.migrations.branches import heads, revisions
from tests.architecture import trees
from tests.architecture.trees import ROOT
from tests.migrations.catalog import catalogue, connect
from tests.migrations.test_to_here import add, newest
from tests.migrations.test_upgrade import CONFIG, EVERY

MIGRATE = ("-m", "app.cli", "migrate")
ACCOUNT = """
    INSERT INTO users (id, email, password_hash, full_name, role, is_active, email_verified)
    VALUES (gen_random_uuid(), 'a@b.c', 'x', 'Ann', 'user', true, false)"""


class TestTheWayBack:
    def test_is_taken_when_nothing_is_lost_and_else_refused(self, tmp_path, url):
        """A column that nobody has filled holds nothing; one value is somebody's."""
        upgrade(url)
        before = catalogue(url)
        tree = trees.copied(tmp_path)
        (tree / "migrations/released.txt").write_text("release v1\n" + "\n".join(heads(revisions()).values()))
        head, newer = newest("users")
        columns = ("ALTER TABLE users ADD more text, ADD kind text NOT NULL DEFAULT 'plain'",)
        add(tree / "migrations/versions", newer, head, (*columns, "ALTER TABLE users DROP more, DROP kind"))
        add(
            tree / "migrations/versions", "notes_0001", None, ("CREATE TABLE notes (id int)", "DROP TABLE notes"), newer
        )

        def migrate(*options: str) -> "subprocess.CompletedProcess[str]":
            return trees.run(tree, *MIGRATE, *options, DATABASE_URL=url)

        assert migrate("--back").stdout == "The database has no migrations that came after the release before.\n"
        migrate()
        with connect(url) as connection:
            connection.execute(ACCOUNT)
            planned = migrate("--back", "--plan").stdout
            assert planned.startswith(
                f"-- notes_0001\nDROP TABLE notes;\n--   locks notes: AccessExclusive\n-- {newer}\n"
            )
            assert "lost" not in planned
            connection.execute("UPDATE users SET more = 'a word'")
            connection.execute("INSERT INTO notes VALUES (1)")
            refused = migrate("--back")
            assert refused.returncode == 1
            told = "trellis: Rows have values that would be lost, in the table notes, users.more. --lose-data goes back"
            assert told in refused.stderr
            assert told.replace("trellis:", "-- WARNING:") in migrate("--back", "--plan").stdout
            connection.execute("UPDATE users SET more = NULL; TRUNCATE notes")
        assert migrate("--back").stdout == f"Taken back: notes_0001, {newer}.\n"
        assert catalogue(url) == before
        migrate()
        with connect(url) as connection:
            connection.execute("UPDATE users SET more = 'a word'")
        assert migrate("--back", "--lose-data").returncode == 0
        assert catalogue(url) == before

    def test_leads_down_to_the_heads_that_are_recorded_and_no_further(self, url):
        """Of what is applied, what those do not need; the newest first."""
        upgrade(url)
        with connect(url) as connection:
            undone = way_back(connection, {"kernel_0002", "users_0001"})
            users = [revision.id for revision in undone if revision.module == "users"]
            assert users == sorted(users, reverse=True)
            assert users[-1] == "users_0002"
            assert {revision.id for revision in undone} == EVERY - {"kernel_0001", "kernel_0002", "users_0001"}
            command.downgrade(CONFIG, "users_0001")
            assert "users_0002" not in {revision.id for revision in way_back(connection, {"kernel_0002"})}

    def test_is_known_to_the_version_that_brought_the_migration(self, url):
        """The release before has not its file."""
        upgrade(url)
        with connect(url) as connection:
            connection.execute(
                "UPDATE alembic_version SET version_num = 'projects_9999' WHERE version_num LIKE 'proj%'"
            )
            with pytest.raises(MigrationError, match="projects_9999: the newer version knows the way back"):
                way_back(connection, set())


class TestWhatWouldBeLost:
    def test_is_what_differs_from_the_default(self, url):
        """Also where it is of another type then."""
        with connect(url) as connection:
            connection.execute("CREATE TABLE kept (same int, filled int DEFAULT 1, typed int, empty int)")
            connection.execute("INSERT INTO kept VALUES (1, 1, 1, NULL)")
            before = [("kept", name, "integer") for name in ("same", "filled", "typed", "empty")]
            after = [("kept", "same", "integer"), ("kept", "typed", "text")]
            assert list(losses(connection, before, after)) == ["kept.typed"]
            connection.execute("UPDATE kept SET filled = 2, empty = 1")
            assert list(losses(connection, before, after)) == ["kept.empty", "kept.filled", "kept.typed"]


class TestTheRelease:
    def test_is_recorded_with_migrations_that_there_are(self):
        """One head a branch."""
        release = released()
        assert release.ref
        assert release.heads <= EVERY
        assert len({head.rpartition("_")[0] for head in release.heads}) == len(release.heads)

    def test_is_the_newest_tag_where_there_is_one(self):
        """So that who makes a release does not forget it."""
        told = subprocess.run(
            ["git", "describe", "--tags", "--abbrev=0"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if told.returncode:
            pytest.skip("There is no tag here, or no git.")
        assert released().ref == told.stdout.strip(), f"Write it into {RELEASED.name}, with the newest migrations."
