"""What a text of SQL does with tables: it reads them, or does more."""

import pytest

from app.migrations.sql_text import tables_named, tables_read

TABLES = {"users", "tasks"}
READS = [
    "UPDATE notes SET author_id = (SELECT id FROM users LIMIT 1) WHERE author_id IS NULL",
    "UPDATE notes SET author_id = tasks.owner_id FROM tasks WHERE tasks.id = notes.task_id",
    "UPDATE notes SET a = u.id FROM others AS o, ONLY users u WHERE u.x = o.x",
    "INSERT INTO notes SELECT id FROM users JOIN tasks ON tasks.owner_id = users.id",
    "DELETE FROM notes USING tasks WHERE tasks.id = task_id",
    "MERGE INTO notes USING users ON users.id = author_id WHEN MATCHED THEN DELETE",
    'UPDATE notes SET n = (SELECT count(*) FROM (SELECT 1 FROM "public"."Users") AS x)',
    "ALTER TABLE notes ADD FOREIGN KEY (author_id) REFERENCES users (id)",
    "WITH own AS (SELECT id FROM users) UPDATE notes SET a = own.id FROM own",
]
CHANGES = [
    "UPDATE users SET name = ''",
    "UPDATE ONLY public.users SET name = ''",
    "DELETE FROM users",
    "DELETE FROM ONLY users USING notes WHERE true",
    "INSERT INTO users SELECT * FROM notes",
    "INSERT INTO users SELECT * FROM users",
    "MERGE INTO users USING notes ON true WHEN MATCHED THEN DELETE",
    "WITH gone AS (DELETE FROM users RETURNING id) UPDATE notes SET a = gone.id FROM gone",
    "TRUNCATE notes, users",
    "TRUNCATE users CASCADE",
    "DROP TABLE users",
    "ALTER TABLE users ADD COLUMN x int",
    "LOCK TABLE notes, users",
    "COPY users FROM STDIN",
    "VACUUM notes, users",
    "CREATE INDEX ON users (name)",
    "CREATE TRIGGER x AFTER INSERT ON users EXECUTE FUNCTION y()",
    "SELECT id FROM users FOR UPDATE",
    "SELECT id FROM users FOR KEY SHARE",
    "CREATE OR REPLACE VIEW notes_of AS SELECT * FROM users",
    "CREATE MATERIALIZED VIEW notes_of AS SELECT * FROM users",
    "SELECT 1 FROM notes; UPDATE users SET name = ''",
]


class TestATable:
    @pytest.mark.parametrize("sql", READS)
    def test_is_read_where_rows_come_from_it(self, sql):
        assert tables_read(sql, TABLES) == tables_named(sql, TABLES) != set()

    @pytest.mark.parametrize("sql", CHANGES)
    def test_is_more_than_read_anywhere_else(self, sql):
        assert tables_named(sql, TABLES) == {"users"}
        assert tables_read(sql, TABLES) == set()

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 'users'",
            "SELECT 1 -- FROM users",
            "SELECT 1 /* FROM\nusers */",
            "SELECT x.users, :users",
            "UPDATE notes SET users = 1, tasks = 2",
            "INSERT INTO notes (id, users) SELECT id, users FROM others ORDER BY id, users",
            "CREATE INDEX ON notes (users)",
            "Select users to invite, and their tasks.",
        ],
    )
    def test_is_not_named_in_literals_comments_and_as_a_column(self, sql):
        assert tables_named(sql, TABLES) == set()

    @pytest.mark.parametrize(
        "sql",
        [
            "DROP TABLE IF EXISTS notes, users",
            "DO $$ BEGIN EXECUTE 'DELETE FROM users'; END $$",
            "SELECT notes.id, users.name",
            "VACUUM FULL users",
        ],
    )
    def test_is_named_where_it_stands_in_other_ways(self, sql):
        assert tables_named(sql, TABLES) == {"users"}
