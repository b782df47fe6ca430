"""Changes of a table that has rows: `trellis revision` writes what runs up, down and up, and all of it."""

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    Numeric,
    String,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, INTERVAL, JSONB
from sqlalchemy.schema import SchemaItem

from shared.rows import Model
from tests.migrations.workshop import SECRET, insert, search, state, title

Items = Callable[[], Sequence[SchemaItem]]

CHANGES: dict[str, tuple[Items, Items, dict[str, object]]] = {
    "nothing": (lambda: [title()], lambda: [title()], {}),
    "a column": (lambda: [title()], lambda: [title(), Column("body", String)], {}),
    "a column that goes": (lambda: [title(), Column("body", String)], lambda: [title()], {}),
    "a column with a value that goes": (lambda: [title(), Column("n", Integer, nullable=False)], lambda: [title()], {}),
    "a choice that goes": (lambda: [title(), state("draft", "sent")], lambda: [title()], {}),
    "a choice that comes": (
        lambda: [title()],
        lambda: [title(), state("draft", "sent")],
        {"fills": {"notes.state": "'sent'"}},
    ),
    "a longer text": (lambda: [title(50)], lambda: [title(60)], {}),
    "a longer text that is searched": (
        lambda: [title(50), *search("title")],
        lambda: [title(60), *search("title")],
        {},
    ),
    "another type that needs a cast": (
        lambda: [title(), Column("n", String, server_default="7")],
        lambda: [title(), Column("n", Integer, server_default="7")],
        {},
    ),
    "a value": (
        lambda: [title()],
        lambda: [title(), Column("color", String(7), nullable=False)],
        {"fills": {"color": "'#a:b c'"}},
    ),
    "a value by other columns": (
        lambda: [title()],
        lambda: [title(), Column("slug", String(50), nullable=False)],
        {"fills": {"notes.slug": "lower(title)"}},
    ),
    "a value of each row's own": (
        lambda: [title()],
        lambda: [title(), Column("token", Uuid, nullable=False)],
        {"fills": {"token": "gen_random_uuid()"}},
    ),
    "a value where there was none": (
        lambda: [title(), Column("body", String)],
        lambda: [title(), Column("body", String, nullable=False)],
        {"fills": {"body": "''"}},
    ),
    "no value where there was one": (
        lambda: [title(), Column("body", String, nullable=False, server_default="x")],
        lambda: [title(), Column("body", String, server_default="x")],
        {},
    ),
    "a default": (lambda: [title()], lambda: [title(server_default="none")], {}),
    "another default": (lambda: [title(server_default="none")], lambda: [title(server_default="no")], {}),
    "another identity": (
        lambda: [title(), Column("n", Integer, Identity(always=True))],
        lambda: [title(), Column("n", Integer, Identity(always=False))],
        {},
    ),
    "an identity": (
        lambda: [title(), Column("n", Integer, nullable=False)],
        lambda: [title(), Column("n", Integer, Identity(always=True))],
        {},
    ),
    "another type of an identity": (
        lambda: [title(), Column("n", Integer, Identity(always=True))],
        lambda: [title(), Column("n", BigInteger, Identity(always=True))],
        {},
    ),
    "another default of a JSON": (
        lambda: [title(), Column("data", JSON, server_default="{}")],
        lambda: [title(), Column("data", JSON, server_default=text("""'{"a": 1}'::json"""))],
        {},
    ),
    "another value of a choice": (
        lambda: [title(), state("draft", "sent")],
        lambda: [title(), state("draft", "sent", "it's")],
        {},
    ),
    "a value of a choice that goes": (
        lambda: [title(), state("draft", "sent")],
        lambda: [title(), state("sent")],
        {"fills": {"state": "'sent'"}},
    ),
    "a value of a choice that is called otherwise": (
        lambda: [title(), state("draft", "sent")],
        lambda: [title(), state("new", "sent")],
        {"fills": {"state": "'new'"}},
    ),
    "a rule": (lambda: [title()], lambda: [title(), CheckConstraint("title <> ''", name="said")], {}),
    "another rule": (
        lambda: [title(), CheckConstraint("title <> ''", name="said")],
        lambda: [title(), CheckConstraint("title <> '-'", name="said")],
        {},
    ),
    "a rule that goes": (lambda: [title(), CheckConstraint("title <> ''", name="said")], lambda: [title()], {}),
    "a unique rule": (lambda: [title()], lambda: [title(), UniqueConstraint("id", "title")], {}),
    "a search": (lambda: [title()], lambda: [title(), *search("title")], {}),
    "another search": (
        lambda: [title(), Column("body", String), *search("title")],
        lambda: [title(), Column("body", String), *search("title", "body")],
        {},
    ),
    "a search that goes": (lambda: [title(), *search("title")], lambda: [title()], {}),
    "a search of a column that goes": (
        lambda: [title(), Column("body", String), *search("title", "body")],
        lambda: [title(), *search("title")],
        {},
    ),
    "a secret": (lambda: [title()], lambda: [title(**SECRET)], {}),
    "a secret no more": (lambda: [title(**SECRET)], lambda: [title()], {}),
    "an index": (lambda: [title()], lambda: [title(), Index("ix_notes_title", "title")], {}),
    "an owner": (
        lambda: [title()],
        lambda: [title(), Column("owner_id", ForeignKey("users.id"), index=True)],
        {},
    ),
    "a renamed column": (
        lambda: [title(), *search("title")],
        lambda: [Column("name", String(50), nullable=False), *search("name")],
        {"renames": ["title:name"]},
    ),
    "a renamed column with index, rule and key": (
        lambda: [
            title(),
            Column("owner_id", ForeignKey("users.id"), index=True),
            CheckConstraint("owner_id IS NULL OR title <> ''", name="owner_id_said"),
        ],
        lambda: [
            title(),
            Column("author_id", ForeignKey("users.id"), index=True),
            CheckConstraint("author_id IS NULL OR title <> ''", name="author_id_said"),
        ],
        {"renames": ["notes.owner_id:author_id"]},
    ),
    "a renamed column of another type": (
        lambda: [title(50)],
        lambda: [Column("name", Text, nullable=False)],
        {"renames": ["notes.title:name"]},
    ),
    "a column in the place of another": (
        lambda: [title(), Column("body", String)],
        lambda: [title(), Column("text", String)],
        {"has_no_rename": True},
    ),
    "columns of every type": (
        lambda: [title()],
        lambda: [
            title(),
            Column("a", JSONB, server_default=text("'{}'")),
            Column("b", ARRAY(String(10))),
            Column("c", ARRAY(Enum("x", "y", name="xy", native_enum=False, length=20))),
            Column("d", Numeric(12, 2)),
            Column("e", INTERVAL),
            Column("f", Interval),
            Column("g", Time),
            Column("h", Date),
            Column("i", DateTime(timezone=True), server_default=func.now()),
            Column("j", Boolean, server_default=text("false"), nullable=False),
            Column("k", Float),
            Column("l", BYTEA),
            Column("m", BigInteger),
            Column("n", ARRAY(Uuid)),
        ],
        {},
    ),
}


