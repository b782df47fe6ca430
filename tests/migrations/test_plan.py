"""What migrations would do: seen on a copy of the schema, told before, and refused where others would wait."""

from collections.abc import Iterator, Sequence

import pytest
from alembic.config import Config

from app.migrations import MigrationError, upgrade, upgrading
from app.migrations.branches import heads, revisions
from app.migrations.environment import engine
from app.migrations.moves import Way
from app.migrations.planning import LARGE_BYTES, Rehearsal, copied, dangers, told
from tests.architecture import trees
from tests.database import url_with
from tests.migrations.catalog import connect, tables
from tests.migrations.test_to_here import add, newest

LARGE = {"tags": LARGE_BYTES, "users": 1}
NOBODY_USES = "and meanwhile, of tags: nobody can use it"
NOBODY_WRITES = "and meanwhile, of tags: nobody can write to it"


def way_of(statements: Sequence[str], **options: str) -> Way:
    """A migration that executes these, and undoes what a transaction can undo."""

    def way(config: Config, _target: str) -> None:
        watch, url = config.attributes["watch"], config.attributes["database_url"]
        with engine(url).connect() as connection, watch(connection):
            connection.execution_options(**options)
            for statement in statements:
                connection.exec_driver_sql(statement)
            connection.rollback()

    return way


@pytest.fixture(scope="module")
def rehearsal(settings) -> Iterator[Rehearsal]:
    with copied(settings.database_url, {revision.id for revision in revisions()}) as rehearsal:
        yield rehearsal


@pytest.fixture
def rehearse(rehearsal):
    """Runs statements in one transaction of a migration, and undoes them. What is known of them."""

    def run(*statements: str):
        rehearsal.steps.clear()
        rehearsal.run("tags_9999", way_of(statements), "")
        return rehearsal.steps

    return run


@pytest.fixture
def rehearse_alone(settings):
    """Runs statements as in a block of Alembic's `autocommit_block`. What is known of them."""

    def run(*statements: str):
        with copied(settings.database_url, {revision.id for revision in revisions()}) as rehearsal:
            rehearsal.run("tags_9999", way_of(statements, isolation_level="AUTOCOMMIT"), "")
            return rehearsal.steps

    return run


class TestAStatementInNoTransaction:
    """Alembic's `autocommit_block` is for what waits for nobody, but takes any statement."""

    @pytest.mark.parametrize(
        ("statement", "danger"),
        [
            ("ALTER TABLE tags ALTER version TYPE bigint", f"writes tags (64 MiB) anew, {NOBODY_USES}"),
            ("CREATE INDEX more ON tags (version)", f"reads all of tags (64 MiB), {NOBODY_WRITES}"),
        ],
    )
    def test_is_told_like_any_other(self, rehearse_alone, statement, danger):
        for before in ((), ("UPDATE users SET full_name = full_name",), ("CREATE INDEX other ON tags (name)",)):
            sentences = dangers(rehearse_alone(*before, statement), LARGE)
            assert sentences[-1].startswith("tags_9999 ")
            assert danger in sentences[-1]

    def test_that_waits_for_nobody_is_none(self, rehearse_alone):
        assert dangers(rehearse_alone("CREATE INDEX CONCURRENTLY more ON tags (version)"), LARGE) == []


class TestAStatement:
    @pytest.mark.parametrize(
        ("statement", "danger"),
        [
            ("ALTER TABLE tags ADD more float DEFAULT random()", f"writes tags (64 MiB) anew, {NOBODY_USES}"),
            ("ALTER TABLE tags ALTER version TYPE bigint", f"writes tags (64 MiB) anew, {NOBODY_USES}"),
            ("CREATE INDEX more ON tags (version)", f"reads all of tags (64 MiB), {NOBODY_WRITES}"),
            ("ALTER TABLE tags ADD UNIQUE (id, name)", f"reads all of tags (64 MiB), {NOBODY_USES}"),
            ("ALTER TABLE tags ADD CONSTRAINT more CHECK (version > 0)", f"reads all of tags (64 MiB), {NOBODY_USES}"),
            (
                "ALTER TABLE tags ADD CONSTRAINT more FOREIGN KEY (id) REFERENCES users",
                f"{NOBODY_WRITES}; of users: nobody can write to it",
            ),
            ("UPDATE tags SET version = version + 1", "of tags: nobody can change the rows that it changes"),
        ],
    )  # fmt: skip
    def test_is_told_when_others_wait_while_it_works_through_a_large_table(self, rehearse, statement, danger):
        """PostgreSQL reads it whole or writes it anew, and holds a lock meanwhile."""
        (sentence,) = dangers(rehearse(statement), LARGE)
        assert sentence.startswith("tags_9999 ")
        assert danger in sentence
        assert dangers(rehearse(statement), {}) == []

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE tags ADD more text",
            "ALTER TABLE tags ADD more text NOT NULL DEFAULT 'none'",
            "ALTER TABLE tags ADD CONSTRAINT more CHECK (version > 0) NOT VALID",
            "ALTER TABLE tags ALTER color TYPE text",
            "ALTER TABLE tags DROP COLUMN color",
            "SELECT count(*) FROM tags",
            "CREATE INDEX more ON users (full_name)",
            "CREATE TABLE more AS SELECT * FROM tags",
        ],
    )
    def test_is_not_when_nobody_waits_for_long(self, rehearse, statement):
        """It changes the catalogue alone, the table is small, or it takes no lock that keeps anybody out."""
        assert dangers(rehearse(statement), LARGE) == []

    def test_makes_others_wait_for_locks_that_were_taken_before(self, rehearse):
        """The first is done at once, but its lock is held through the second."""
        (sentence,) = dangers(rehearse("ALTER TABLE users ADD more text", "SELECT count(*) FROM tags"), LARGE)
        assert sentence.endswith("reads all of tags (64 MiB), and meanwhile, of users: nobody can use it")

    def test_may_prove_that_there_is_no_null_before(self, rehearse):
        """The CHECK is proven while others write, and SET NOT NULL reads nothing. So `trellis revision` writes it."""
        first = "ALTER TABLE tags ADD CONSTRAINT more CHECK (deleted_at IS NOT NULL) NOT VALID"
        assert dangers(rehearse(first, "COMMIT", "BEGIN"), LARGE) == []
        proven = ("ALTER TABLE tags VALIDATE CONSTRAINT more", "ALTER TABLE tags ALTER deleted_at SET NOT NULL")
        assert dangers(rehearse(*proven), LARGE) == []
        rehearse("ALTER TABLE tags DROP CONSTRAINT more", "COMMIT", "BEGIN")
        assert len(dangers(rehearse("ALTER TABLE tags ALTER deleted_at SET NOT NULL"), LARGE)) == 1

    def test_is_told_with_its_locks(self, rehearse):
        """Each lock once, with the statement that takes it."""
        lines = list(told(rehearse("ALTER TABLE tags ADD more text", "UPDATE tags SET more = ''"), LARGE))
        assert lines == [
            "-- tags_9999",
            "ALTER TABLE tags ADD more text;",
            "--   locks tags: AccessExclusive",
            "UPDATE tags SET more = '';",
            "--   reads all of tags (64 MiB)",
            "--   meanwhile, of tags: nobody can use it",
        ]


