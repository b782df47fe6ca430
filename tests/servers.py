"""Real servers: `trellis serve` as a process of its own, on loopback, stopped by its process id."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds for a server to become ready; these machines are slow at times. Not an assertion about speed."""


@dataclass
class Server:
    """A running `trellis serve`."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and give the exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def trellis(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def serving(folder: Path, until: str = "/health/ready", **environment: str) -> Iterator[Server]:
    """A server that answers this path with 200. Its log is in the folder, and its data unless DATABASE_URL is given."""
    port = free_port()
    log = folder / "serve.log"
    environment = {"TRELLIS_DATA_DIR": str(folder / "data"), "TRELLIS_ENVIRONMENT": "development"} | environment
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            cwd=ROOT,
            env=_environment(environment | {"PORT": str(port)}),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    server = Server(process, f"http://127.0.0.1:{port}", log)
    try:
        _await(server, until)
        yield server
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        process.kill()
        process.wait()


def _await(server: Server, path: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(httpx2.TransportError):
            if httpx2.get(server.url + path).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"The server did not become ready:\n{server.output()}")


def _environment(changes: dict[str, str]) -> dict[str, str]:
    """This process's environment without its settings, and with the changes."""
    ours = ("TRELLIS_", "DATABASE_URL", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPATH": str(ROOT)} | changes


def await_lock(url: str) -> None:
    """Wait until somebody waits for a lock in this database."""
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
            if row and row[0]:
                return
            time.sleep(0.02)
    raise AssertionError("Nobody waits for the lock.")
