"""What an operator can mend stops a command with a sentence and exit code 1 or 3, and never with a traceback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from app.failures import MIGRATE
from app.operating import Exit
from tests.architecture import trees
from tests.database import TEMPLATE, clone, empty_database, url_with
from tests.servers import trellis

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
COMMANDS = [
    pytest.param(command, id=command[0])
    for command in (
        ("migrate",),
        ("purge",),
        ("seed", "--yes"),
        ("users", "promote", "ann@example.com"),
    )
]
AFTER_MIGRATE = COMMANDS[1:]


def failing(*command: str, code: Exit = Exit.REFUSED, **environment: str) -> str:
    """The sentence that a command ends with."""
    done = trellis(*command, TRELLIS_SECRET=SECRET, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("trellis: ")
    return sentence.removeprefix("trellis: ")


@contextmanager
def role(url: str, **grants: str) -> Iterator[str]:
    """The URL for somebody else, who owns nothing."""
    name = f"trellis_stranger_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hunter2'")
        try:
            yield url_with(url, user=name, password="hunter2")
        finally:
            connection.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


@pytest.fixture
def empty() -> Iterator[str]:
    with empty_database(os.environ[TEMPLATE]) as url:
        yield url


class TestADatabaseOutOfReach:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_because_nobody_listens(self, command):
        url = "postgresql://trellis:hunter2@127.0.0.1:1/trellis"
        sentence = failing(*command, code=Exit.UNAVAILABLE, DATABASE_URL=url)
        assert sentence.startswith("The database cannot be reached: connection failed: ")
        assert "?." not in sentence
        assert "hunter2" not in sentence

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"password": "hunter2"}, "password authentication failed"),
            ({"dbname": "no such"}, 'database "no such" does not exist'),
            ({"host": "no.such.invalid"}, "no.such.invalid"),
            ({"host": "h:1", "hostaddr": ""}, "h:1"),
            ({"sslmode": "require"}, "server does not support SSL"),
            ({"sslmode": "nonsense"}, 'invalid sslmode value: "nonsense"'),
            ({"service": "nowhere"}, 'definition of service "nowhere" not found'),
            ({"host": "/tmp/no sockets"}, "/tmp/no sockets"),
            ({"host": "127.0.0.1,127.0.0.1", "port": "1,2"}, "Connection refused"),
            ({"target_session_attrs": "standby"}, "not in hot standby mode"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_because_of(self, changes, reason):
        with clone() as url:
            wrong = url_with(url, **changes)
            with suppress(psycopg.Error), psycopg.connect(wrong):
                pytest.skip("A DATABASE_URL whose server asks for no password, or has TLS.")
            sentence = failing("migrate", code=Exit.UNAVAILABLE, DATABASE_URL=wrong)
        assert sentence.startswith("The database cannot be reached: ")
        assert reason in sentence
        assert "hunter2" not in sentence


class TestASchemaThatIsNotThere:
    @pytest.mark.parametrize("command", AFTER_MIGRATE)
    def test_is_for_migrate_to_make(self, empty, command):
        assert failing(*command, DATABASE_URL=empty).startswith(MIGRATE)

    @pytest.mark.parametrize("command", AFTER_MIGRATE)
    def test_is_no_secret_of_another_program(self, empty, command):
        """Its tables have our names."""
        with psycopg.connect(empty) as connection:
            for table in ("users", "tags", "projects"):
                connection.execute(f"CREATE TABLE {table} (number int)")
        assert failing(*command, DATABASE_URL=empty).startswith(MIGRATE)


class TestMigrate:
    def test_without_the_right_to_create(self, empty):
        with role(empty) as stranger:
            sentence = failing("migrate", DATABASE_URL=stranger)
        assert sentence == "PostgreSQL refuses a migration: permission denied for schema public. Nothing was changed."

    def test_over_tables_of_somebody_else(self, empty):
        with psycopg.connect(empty, autocommit=True) as connection:
            connection.execute("CREATE TABLE users (number int)")
            sentence = failing("migrate", DATABASE_URL=empty)
            made = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert sentence == 'PostgreSQL refuses a migration: relation "users" already exists. Nothing was changed.'
        assert made == [("users",)]

    def test_over_anothers_migrations(self, empty):
        with psycopg.connect(empty) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
            connection.execute("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
        sentence = failing("migrate", DATABASE_URL=empty)
        assert sentence.startswith("The database's schema is ahead of this version's, at ae1027a6acf, and not within")

    def test_in_a_database_that_takes_no_changes(self, empty):
        with psycopg.connect(empty, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_read_only = on")
        sentence = failing("migrate", DATABASE_URL=empty)
        assert sentence.startswith("PostgreSQL refuses a migration: cannot execute CREATE TABLE in a read-only trans")


class TestAnUnfitDatabase:
    @pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
    @pytest.mark.parametrize("command", ["migrate", "serve"])
    def test_is_one_that_is_not_utf8(self, empty, command, encoding):
        name = f"trellis_other_{os.getpid()}"
        with psycopg.connect(empty, autocommit=True) as connection:
            locale = "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' {locale}")
            try:
                sentence = failing(command, DATABASE_URL=url_with(empty, dbname=name))
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        assert sentence == f"The database {name} is in {encoding}. One that was created with ENCODING 'UTF8' is needed."


class TestADomainError:
    def test_is_told_in_its_own_words(self):
        with clone() as url:
            assert (
                failing("users", "promote", "x@example.com", DATABASE_URL=url)
                == "No account with this id is visible to you."
            )


class TestTheDataFolder:
    @pytest.mark.parametrize("command", ["serve", "migrate", "purge"])
    def test_that_is_a_file(self, tmp_path, command):
        (tmp_path / "data").touch()
        sentence = failing(command, TRELLIS_DATA_DIR=str(tmp_path / "data"))
        assert sentence.startswith(f"The data folder cannot be used: {tmp_path}/data: Not a directory.")


class TestAFolderOfAModule:
    def test_without_a_manifest_stops_no_help(self, tmp_path):
        tree = trees.copied(tmp_path)
        trees.drop_in(tree, "notes", {"models.py": ""})
        helped = trees.run(tree, "-m", "app.cli", "--help")
        assert (helped.returncode, helped.stderr) == (0, "")
        assert "migrate" in helped.stdout
        refused = trees.run(tree, "-m", "app.cli", "migrate", TRELLIS_DATA_DIR=str(tmp_path / "data"))
        sentence = "trellis: Folder 'notes' of modules/ has no manifest: module.py is missing.\n"
        assert (refused.returncode, refused.stderr) == (1, sentence)

    def test_without_source_stops_nothing(self, tmp_path):
        tree = trees.copied(tmp_path)
        (tree / "modules" / "gone" / "__pycache__").mkdir(parents=True)
        with clone() as url:
            migrated = trees.run(tree, "-m", "app.cli", "migrate", DATABASE_URL=url)
        assert migrated.returncode == 0, migrated.stderr
