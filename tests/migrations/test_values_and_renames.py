"""What `trellis revision` has to be told: values for rows that have none, and what was renamed."""

import psycopg
import pytest
from sqlalchemy import (
    Column,
    Integer,
    String,
)
from sqlalchemy.exc import IntegrityError

from app.migrations import MigrationError
from app.migrations.operations import Sql, flat
from tests.migrations.workshop import insert, title


class TestAColumnThatHasToHaveAValue:
    def test_is_refused_without_one(self, made):
        made.tables(notes=[title(), Column("color", String(7), nullable=False)])
        with pytest.raises(MigrationError, match=r"notes\.color needs a value .* --fill notes\.color=SQL\.$"):
            made.write()

    def test_is_refused_with_one_for_another_column(self, made):
        made.tables(notes=[title(), Column("color", String(7))])
        with pytest.raises(MigrationError, match=r"^--fill colour: no such column comes to need a value\.$"):
            made.write(fills={"colour": "'red'"})

    def test_is_asked_for_at_a_terminal(self, made):
        made.tables(notes=[title(), Column("color", String(7), nullable=False)])
        answers = {"notes.color needs a value for rows that are there. An SQL expression": "'#abcdef'"}
        made.run(made.write(ask=answers.__getitem__))
        assert made.sql("SELECT color FROM notes") == [("#abcdef",)]

    def test_is_refused_with_what_is_no_value_of_its_type(self, made):
        made.tables(notes=[title(), Column("n", Integer, nullable=False)])
        with pytest.raises(MigrationError, match=r"^PostgreSQL says of 'red': invalid input syntax for type integer"):
            made.write(fills={"n": "'red'"})

    def test_lets_the_former_version_write_until_it_is_demanded(self, made):
        """Expand and contract: the first revision can be shipped a release before the second."""
        made.tables(notes=[title(), Column("color", String(7), nullable=False)])
        expand, demand = made.write(fills={"color": "'red'"})
        made.run([expand])
        insert(made, "id, title")
        made.run([demand])
        with pytest.raises(IntegrityError, match='null value in column "color"'):
            insert(made, "id, title")
        assert made.sql("SELECT color FROM notes") == [("red",), ("red",)]

    def test_is_added_without_touching_a_row_where_the_value_is_one_for_all(self, made):
        file = "SELECT pg_relation_filenode('notes'), array_agg(xmin::text) FROM notes"
        before = made.sql(file)
        made.tables(notes=[title(), Column("color", String(7), nullable=False)])
        made.run(made.write(fills={"color": "'red'"}))
        assert made.sql(file) == before

    def test_is_filled_row_by_row_where_each_has_its_own(self, made):
        """The first revision expands, the second demands a value of new rows, the third of all."""
        made.tables(notes=[title(), Column("slug", String(50), nullable=False)])
        expand, demand, contract = made.write(fills={"slug": "lower(title) || id"})
        made.run([expand])
        insert(made, "id, title")
        made.run([demand])
        with pytest.raises(IntegrityError, match="ck_notes_slug_is_there"):
            insert(made, "id, title")
        made.run([contract])
        assert made.sql("SELECT count(DISTINCT slug) FROM notes") == [(2,)]
        assert made.sql("SELECT action, count(*) FROM journal WHERE resource = 'notes' GROUP BY 1 ORDER BY 1") == [
            ("changed", 2),
            ("created", 2),
        ]

    def test_is_known_to_have_no_null_without_a_look_at_the_rows(self, made):
        """A look would take as long as the table is large, and nobody could read it meanwhile."""
        made.tables(notes=[title(), Column("slug", String(50), nullable=False)])
        stages = made.differences(fills={"slug": "lower(title)"})
        told: list[str] = []
        with psycopg.connect(made.url) as connection:
            connection.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
            connection.execute("SET client_min_messages = debug1")
            for operation in flat([*stages.expand, *stages.demand, *stages.contract]):
                statements = operation.up if isinstance(operation, Sql) else ["ALTER TABLE notes ADD slug varchar(50)"]
                for statement in statements:
                    connection.execute(statement)
        proof = 'existing constraints on column "notes.slug" are sufficient to prove that it does not contain nulls'
        assert proof in told


class TestARename:
    def test_is_refused_when_nobody_says_that_it_is_one(self, made):
        made.tables(notes=[Column("name", String(50), nullable=False)])
        said = r"^title of notes goes, and name, which is alike, comes: say --rename notes\.title:name to keep"
        with pytest.raises(MigrationError, match=said):
            made.write()

    @pytest.mark.parametrize(("answer", "kept"), [("y", "1"), ("n", "x")])
    def test_is_asked_for_at_a_terminal(self, made, answer, kept):
        made.tables(notes=[Column("name", String(50), nullable=False)])
        made.run(made.write(ask=lambda question: answer if question.startswith("Was ") else "'x'"))
        assert made.sql("SELECT name FROM notes") == [(kept,)]

    def test_is_no_other_than_what_goes_and_comes(self, made):
        made.tables(notes=[Column("name", String(50), nullable=False)])
        with pytest.raises(MigrationError, match=r"^--rename titel:name: nothing of the former name goes"):
            made.write(renames=["titel:name"], has_no_rename=True, fills={"name": "''"})

    def test_of_a_table_keeps_its_rows_and_their_history(self, made):
        """What is called after the table is called after its new name, and so are the entries of the journal."""
        first = made.catalogue()
        made.tables(memos=[title()])
        said = r"^notes goes, and memos, which is alike, comes: say --rename notes:memos to keep"
        with pytest.raises(MigrationError, match=said):
            made.write()
        paths = made.write(renames=["notes:memos"])
        made.run(paths)
        assert made.sql("SELECT title FROM memos") == [("1",)]
        assert made.sql("SELECT count(*) FROM journal WHERE resource = 'memos'") == [(1,)]
        assert not [line for line in made.catalogue() if "notes" in line]
        left = made.differences()
        assert [left.expand, left.demand, left.contract] == [[], [], []]
        made.run(paths, "downgrade")
        assert made.catalogue() == first
        assert made.sql("SELECT count(*) FROM journal WHERE resource = 'notes'") == [(1,)]
