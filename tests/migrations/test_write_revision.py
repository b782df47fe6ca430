"""`trellis revision`: what it writes for a module that was just dropped in, and for a change of its tables."""

import ast
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest

from app.migrations import upgrade
from tests.architecture import trees
from tests.migrations.catalog import catalogue, tables

WRITE = """
import sys
from app.migrations import upgrade, write_revision
from shared.manifest import discover

url, message = sys.argv[1:]
notes = next(module for module in discover() if module.name == "notes")
print(*write_revision(url, notes, message), sep=chr(10))
"""
UPGRADE_AND_CHECK = """
import sys
from alembic.config import main
from app.migrations import upgrade

upgrade(sys.argv[1])
main(["--raiseerr", "check"])
"""
JOURNALLED = """
    from shared.rows import SECRET, recorded_with


    class NoteLine(Model, table=True):
        __tablename__ = "note_lines"

        note_id: UUID = Field(foreign_key="notes.id", primary_key=True)
        number: int = Field(primary_key=True)
        text: str = Field(max_length=100, sa_column_kwargs=SECRET)


    recorded_with(NoteLine, "note_id")
"""
TYPES = """
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal
    from enum import StrEnum
    from typing import Any

    from sqlalchemy import ARRAY, Enum, Numeric, String
    from sqlalchemy.dialects.postgresql import INTERVAL, JSONB

    from shared.rows.journal import TransactionId
    from shared.rows import choice, searchable, table_of


    class Mood(StrEnum):
        GOOD = "good"
        BAD = "bad"


    class Thing(Model, Identified, table=True):
        __tablename__ = "things"

        name: str = Field(max_length=100)
        mood: Mood = Field(sa_type=choice(Mood))
        moods: list[Mood] = Field(sa_type=ARRAY(Enum(Mood, native_enum=False, length=20)))
        words: list[str] = Field(sa_type=ARRAY(String(50)))
        data: dict[str, Any] = Field(sa_type=JSONB)
        price: Decimal = Field(max_digits=12, decimal_places=2)
        exact: Decimal = Field(sa_type=Numeric)
        took: timedelta
        spent: timedelta = Field(sa_type=INTERVAL)
        at: datetime
        on: date
        hour: time
        is_done: bool
        share: float
        count: int
        content: bytes
        xid: str = Field(sa_type=TransactionId)


    searchable(Thing, "name", "mood")
"""
DOWN = "from alembic.config import main; main(['--raiseerr', 'downgrade', 'notes@base'])"


class Team:
    """A team with a fourth module, in a tree of its own and with a database at the newest revisions."""

    def __init__(self, tree: Path, url: str) -> None:
        self.tree = tree
        self.url = url

    def run(self, program: str, *arguments: str) -> str:
        """What a program of theirs prints."""
        done = trees.run(self.tree, "-W", "error", "-c", program, *arguments, DATABASE_URL=self.url)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, message: str) -> Path:
        """Write a migration."""
        return Path(self.run(WRITE, self.url, message).splitlines()[-1])


@pytest.fixture
def team(tmp_path: Path, url: str) -> Team:
    """The other modules' migrations have run."""
    upgrade(url)
    tree = trees.copied(tmp_path)
    trees.drop_in(tree, "notes", trees.NOTES)
    return Team(tree, url)


def read(path: Path) -> SimpleNamespace:
    """The variables of a migration."""
    nodes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
    return SimpleNamespace(**{ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in nodes})


