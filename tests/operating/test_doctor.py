"""`trellis doctor`: each thing that it warns of is caused for real, as far as a test can."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.operating import database as of_database
from app.operating import machine
from app.operating.doctor import examined
from app.operating.findings import Deployment, Finding
from shared.manifest import Module, discover
from shared.settings import Settings
from tests.database import TEMPLATE, clone, empty_database, url_with
from tests.kernel.test_module_settings import INVOICES
from tests.servers import ROOT

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
VARIABLES = ("PORT", "TRELLIS_SECRET", "TRELLIS_ENVIRONMENT", "FORWARDED_ALLOW_IPS", "TMPDIR", "DATABASE_URL")


@pytest.fixture(autouse=True)
def _a_deployment(monkeypatch, tmp_path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRELLIS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TRELLIS_SECRET", SECRET)
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.0/8, 192.0.2.1")


@pytest.fixture
def url(monkeypatch) -> Iterator[str]:
    """Of a migrated database of its own. The server that tests run on is not durable, and its role a superuser."""
    discover()  # As the command line does: the modules tell what the schema should have.
    with clone() as url:
        monkeypatch.setenv("DATABASE_URL", url)
        yield url


@pytest.fixture
def mails_to(monkeypatch) -> Callable[[str], None]:
    """Sets where mail goes."""

    def set_to(mail_url: str) -> None:
        monkeypatch.setenv("TRELLIS_MAIL_FROM", "Trellis <no-reply@example.org>")
        monkeypatch.setenv("TRELLIS_PUBLIC_URL", "https://www.example.org")
        monkeypatch.setenv("TRELLIS_MAIL_URL", mail_url)

    return set_to


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.format(database=connection.info.dbname))


def embedded() -> AbstractContextManager[tuple[Settings, object]]:
    raise AssertionError("These tests bring a database.")


def all_findings(modules: Sequence[Module] = (), replicas: int = 1) -> list[Finding]:
    """But for the variable of the tests' own."""
    return [one for one in examined(modules, embedded, replicas) if TEMPLATE not in one.says]


def findings(subject: str, replicas: int = 1) -> list[Finding]:
    """What is found about one thing."""
    return [one for one in all_findings(replicas=replicas) if one.subject == subject]


def trouble(subject: str, replicas: int = 1) -> Finding:
    (found,) = [one for one in findings(subject, replicas) if one.word != "ok"]
    assert found.says
    assert found.way_out or subject == "jobs"
    return found


class TestADeploymentThatIsWell:
    def test_has_no_trouble(self, url, mails_to, mail_server):
        mails_to(f"smtp://127.0.0.1:{mail_server.port}")
        found = all_findings()
        assert {one.subject for one in found if one.word != "ok"} <= {"durability", "role"}
        assert {one.subject for one in found} >= {"secret", "proxy", "version", "schema", "sessions", "clock", "jobs"}
        assert {one.subject for one in found} >= {"mail", "temporary folder"}

    def test_over_a_durable_database_has_no_trouble_at_all(self, tmp_path, monkeypatch):
        """The embedded one, of which the command itself finds nothing bad. In JSON, with exit code 0."""
        done = command("--json", TRELLIS_DATA_DIR=str(tmp_path / "data"))
        told = json.loads(done.stdout)
        assert [one for one in told["findings"] if one["word"] != "ok"] == []
        assert (told["healthy"], done.returncode) == (True, 0)