class TestTheCommand:
    def test_shows_and_refuses_what_blocks_a_large_table(self, tmp_path, url):
        """Nothing is left of the copy, and nothing is done until it is told to."""
        upgrade(url)
        tree = trees.copied(tmp_path)
        planning = tree / "app/migrations/planning.py"
        planning.write_text(planning.read_text().replace("64 << 20", "1"))
        head, newer = newest("users")
        (tree / "migrations/released.txt").write_text("release v1\n" + "\n".join(heads(revisions()).values()))
        more, less = (f"CREATE INDEX {name} ON users (full_name)" for name in ("more", "less"))
        add(tree / "migrations/versions", newer, head, (more, less))
        migrate = ("-m", "app.cli", "migrate")
        before = tables(url)

        shown = trees.run(tree, *migrate, "--plan", DATABASE_URL=url)
        assert shown.stdout.startswith(f"-- {newer}\nCREATE INDEX more ON users (full_name);\n"), shown.stderr
        danger = f"{newer} reads all of users (0 MiB), and meanwhile, of users: nobody can write to it"
        assert shown.stdout.endswith(f"-- WARNING: {danger}.\n")

        refused = trees.run(tree, *migrate, DATABASE_URL=url, TRELLIS_ENVIRONMENT="production")
        assert refused.returncode == 1
        assert f"trellis: {danger}. Nothing was changed." in refused.stderr
        with connect(url) as connection:
            left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'trellis_plan%'"
            assert connection.execute(left).fetchone() == (0,)
            assert connection.execute("SELECT to_regclass('more')").fetchone() == (None,)
        assert tables(url) == before

        done = trees.run(tree, *migrate, "--may-block", DATABASE_URL=url, TRELLIS_ENVIRONMENT="production")
        assert done.stdout == "The database is up to date.\n"
        assert trees.run(tree, *migrate, "--plan", DATABASE_URL=url).stdout == "-- There is nothing to do.\n"

        refused = trees.run(tree, *migrate, "--back", DATABASE_URL=url, TRELLIS_ENVIRONMENT="production")
        assert (refused.returncode, f"trellis: {danger}. Nothing was changed." in refused.stderr) == (1, True)
        done = trees.run(tree, *migrate, "--back", "--may-block", DATABASE_URL=url, TRELLIS_ENVIRONMENT="production")
        assert done.stdout == f"Taken back: {newer}.\n"

    def test_needs_no_copy_where_no_table_is_large(self, url, monkeypatch):
        """Which is most of the time."""
        monkeypatch.setattr(upgrading, "copied", None)
        with connect(url) as connection:
            connection.execute("CREATE TABLE small (id int)")
            upgrading._refuse_blocking(url, connection, upgrading._upwards(["users_0001"]))

    def test_says_what_it_lacks_the_right_for(self, url):
        """The copy stands in a schema of its own."""
        upgrade(url)
        with connect(url) as connection:
            connection.execute("CREATE ROLE trellis_planner LOGIN PASSWORD 'planner'")
            try:
                with (
                    pytest.raises(
                        MigrationError, match=r"may make none: GRANT CREATE ON DATABASE \S+ TO trellis_planner"
                    ),
                    copied(url_with(url, user="trellis_planner", password="planner"), set()),
                ):
                    pass
            finally:
                connection.execute("DROP ROLE trellis_planner")
