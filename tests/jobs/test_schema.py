"""The queue's schema: what our revisions made of it is what the installed release of Procrastinate works on."""

import os
from importlib.resources import files

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from shared.upkeep.schema import ALEMBIC_INI
from tests.database import TEMPLATE, clone, empty_database
from tests.migrations.catalog import catalogue

SQL = files("procrastinate.sql")
SHIPPED = {file.name for file in (SQL / "migrations").iterdir() if file.name.endswith(".sql")}


def applied() -> list[str]:
    """The files of Procrastinate's that our revisions apply."""
    scripts = ScriptDirectory.from_config(Config(ALEMBIC_INI)).walk_revisions("base", "heads")
    return [name for script in scripts for name in getattr(script.module, "PROCRASTINATE", ())]


def of_the_queue(url: str) -> list[str]:
    """Its objects; of enumerations their values, too, in their order."""
    with psycopg.connect(url) as connection:
        values = connection.execute("""
            SELECT enumtypid::regtype::text || ' has ' || enumlabel FROM pg_enum ORDER BY enumtypid::regtype::text,
            enumsortorder""").fetchall()
    return [line for line in catalogue(url) if "procrastinate" in line] + [value for (value,) in values]


class TestTheFilesOfTheInstalledRelease:
    def test_are_all_applied_by_a_revision(self):
        new = sorted(SHIPPED - {*applied()})
        assert not new, (
            f"This release of Procrastinate has migrations that no revision of the kernel applies: {', '.join(new)}. "
            "Write the next one, like kernel_0002, with their names in PROCRASTINATE."
        )

    def test_are_those_that_the_revisions_need(self):
        gone = sorted({*applied()} - SHIPPED)
        assert not gone, f"This release of Procrastinate has no longer {', '.join(gone)}, which a revision applies."

    def test_are_each_applied_once_and_in_their_order(self):
        assert sorted({*applied()}) == sorted(applied())


class TestTheSchema:
    def test_is_the_one_that_the_installed_release_would_make(self):
        """Its migrations have not changed since our revisions applied them, nor what they come to."""
        with clone() as ours, empty_database(os.environ[TEMPLATE]) as theirs:
            with psycopg.connect(theirs) as connection:
                connection.execute((SQL / "schema.sql").read_bytes())
            assert of_the_queue(ours) == of_the_queue(theirs)

    def test_needs_no_extension(self):
        """But the one that every database has."""
        with clone() as url, psycopg.connect(url) as connection:
            assert connection.execute("SELECT extname FROM pg_extension").fetchall() == [("plpgsql",)]

    def test_has_nothing_that_the_journal_records(self):
        with clone() as url, psycopg.connect(url) as connection:
            triggers = connection.execute("""
                SELECT tgname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
                WHERE tgrelid::regclass::text ~ '^procrastinate_' AND proname ~ '^trellis_'""").fetchall()
        assert triggers == []