def command(*options: str, limit: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRELLIS_", "DATABASE_URL"))}
    limited = f'{f"ulimit -n {limit};" if limit else ""} exec "$@"'
    return subprocess.run(
        ["sh", "-c", limited, "sh", sys.executable, "-m", "app.cli", "doctor", *options],
        cwd=ROOT,
        env=kept | {"PYTHONPATH": str(ROOT), "FORWARDED_ALLOW_IPS": "10.0.0.1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class TestTheCommand:
    def test_tells_all_errors_a_line_each_and_exits_with_1(self, tmp_path):
        """Nothing of it needs the database, which cannot be reached."""
        environment = {"DATABASE_URL": "postgresql://ann:hunter2@127.0.0.1:1/x", "TRELLIS_DATA_DIR": str(tmp_path)}
        done = command(limit=900, **environment)
        assert done.returncode == 1, done.stderr
        *lines, summary = done.stdout.splitlines()
        assert [line.split()[1] for line in lines if line.startswith("error ")] == ["secret", "database"]
        assert [line.split()[1] for line in lines if line.startswith("warning ")] == ["open", "mail"]
        assert "trellis" not in done.stderr
        assert summary.startswith("2 errors, 2 warnings, ")
        assert "hunter2" not in done.stdout + done.stderr


class TestSettings:
    def test_that_are_wrong_are_told_each(self, monkeypatch):
        monkeypatch.setenv("TRELLIS_POOL_SIZE", "hunter2")
        monkeypatch.setenv("TRELLIS_INVOICES_DUE_DAYS", "0")
        monkeypatch.setenv("TRELLIS_INVOICES_KEY", "x")
        found = all_findings([INVOICES])
        assert [(one.word, one.says.split()[0]) for one in found] == [
            ("error", "TRELLIS_POOL_SIZE"),
            ("error", "TRELLIS_INVOICES_DUE_DAYS"),
        ]
        assert "hunter2" not in str(found)

    def test_that_are_unknown_are_told(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_POLL_SIZE", "5")
        assert trouble("settings").says.endswith("Is TRELLIS_POOL_SIZE meant?")


class TestTheSecret:
    def test_that_is_missing_in_production(self, url, monkeypatch):
        monkeypatch.delenv("TRELLIS_SECRET")
        assert trouble("secret")[::2] == ("error", "TRELLIS_SECRET is not set.")

    def test_that_is_weak(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET", "x" * 40)
        assert trouble("settings").says.startswith("TRELLIS_SECRET is too weak.")

    def test_that_repeats_itself(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET", "abcdefghij" * 3 + "ab")
        assert trouble("secret").word == "warning"


class TestTheDataFolder:
    def test_whose_secret_others_can_read(self, url, monkeypatch, tmp_path):
        secret = tmp_path / "data" / "secret"
        secret.parent.mkdir()
        secret.write_text(SECRET)
        secret.chmod(0o640)
        assert str(secret) in trouble("data folder").way_out
        secret.chmod(0o600)
        assert [one.word for one in findings("data folder")] == ["ok"]

    def test_that_is_full(self, tmp_path, monkeypatch):
        monkeypatch.delenv("TRELLIS_SECRET")
        monkeypatch.setattr(machine, "FULL_BYTES", 1 << 60)
        monkeypatch.setattr(machine, "TIGHT_BYTES", 1 << 60)
        (tmp_path / "data").mkdir()
        found = [*machine.data_folder(Deployment(Settings.load(), True, 1, 0))]
        assert [one.word for one in found] == ["ok", "error"]


class TestTheTemporaryFolder:
    def test_that_does_not_exist_is_replaced_by_python(self, url, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", "/no/such/folder")
        assert "/no/such/folder" in trouble("temporary folder").says

    def test_where_nothing_can_be_written(self, url, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
        assert trouble("temporary folder").word == "error"

    def test_that_has_no_room_for_the_largest_import(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_MAX_IMPORT_BYTES", str(1 << 40))
        assert trouble("temporary folder").word in {"error", "warning"}


class TestTheProxy:
    def test_that_is_not_named(self, url, monkeypatch):
        monkeypatch.delenv("FORWARDED_ALLOW_IPS")
        assert trouble("proxy").word == "warning"

    @pytest.mark.parametrize(
        "given", ["*", "proxy.internal", "1.0.0.1/8", "1.0.0.1, *", "0.0.0.0/0", "::/0", "::ffff:0:0/96"]
    )
    def test_that_is_no_address(self, monkeypatch, given):
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", given)
        (found,) = all_findings()
        assert (found.word, found.says.split()[0]) == ("error", "FORWARDED_ALLOW_IPS")


class TestTheVersion:
    @pytest.mark.parametrize(
        ("name", "number", "word"), [("OLDEST_VERSION", 99, "error"), ("NEWEST_VERSION", 14, "warning")]
    )
    def test_that_was_never_tried(self, url, monkeypatch, name, number, word):
        monkeypatch.setattr(of_database, name, number)
        assert trouble("version").word == word


class TestTheEncoding:
    def test_that_is_not_utf8(self, url, monkeypatch):
        name = f"trellis_latin_{os.getpid()}"
        run(url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
        monkeypatch.setenv("DATABASE_URL", url_with(url, dbname=name))
        try:
            assert trouble("encoding").says == "The database is in LATIN1."
        finally:
            run(url, f"DROP DATABASE {name} WITH (FORCE)")

    def test_whose_order_has_changed_with_a_library(self, url):
        run(url, "UPDATE pg_database SET datcollversion = '0.9' WHERE datname = '{database}'")
        assert "REFRESH COLLATION VERSION" in trouble("collation").way_out


class TestDurability:
    def test_that_the_server_does_not_have(self, url):
        """As the one that tests run on."""
        names = ["fsync", "full_page_writes", "synchronous_commit"]
        with psycopg.connect(url) as connection:
            off = {f"{name} is off" for name in names if connection.execute(f"SHOW {name}").fetchone() == ("off",)}
        if not off:
            pytest.skip("A DATABASE_URL whose server is durable.")
        says = {one.says.partition(":")[0] for one in findings("durability") if one.word == "error"}
        assert says == off

    def test_that_the_database_has_given_up(self, url):
        run(url, "ALTER DATABASE {database} SET synchronous_commit = off")
        assert "synchronous_commit is off" in " ".join(one.says for one in findings("durability"))


@contextmanager
def on_a_full_disk(url: str, folder: Path) -> Iterator[None]:
    """The database lies in a small file system, of which nothing is left. The log of PostgreSQL lies elsewhere."""
    name, tablespace = conninfo_to_dict(url)["dbname"], f"trellis_small_{os.getpid()}"
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        process = Path(f"/proc/{connection.info.backend_pid}")
        owner = process.stat() if process.exists() else pytest.skip("PostgreSQL is on another machine")
        options = f"size=64m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "trellis", folder], check=False).returncode != 0:
            pytest.skip("nothing can be mounted here")
        try:
            connection.execute(f"CREATE TABLESPACE {tablespace} LOCATION '{folder}'")
            connection.execute(f"ALTER DATABASE {name} SET TABLESPACE {tablespace}")
            run(url)  # The first connection writes a file.
            with suppress(OSError), Path(folder, "filled").open("wb", buffering=0) as filled:
                while filled.write(bytes(4096)):
                    pass
            yield
            Path(folder, "filled").unlink()
            connection.execute(f"ALTER DATABASE {name} SET TABLESPACE pg_default")
            connection.execute(f"DROP TABLESPACE {tablespace}")
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


class TestTheSecrets:
    def test_that_went_before_is_looked_at_like_the_present_one(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_SECRET_PREVIOUS", "abcdefghij" * 3 + "ab")
        found = trouble("secret")
        assert (found.word, found.says.startswith("The previous secret looks as if ")) == ("warning", True)

    @pytest.mark.parametrize(("mode", "is_well"), [(0o400, True), (0o444, True), (0o664, False), (0o666, False)])
    def test_in_a_file_are_nobody_elses_to_write(self, url, monkeypatch, tmp_path, mode, is_well):
        (file := tmp_path / "secret").write_text(SECRET)
        file.chmod(mode)
        monkeypatch.delenv("TRELLIS_SECRET")
        monkeypatch.setenv("TRELLIS_SECRET_FILE", str(file))
        assert [one.word for one in findings("secret files")] == ([] if is_well else ["error"])


class TestMail:
    def test_by_a_server_that_answers_is_well(self, url, mails_to, mail_server):
        mails_to(f"smtp://127.0.0.1:{mail_server.port}")
        assert findings("mail") == [("ok", "mail", "127.0.0.1 answers.", "")]
        assert mail_server.mails == []

    def test_by_a_server_that_does_not_answer_is_an_error_that_tells_no_password(self, url, mails_to):
        mails_to("smtp://ann:hunter2@127.0.0.1:1")
        found = trouble("mail")
        assert found.word == "error"
        assert found.says.startswith("The mail server cannot be used: ")
        assert "hunter2" not in f"{found}"

    def test_that_is_kept_in_a_folder_reaches_nobody(self, url, mails_to, tmp_path):
        mails_to((tmp_path / "mail").as_uri())
        found = trouble("mail")
        assert (found.word, found.says.startswith("No mail is sent: it is kept in ")) == ("warning", True)

    def test_that_can_be_kept_nowhere_is_an_error(self, url, mails_to, tmp_path):
        (tmp_path / "file").touch()
        mails_to((tmp_path / "file" / "mail").as_uri())
        assert (trouble("mail").word, trouble("mail").says.startswith("No mail can be kept in ")) == ("error", True)

    @pytest.mark.parametrize(("environment", "word"), [("production", "warning"), ("development", "ok")])
    def test_that_is_not_sent_may_be_meant(self, url, monkeypatch, environment, word):
        monkeypatch.setenv("TRELLIS_ENVIRONMENT", environment)
        (found,) = findings("mail")
        assert (found.word, found.says.startswith("No mail is sent.")) == (word, True)


class TestRoom:
    def test_that_there_is_none_is_an_error(self, url):
        """Only a folder that everybody may enter is PostgreSQL's to use."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            (small := Path(folder, "small")).mkdir()
            with on_a_full_disk(url, small):
                found = trouble("room")
        assert found.word == "error"
        assert "No space left on device" in found.says

    def test_is_not_spoken_of_where_nothing_may_be_tried(self, url):
        run(url, "ALTER DATABASE {database} SET default_transaction_read_only = on")
        assert findings("room") == []


class TestConnections:
    def test_that_are_too_few_for_all_replicas(self, url):
        found = trouble("connections", replicas=1000)
        assert found.word == "error"
        assert "1000 x 20 for servers, 1 x 15 for workers, 3 spare" in found.says

    def test_are_as_many_as_a_lane_and_a_worker_can_open(self, url):
        """The arithmetic is that of `Database` and of the worker."""
        assert "1 x 20 for servers, 1 x 15 for workers, 3 spare" in findings("connections")[0].says

    def test_of_servers_are_the_poolers_own_where_there_is_one(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_POOLED_URL", url)
        assert "1 x 0 for servers, 1 x 7 for workers, 3 spare" in findings("connections")[0].says


class TestThePooler:
    def test_that_leads_to_the_same_database_is_well(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_POOLED_URL", url)
        assert [one.word for one in findings("pooler")] == ["ok"]

    def test_that_leads_to_another_one_is_an_error(self, url, monkeypatch):
        with clone() as other:
            monkeypatch.setenv("TRELLIS_POOLED_URL", other)
            found = trouble("pooler")
        assert found.word == "error"
        assert "leads to another database" in found.says

    def test_that_is_out_of_reach_is_an_error_that_names_its_variable(self, url, monkeypatch):
        """DATABASE_URL is right."""
        monkeypatch.setenv("TRELLIS_POOLED_URL", url_with(url, host="127.0.0.1", port="1"))
        (found,) = findings("pooler")
        assert found.word == "error"
        assert found.says.endswith("TRELLIS_POOLED_URL says where it is.")

    def test_is_not_spoken_of_where_there_is_none(self, url):
        assert findings("pooler") == []


class TestReplicas:
    def test_that_are_none_are_not_read_from(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_REPLICA_URLS", url)
        assert "takes writes of its own" in trouble("replicas").says

    def test_that_do_not_answer_are_named(self, url, monkeypatch):
        monkeypatch.setenv("TRELLIS_REPLICA_URLS", "postgresql://trellis:x@127.0.0.1:1/trellis")
        assert "127.0.0.1, port 1, is not read from until it answers" in trouble("replicas").says


class TestTheRole:
    def test_that_may_not_write_anywhere(self, url):
        run(url, "ALTER DATABASE {database} SET default_transaction_read_only = on")
        assert any("no write can be done" in one.says and one.word == "error" for one in findings("role"))

    def test_that_may_not_write_some_tables(self, url, monkeypatch):
        name = f"trellis_reader_{os.getpid()}"
        run(url, f"CREATE ROLE {name} LOGIN PASSWORD 'x'", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
        try:
            run(url, f"GRANT INSERT, UPDATE, DELETE ON sessions TO {name}")
            monkeypatch.setenv("DATABASE_URL", url_with(url, user=name, password="x"))
            denied = [one.says.split()[-1] for one in findings("role") if one.word == "error"]
        finally:
            run(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
        assert {"journal.", "procrastinate_jobs."} <= {*denied}
        assert "sessions." not in denied

    def test_that_may_use_every_table_and_no_sequence(self, url, monkeypatch):
        """So it puts no job into the queue: no mail is sent."""
        name = f"trellis_writer_{os.getpid()}"
        run(url, f"CREATE ROLE {name} LOGIN PASSWORD 'x'", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        try:
            monkeypatch.setenv("DATABASE_URL", url_with(url, user=name, password="x"))
            denied = [one.says.partition(" may not ")[2] for one in findings("role") if one.word == "error"]
            run(url, f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")
            assert [one.word for one in findings("role")] == ["ok"]
        finally:
            run(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
        assert "use the sequence procrastinate_jobs_id_seq." in denied
        assert not [what for what in denied if "table" in what]

    def test_that_sees_no_sessions_of_others_though_metrics_are_served(self, url, monkeypatch):
        """PostgreSQL hides what they do, and an administrator's forgotten transaction would wake nobody."""
        name = f"trellis_blind_{os.getpid()}"
        run(url, f"CREATE ROLE {name} LOGIN PASSWORD 'x'", f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        run(url, f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")
        try:
            monkeypatch.setenv("DATABASE_URL", url_with(url, user=name, password="x"))
            monkeypatch.setenv("TRELLIS_METRICS_PORT", "9400")
            found = [one for one in findings("role") if one.word == "warning"]
            run(url, f"GRANT pg_read_all_stats TO {name}")
            assert [one.word for one in findings("role")] == ["ok"]
        finally:
            run(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
        assert [one.way_out for one in found] == [f"GRANT pg_read_all_stats TO {name};"]

    def test_that_is_a_superuser(self, url):
        assert trouble("role").word == "warning"


class TestTheTransport:
    def test_without_tls_to_another_machine(self, url, monkeypatch):
        """By its name, as libpq sees it; the address leads here all the same."""
        monkeypatch.setenv("DATABASE_URL", url_with(url, host="db.example", hostaddr="127.0.0.1"))
        assert trouble("transport").says == "Passwords and data go to db.example without TLS."


class TestTheSchema:
    def test_that_is_not_there(self, monkeypatch):
        with empty_database(os.environ[TEMPLATE]) as url:
            monkeypatch.setenv("DATABASE_URL", url)
            assert trouble("schema").way_out == "trellis migrate"

    @pytest.mark.parametrize(
        ("statement", "part"),
        [
            ("ALTER TABLE project_tags DROP CONSTRAINT pk_project_tags", "pk_project_tags of project_tags"),
            ("ALTER TABLE projects DROP CONSTRAINT fk_projects_owner_id", "fk_projects_owner_id of projects"),
            ("DROP INDEX ix_journal_xid_id", "ix_journal_xid_id of journal"),
            ("DROP TRIGGER journal_changed ON tags", "journal_changed of tags"),
            ("ALTER TABLE users DISABLE TRIGGER touch", "touch of users"),
            (
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_journal_xid_id'::regclass",
                "ix_journal_xid_id of journal",
            ),
        ],
        ids=["a key", "a foreign key", "an index", "a trigger", "a trigger at work", "a valid index"],
    )
    def test_that_lacks(self, url, statement, part):
        """As a restore leaves it that stopped halfway, or an index that could not be built."""
        run(url, statement)
        found = trouble("schema")
        assert (found.word, found.says.endswith(f" disabled: {part}.")) == ("error", True)

    def test_that_lacks_much_is_told_in_a_line(self, url):
        run(url, "DROP TABLE project_tags, journal", "CREATE TABLE project_tags ()", "CREATE TABLE journal ()")
        assert " more." in trouble("schema").says


class TestTheClock:
    def test_that_is_another(self, url, monkeypatch):
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + 90)
        assert trouble("clock").word == "error"


class TestJobs:
    STATUS = "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, scheduled_at) VALUES ('trellis',"

    def test_that_nobody_does(self, url):
        run(url, f"{self.STATUS} 'trellis', '{{{{}}}}', 'todo', now() - interval '1 hour')")
        assert trouble("jobs")[:3] == ("error", "jobs", "Jobs that are due for more than 10 minutes: 1.")

    def test_that_were_made_long_ago_and_are_due_now(self, url):
        run(url, f"{self.STATUS} 'trellis', '{{{{}}}}', 'todo', NULL)")
        assert [one.word for one in findings("jobs")] == ["ok"]
        run(url, "UPDATE procrastinate_events SET at = at - interval '1 hour'")
        assert trouble("jobs").word == "error"

    def test_that_were_given_up(self, url):
        run(url, f"{self.STATUS} 'trellis', '{{{{}}}}', 'failed', NULL)")
        assert trouble("jobs")[:3] == ("warning", "jobs", "Jobs that were given up: 1.")


class TestVacuum:
    def test_that_does_not_keep_up(self, url, monkeypatch):
        monkeypatch.setattr(of_database, "WRAPAROUND", -1)
        assert trouble("vacuum").word == "error"


class TestTheDatabase:
    def test_that_cannot_be_reached_is_the_last_finding(self, url, monkeypatch):
        monkeypatch.setenv("DATABASE_URL", url_with(url, dbname="no such"))
        *_, last = all_findings()
        assert (last.word, last.subject) == ("error", "database")
        assert 'database "no such" does not exist' in last.says
