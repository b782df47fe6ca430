"""Clusters of PostgreSQL that tests start, stop and restore, with the programs of the embedded one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from app.embedded import EmbeddedPostgresError
from app.embedded.programs import Account, account_for, find_programs
from tests.patience import PATIENCE, eventually
from tests.servers import free_port


def program(name: str) -> str:
    """A client program of PostgreSQL, newer than any server that tests run on."""
    try:
        return str(find_programs(Account()) / name)
    except EmbeddedPostgresError:
        pytest.skip("The extra `embedded` is not installed.")


def run(*command: str) -> str:
    """The output of a program that succeeds."""
    done = subprocess.run(
        [program(command[0]), *command[1:]], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Cluster:
    """A data folder, and the server on it. It asks for no password and listens on the loopback only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgresql://trellis@127.0.0.1:{self.port}/postgres"
        self._account = account_for(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """A new one."""
        options = ["--username=trellis", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [self._program("initdb"), f"--pgdata={self.folder}", *options],
            check=True,
            capture_output=True,
            timeout=PATIENCE,
            **self._as_account(),
        )

    def start(self, **settings: str) -> None:
        """Until it answers and takes writes."""
        fixed = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [f"--{name}={value}" for name, value in (fixed | settings).items()]
        with (self.folder.parent / f"{self.folder.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program("postgres"), "-D", self.folder, *options],
                stdout=log,
                stderr=log,
                **self._as_account(),
            )
        eventually(self._takes_writes)

    def stop(self) -> None:
        """At once, as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def query(self, statement: str) -> str:
        """The value that a statement gives."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return str(cursor.fetchone()[0]) if cursor.description else ""

    def _takes_writes(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder.parent / f"{self.folder.name}.log").read_text()
        with suppress(psycopg.OperationalError):
            return self.query("SELECT pg_is_in_recovery()") == "False"
        return False

    def _program(self, name: str) -> Path:
        return find_programs(self._account) / name

    def _as_account(self) -> dict[str, object]:
        return {**self._account._asdict(), "cwd": "/"}


@contextmanager
def folder_of_clusters() -> Iterator[Path]:
    """A folder in which PostgreSQL's account may write, and to which it gets."""
    program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="trellis-clusters-"))
    account = account_for(folder)
    if account.user is not None:
        os.chown(folder, account.user, account.group or -1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