class TestAChange:
    @pytest.mark.parametrize("change", CHANGES)
    def test_runs_up_down_and_up_on_rows_and_leaves_nothing_to_write(self, workshop, tmp_path, change):
        """A migration is good as it was written."""
        before, after, answers = CHANGES[change]
        workshop.tables(notes=before())
        workshop.run(workshop.write("tables"))
        for _ in range(2):
            insert(workshop)
        first = workshop.catalogue()
        workshop.tables(notes=after())
        paths = workshop.write(**answers)
        is_empty = "def upgrade() -> None:\n    pass\n" in paths[0].read_text()
        assert is_empty == (change == "nothing")
        workshop.run(paths)
        last = workshop.catalogue()
        left = workshop.differences()
        assert [left.expand, left.demand, left.contract] == [[], [], []]
        workshop.run(paths, "downgrade")
        assert workshop.catalogue() == first
        insert(workshop)
        workshop.run(paths)
        assert workshop.catalogue() == last
        assert workshop.sql("SELECT count(*) FROM notes") == [(3,)]
        ruff = [sys.executable, "-m", "ruff"]
        # The versions that are committed need no docstrings either, and stand in no package.
        for check in (["format", "--check"], ["check", "--no-cache", "--ignore", "D103,INP001"]):
            done = subprocess.run([*ruff, *check, tmp_path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


class TestANewSecret:
    def test_is_told_no_more_and_what_was_told_is_forgotten(self, made):
        """Histories show what the journal has."""
        made.sql("UPDATE notes SET title = '2'")
        made.tables(notes=[title(**SECRET)])
        made.run(made.write())
        made.sql("UPDATE notes SET title = '3'")
        assert made.sql("SELECT count(*) FROM journal WHERE resource = 'notes'") == [(3,)]
        assert made.sql("SELECT id FROM journal WHERE before ? 'title' OR after ? 'title'") == []


class TestAPart:
    def test_that_becomes_one_or_is_none_any_more_is_recorded_so(self, made):
        """What `recorded_with` says is known to the journal's triggers alone."""
        made.tables(notes=[title()], lines=[Column("note_id", ForeignKey("notes.id"), index=True)])
        made.run(made.write())
        arguments = """
            SELECT encode(tgargs, 'escape') FROM pg_trigger
            WHERE tgname = 'journal_inserted' AND tgrelid = 'lines'::regclass"""
        assert made.sql(arguments) == [(r"lines\000id\000{updated_at}\000",)]
        Model.metadata.tables["lines"].info["recorded_with"] = ("notes", "note_id")
        made.run(paths := made.write())
        assert made.sql(arguments) == [(r"notes\000note_id\000{updated_at}\000",)]
        made.run(paths, "downgrade")
        assert made.sql(arguments) == [(r"lines\000id\000{updated_at}\000",)]


class TestATableThatGoes:
    def test_is_dropped_though_no_model_tells_whose_it_was(self, made):
        first = made.catalogue()
        made.tables()
        paths = made.write()
        assert "The former version reads it" in paths[0].read_text()
        made.run(paths)
        assert not [line for line in made.catalogue() if "notes" in line]
        made.run(paths, "downgrade")
        assert made.catalogue() == first