class TestTheFirstMigrationOfAModule:
    def test_starts_its_branch_and_depends_on_those_it_requires(self, team):
        """No file of another module is edited, and none needs to know of it."""
        path = team.write("tables")
        assert path == team.tree / "migrations/versions/notes/notes_0001_tables.py"
        written = read(path)
        assert written.revision == "notes_0001"
        assert written.down_revision is None
        assert tuple(written.branch_labels) == ("notes",)
        newest = max(one.name for one in (path.parents[1] / "users").glob("users_*.py"))
        assert written.depends_on == "_".join(newest.split("_")[:2]), "The newest of users, which needs the kernel's."

    def test_makes_its_tables_alone_with_trigger_and_plain_types(self, team):
        """It is frozen in time: SQLAlchemy's types, and none of SQLModel's, which may change."""
        source = team.write("tables").read_text()
        assert source.count("op.create_table(") == 1
        assert "CREATE TRIGGER touch BEFORE UPDATE ON notes" in source
        assert 'sa.Column("text", sa.String(100), nullable=False)' in source
        assert "sqlmodel" not in source.lower()

    def test_has_the_journal_tell_of_its_rows_and_of_their_parts(self, team):
        """All but what is secret; and what changes with every row tells nothing."""
        models = team.tree / "modules/notes/models.py"
        models.write_text(models.read_text() + dedent(JOURNALLED))
        source = team.write("tables").read_text()
        assert "SELECT trellis_journal('notes', 'notes', 'id', '{updated_at}')" in source
        assert "SELECT trellis_journal('note_lines', 'notes', 'note_id', '{text}')" in source
        team.run(UPGRADE_AND_CHECK, team.url)
        user, note = uuid4(), uuid4()
        with psycopg.connect(team.url) as connection:
            columns = "id, email, full_name, password_hash, role, is_active, email_verified"
            connection.execute(f"INSERT INTO users ({columns}) VALUES (%s, 'x', 'x', 'x', 'user', true, true)", [user])
            connection.execute("INSERT INTO notes (id, owner_id, text) VALUES (%s, %s, 'x')", [note, user])
            connection.execute("INSERT INTO note_lines VALUES (%s, 1, 'a secret')", [note])
            connection.execute("UPDATE notes SET text = 'y'")
            written = "SELECT part, action, before, after FROM journal WHERE resource = 'notes' ORDER BY id"
            rows = connection.execute(written).fetchall()
        assert [row[:2] for row in rows] == [(None, "created"), ("note_lines", "created"), (None, "changed")]
        assert rows[1][2:] == (None, {"note_id": str(note), "number": 1})
        assert rows[2][2:] == ({"text": "x", "version": 1}, {"text": "y", "version": 2})

    def test_runs_up_and_down_and_leaves_nothing_to_write(self, team):
        """It is good as it was written."""
        before = catalogue(team.url)
        team.write("tables")
        team.run(UPGRADE_AND_CHECK, team.url)
        assert "notes" in tables(team.url)
        team.run(DOWN)
        assert catalogue(team.url) == before

    def test_runs_with_columns_of_every_type_and_with_a_search(self, team):
        """It imports what it names, is formatted, and passes the linter: nobody has to tidy up after it."""
        models = team.tree / "modules/notes/models.py"
        models.write_text(models.read_text() + dedent(TYPES))
        path = team.write("tables")
        assert "from sqlalchemy.dialects import postgresql\n\nfrom shared.rows.journal import TransactionId\n" in (
            path.read_text()
        )
        team.run(UPGRADE_AND_CHECK, team.url)
        for check in (("format", "--check"), ("check",)):
            ruff = trees.run(team.tree, "-m", "ruff", *check, "--no-cache", str(path))
            assert ruff.returncode == 0, ruff.stdout


class TestTheNextMigrationOfAModule:
    def test_follows_the_one_before_and_holds_the_change_alone(self, team):
        """A column was added."""
        team.write("tables")
        team.run(UPGRADE_AND_CHECK, team.url)
        models = team.tree / "modules/notes/models.py"
        models.write_text(models.read_text() + "    colour: str | None = Field(default=None, max_length=7)\n")
        path = team.write("colour of notes")
        assert path.name == "notes_0002_colour_of_notes.py"
        written = read(path)
        assert (written.revision, written.down_revision) == ("notes_0002", "notes_0001")
        assert not written.branch_labels
        source = path.read_text()
        assert 'op.add_column("notes", sa.Column("colour", sa.String(7), nullable=True))' in source
        assert source.count("op.") == 2
        team.run(UPGRADE_AND_CHECK, team.url)
