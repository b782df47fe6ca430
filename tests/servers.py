"""Real servers: `trellis serve` as a process of its own, on loopback, stopped by its process id."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import httpx2
import psycopg

from tests.forks import Fork
from tests.patience import PATIENCE, eventually

ROOT = Path(__file__).parents[1]
Process = subprocess.Popen[str] | Fork


@dataclass
class Server:
    """A running `trellis serve`."""

    process: Process
    url: str
    log: Path

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and give the exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        """Ask it."""
        return httpx2.get(self.url + path, timeout=PATIENCE, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        """Tell it."""
        return httpx2.post(self.url + path, timeout=PATIENCE, **options)

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()


def free_port() -> int:
    """A port that nobody listens on just now, and none of those that are given to who asks for any."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def trellis(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        process = started(arguments, environment, output, errors)
        try:
            code = process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(["trellis", *arguments], code, output.read(), errors.read())


OF_PYTHON = ("PYTHON", "LC_", "LANG", "LD_", "TZ")
"""The beginnings of variables that are read once, when a Python starts: a fork would not heed them."""


def started(
    arguments: Sequence[str], changes: Mapping[str, str], output: IO[str], errors: IO[str] | None = None
) -> Process:
    """A process of `trellis`: a fork, unless the environment differs in what a fork would not heed."""
    errors = errors or output
    folder, environment = Path(changes.get("PYTHONPATH", ROOT)), own_environment(changes)
    if not any(name.startswith(OF_PYTHON) for name in changes):
        return Fork(arguments, folder, environment, output, errors)
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=errors, text=True)


@contextmanager
def serving(
    folder: Path, until: str = "/health/ready", worker: str = "false", options: Sequence[str] = (), **environment: str
) -> Iterator[Server]:
    """A server that answers this path with 200. Its log is in the folder, and its data unless DATABASE_URL is given. It
    serves another tree whose path is given as PYTHONPATH. A worker takes a while to start, so there is none unless
    `worker` is "true", or empty and the default says so.
    """
    log = folder / "serve.log"
    environment = {
        "PORT": "0",  # One that is free now may be taken by the time it is listened on.
        "TRELLIS_DATA_DIR": str(folder / "data"),
        "TRELLIS_ENVIRONMENT": "development",
        # On a slow machine many requests at once would reach the limits that users have.
        "TRELLIS_POOL_WAIT_SECONDS": str(PATIENCE),
        "TRELLIS_STATEMENT_SECONDS": str(PATIENCE),
        "TRELLIS_DRAIN_SECONDS": "0",
        "TRELLIS_MAX_REQUESTS": "1000",
        "TRELLIS_QUEUE_SECONDS": str(PATIENCE),
        **({"TRELLIS_WORKER": worker} if worker else {}),
    } | environment
    with log.open("a") as output:
        begins_at = output.tell()
        process = started(["serve", *options], environment, output)
    server = Server(process, "", log)
    try:
        _await(server, until, begins_at)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        process.kill()
        process.wait()


def _await(server: Server, path: str, begins_at: int) -> None:
    def is_ready() -> bool:
        told = re.search(rb"Listening on (http://[0-9.:[\]]+)", server.log.read_bytes()[begins_at:])
        server.url = told[1].decode() if told else ""
        with suppress(httpx2.TransportError):
            return bool(server.url) and server.get(path).status_code == 200
        return False

    try:
        eventually(lambda: server.process.poll() is not None or is_ready())
        assert server.process.poll() is None, "The server has ended."
    except AssertionError as error:
        error.add_note(server.output())
        raise


def own_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its settings, and with the changes."""
    settings = _settings()
    kept = {name: value for name, value in os.environ.items() if name not in settings}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(changes)


def forget_settings(but: Sequence[str]) -> None:
    """Tests do not heed what the shell has set for a server."""
    for name in _settings() - {*but}:
        del os.environ[name]


def _settings() -> set[str]:
    ours = ("TRELLIS_", "DATABASE_URL", "PORT", "FORWARDED_ALLOW_IPS", "OTEL_")
    return {name for name in os.environ if name.startswith(ours)}


WAITING = """
    FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()
"""
"""Who waits for a lock in this database; on the server there are the databases of other tests, too."""


def await_lock(url: str, number: int = 1) -> None:
    """Wait until so many wait for a lock in this database."""
    with psycopg.connect(url, autocommit=True) as connection:
        eventually(lambda: connection.execute(f"SELECT count(*) {WAITING}").fetchone() == (number,))
