"""Going back: this version on a schema that a newer one has migrated."""

import os
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from app.migrations import MigrationError, upgrade
from shared.upkeep import ALEMBIC_INI
from tests.architecture import trees
from tests.migrations.catalog import connect
from tests.migrations.test_migrations import REVISIONS
from tests.migrations.test_upgrade import missing
from tests.servers import trellis

REVISION = """
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = {depends_on!r}


def upgrade() -> None:
    op.execute({statement!r})


def downgrade() -> None:
    pass
"""
UPGRADE = "import sys; from app.migrations import upgrade; print(upgrade(sys.argv[1]))"


def migrate_newer(folder: Path, url: str, branch: str, statement: str, *depends_on: str) -> str:
    """Have a newer version, which has one revision more of the branch, migrate the database; give that revision."""
    tree = trees.copied(folder)
    revision = write_newer(tree / "migrations" / "versions", branch, statement, *depends_on)
    migrated = trees.run(tree, "-c", UPGRADE, url)
    assert migrated.stdout == "The database is up to date.\n", migrated.stderr
    return revision


def move_ahead(folder: Path, url: str, branch: str, statement: str, *depends_on: str) -> str:
    """Do to the database what a newer version's migration does to it, which is quicker; give its revision."""
    revision = write_newer(folder, branch, statement, *depends_on)
    config = Config(ALEMBIC_INI, attributes={"database_url": url})
    versions = (config.get_main_option("version_locations"), str(folder))
    config.set_main_option("version_locations", os.pathsep.join(map(str, versions)))
    command.upgrade(config, "heads")
    return revision


def write_newer(versions: Path, branch: str, statement: str, *depends_on: str) -> str:
    """Write one revision more of the branch into a folder of such; give it."""
    known = [script.revision for script in REVISIONS if script.revision.rpartition("_")[0] == branch]
    revision = f"{branch}_{len(known) + 1:04}"
    down = known[-1] if known else None
    labels = None if down else (branch,)
    (versions / branch).mkdir(exist_ok=True)
    (versions / branch / f"{revision}_newer.py").write_text(
        REVISION.format(revision=revision, down=down, labels=labels, depends_on=depends_on or None, statement=statement)
    )
    return revision


class TestWithinReach:
    @pytest.mark.parametrize(
        ("branch", "statement", "depends_on"),
        [
            ("projects", "ALTER TABLE projects ADD colour text", []),
            ("projects", "ALTER TABLE projects ADD colour text NOT NULL DEFAULT 'red'", []),
            ("projects", "ALTER TABLE projects ADD number int GENERATED ALWAYS AS IDENTITY", []),
            (
                "projects",
                "ALTER TABLE projects ADD big bool NOT NULL GENERATED ALWAYS AS (length(name) > 9) STORED",
                [],
            ),
            ("kernel", "CREATE TABLE more (id int NOT NULL)", []),
            ("users", "CREATE INDEX more ON users (full_name)", []),
            ("notes", "CREATE TABLE notes (id int NOT NULL)", ["users_0001"]),
            ("reports", "CREATE TABLE reports (id int NOT NULL)", ["projects_0001"]),
        ],
    )
    def test_is_served_and_leaves_migrate_nothing_to_do(self, tmp_path, url, branch, statement, depends_on):
        """Of the last one Alembic's table names nothing but a module that this version does not have."""
        revision = move_ahead(tmp_path, url, branch, statement, *depends_on)
        assert missing(url) == set()
        sentence = f"The database's schema is ahead of this version's, at {revision}, and has all that it needs: "
        assert upgrade(url).startswith(sentence)

    def test_is_a_success_of_the_command(self, tmp_path, url):
        """So that a migration job does not block the way back."""
        migrate_newer(tmp_path, url, "tags", "ALTER TABLE tags ADD more text")
        for _ in range(2):
            migrated = trellis("migrate", DATABASE_URL=url)
            assert (migrated.returncode, migrated.stdout.endswith("there is nothing to do.\n")) == (0, True)


class TestOutOfReach:
    @pytest.mark.parametrize(
        ("statement", "lacks"),
        [
            ("ALTER TABLE projects RENAME description TO story", "the column projects.description"),
            ("ALTER TABLE tags RENAME color TO colour", "the column tags.color"),
            ("DROP TABLE project_members", "the column project_members.role"),
            ("ALTER TABLE projects ADD colour text NOT NULL", "a default of projects.colour"),
        ],
    )
    def test_is_what_this_version_cannot_read_or_write(self, tmp_path, url, statement, lacks):
        """The column is gone, or every new row has to have one that this version does not know."""
        revision = move_ahead(tmp_path, url, "projects", statement)
        assert lacks in missing(url)
        with pytest.raises(MigrationError, match=rf"ahead of .* at {revision}, and not within its reach: .*{lacks}"):
            upgrade(url)

    def test_is_a_schema_that_is_ahead_on_one_branch_and_behind_on_another(self, url):
        """Alembic could place neither; its table names the end of a branch, which is not ours."""
        upgrade(url)
        with connect(url) as connection:
            connection.execute("TRUNCATE alembic_version")
            connection.execute("INSERT INTO alembic_version VALUES ('tags_9999'), ('kernel_0001')")
            connection.execute("DROP TABLE invitations, project_members, project_tags, projects")
        assert "the column projects.name" in missing(url)

    def test_fails_the_command_in_a_sentence(self, tmp_path, url):
        """A rollback that would not serve is stopped."""
        revision = move_ahead(tmp_path, url, "projects", "ALTER TABLE projects RENAME description TO story")
        refused = trellis("migrate", DATABASE_URL=url)
        assert refused.returncode == 1
        assert refused.stderr == (
            f"trellis: The database's schema is ahead of this version's, at {revision}, and not within its reach: "
            "it lacks the column projects.description.\n"
        )
