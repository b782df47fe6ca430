"""A primary and its streaming replicas, as processes of their own, on loopback; stopped by their process ids."""

import importlib.util
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.embedded.programs import PACKAGE, Account, account_for, find_programs
from tests.patience import PATIENCE, eventually
from tests.servers import free_port

needs_standby = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="The embedded PostgreSQL is not installed here."
)

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


@dataclass
class PostgreSQL:
    """A server on a folder."""

    folder: Path
    account: Account
    port: int
    process: "subprocess.Popen[Any] | None" = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://trellis@127.0.0.1:{self.port}/{database}?sslmode=disable&gssencmode=disable"

    def start(self) -> None:
        """Returns when it answers."""
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            command = [
                str(find_programs(self.account) / "postgres"),
                "-D",
                str(self.folder),
                "-p",
                str(self.port),
                *options,
            ]
            self.process = subprocess.Popen[bytes](command, stdout=log, stderr=log, cwd="/", **self.account._asdict())
        eventually(self._answers)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """At once. SIGKILL leaves its children to end by themselves."""
        if self.process is not None:
            self.process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
            self.process.kill()
            self.process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """All of its processes stand still, and nobody is told."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        pids = [self.process.pid, *map(int, children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder.parent / f"{self.folder.name}.log").read_text()
        with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=5):
            return True
        return False


@contextmanager
def replicated(replicas: int = 1) -> Iterator[tuple[PostgreSQL, list[PostgreSQL]]]:
    """A primary, and so many replicas that follow it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trellis-standby-")))
        account = account_for(folder / "primary")
        if account.user is not None:
            os.chown(folder, account.user, account.group or -1)
        primary = PostgreSQL(folder / "primary", account, free_port())
        _run(account, "initdb", "-D", primary.folder, "-U", "trellis", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        primary.start()
        stack.callback(primary.stop)
        standbys = []
        for number in range(replicas):
            standby = PostgreSQL(folder / f"standby{number}", account, free_port())
            copied = ("-D", standby.folder, "-d", primary.url(), "-R", "-c", "fast", "-X", "stream", "-N")
            _run(account, "pg_basebackup", *copied)
            standby.start()
            stack.callback(standby.stop)
            standbys.append(standby)
        yield primary, standbys


def _run(account: Account, name: str, *arguments: object) -> None:
    command = [str(find_programs(account) / name), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, cwd="/", **account._asdict())
