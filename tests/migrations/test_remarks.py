"""What `trellis revision` says of a change: what it depends on, and what locks a table for long."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.schema import SchemaItem

from app.migrations.branches import heads, revisions
from tests.migrations.workshop import loaded, title

Items = Callable[[], Sequence[SchemaItem]]


class TestWhatItDependsOn:
    def test_is_the_newest_of_a_module_that_it_comes_to_require(self, made):
        """And of one whose table it comes to refer to, if its branch does not come after that table already."""
        newest = heads(revisions())
        assert loaded(made.versions / "notes/notes_0001_tables.py").depends_on == newest["users"]
        made.tables(notes=[title(), Column("tag_id", ForeignKey("tags.id"), index=True)])
        made.module.requires = ("users", "tags")
        (path,) = made.write()
        assert loaded(path).depends_on == newest["tags"]

    def test_is_that_of_a_table_to_which_only_a_neighbour_led_so_far(self, made):
        """The neighbour's links are no business of its own."""
        made.module.requires = ("users", "projects")
        (path,) = made.write()
        assert loaded(path).depends_on == heads(revisions())["projects"]
        made.module.requires = ("users", "projects", "tags")
        made.tables(notes=[title(), Column("tag_id", ForeignKey("tags.id"), index=True)])
        (path,) = made.write()
        assert loaded(path).depends_on == heads(revisions())["tags"]

    def test_is_the_newest_of_a_table_from_which_rows_are_filled(self, made):
        """Whose columns are those of today, whatever it depends on."""
        made.module.requires = ("users", "projects")
        made.write()
        made.module.requires = ("users", "projects", "tags")
        made.tables(notes=[title(), Column("color", String(7), nullable=False)])
        fill = "(SELECT slug FROM tags WHERE tags.owner_id = (SELECT id FROM users LIMIT 1) LIMIT 1)"
        links = [loaded(path).depends_on for path in made.write(fills={"color": fill})]
        assert links == [None, heads(revisions())["tags"], None]

    def test_is_nothing_that_it_depends_on_already(self, made):
        made.tables(notes=[title(), Column("owner_id", ForeignKey("users.id"), index=True)])
        (path,) = made.write()
        assert loaded(path).depends_on is None


REMARKS: dict[str, Items] = {
    "PostgreSQL writes the whole table anew": lambda: [
        title(),
        Column("at", DateTime, server_default=func.clock_timestamp()),
    ],
    "Writes to the table wait while the index is built": lambda: [title(), Index("ix_notes_title", "title")],
    "writes to both tables wait": lambda: [title(), Column("owner_id", ForeignKey("users.id"))],
    "PostgreSQL reads the whole table for the constraint": lambda: [title(), CheckConstraint("true", name="said")],
    "Nobody can use the table while the index behind it is built": lambda: [title(), UniqueConstraint("title")],
    "The values are gone for good": list,
}


class TestWhatLocksForLong:
    @pytest.mark.parametrize("remark", REMARKS)
    def test_is_told_above_the_operation_and_at_the_terminal(self, made, remark, caplog):
        made.tables(notes=REMARKS[remark]())
        (path,) = made.write()
        assert remark in " ".join(path.read_text().replace("#", " ").split())
        assert remark in caplog.text

    def test_is_nothing_that_is_done_at_once(self, made, caplog):
        """PostgreSQL itself was asked: a longer text is written in the catalogue alone."""
        made.tables(notes=[title(60), Column("body", String), Column("n", Integer, server_default="7", nullable=False)])
        (path,) = made.write()
        assert "#" not in path.read_text().partition("def downgrade")[0]
        assert caplog.text == ""

    def test_is_nothing_on_a_new_table(self, made, caplog):
        made.tables(notes=[title()], lines=[Column("note_id", ForeignKey("notes.id"), index=True)])
        made.write()
        assert caplog.text == ""
