"""`trellis module retire`: a module's code goes, and its migrations stay until its tables have gone everywhere."""

from textwrap import dedent

import psycopg

from app.migrations import upgrade
from shared.manifest import discover
from tests.architecture import trees
from tests.migrations.catalog import catalogue, tables
from tests.migrations.test_to_here import newest
from tests.migrations.test_write_revision import JOURNALLED
from tests.servers import trellis


class TestRetire:
    def test_drops_the_tables_and_can_go_back(self, tmp_path, url):
        """The folder of migrations without a module is no error for any command."""
        upgrade(url)
        before = catalogue(url)
        tree = trees.copied(tmp_path)
        trees.drop_in(tree, "notes", trees.NOTES)
        models = tree / "modules/notes/models.py"
        models.write_text(models.read_text() + dedent(JOURNALLED))

        def run(*arguments: str) -> str:
            done = trees.run(tree, "-m", *arguments, DATABASE_URL=url)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run("app.cli", "revision", "notes", "tables")
        run("app.cli", "migrate")
        with_notes = catalogue(url)
        with psycopg.connect(url) as connection:
            columns = "id, email, full_name, password_hash, role, is_active, email_verified"
            user = "gen_random_uuid(), 'x', 'x', 'x', 'user', true, true"
            connection.execute(f"INSERT INTO users ({columns}) VALUES ({user})")
            connection.execute("INSERT INTO notes (id, owner_id, text) SELECT gen_random_uuid(), id, 'x' FROM users")
        assert "Its migrations stay" in run("app.cli", "module", "retire", "notes", "--yes")
        assert not (tree / "modules/notes").exists()
        assert "notes" in tables(url)
        run("app.cli", "migrate")
        assert catalogue(url) == before
        assert f"{newest('users')[1]}_words.py" in run("app.cli", "revision", "users", "words")
        ruff = trees.run(tree, "-m", "ruff", "check", "--no-cache", "migrations")
        assert ruff.returncode == 0, ruff.stdout
        run("alembic", "downgrade", "notes_0001")
        assert catalogue(url) == with_notes

    def test_is_refused_while_another_module_requires_it(self, url):
        others = ", ".join(module.name for module in discover() if "users" in module.requires)
        refused = trellis("module", "retire", "users", "--yes", DATABASE_URL=url)
        assert refused.returncode == 1
        assert refused.stderr == f"trellis: Module 'users' is required by {others}: change or retire those first.\n"

    def test_asks(self, url):
        """Nobody at a terminal is a no."""
        *_, last = discover()  # Nobody can require it.
        asked = trellis("module", "retire", last.name, DATABASE_URL=url)
        assert (asked.returncode, asked.stderr) == (1, "Aborted!\n")
        assert "drop its tables at the next `trellis migrate`? [y/N]" in asked.stdout
