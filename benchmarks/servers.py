"""The contestants, each as a process of its own on one core, stopped by its process id."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import httpx2

from benchmarks.processes import family_seconds, postmaster

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
PEERS = ROOT / "benchmarks" / "peers"
SERVER_CORE = "0"
SECRET = "bG9uZyBlbm91Z2gsIGFuZCBvbmx5IGZvciBiZW5jaG1hcmtz"  # noqa: S105 (of a database that is thrown away)
PATIENCE = 60.0
"""Seconds for a server to become ready, or to stop."""
PREFIX = "/api/v1"


@dataclass(frozen=True)
class Contestant:
    """A server to measure: how to start it, and what has to be there."""

    name: str
    label: str
    command: tuple[str, ...]
    needs: Path
    folder: Path = ROOT
    is_trellis: bool = False

    def missing(self) -> str | None:
        """Why it cannot be started here; None when it can."""
        if shutil.which(self.command[0]) is None:
            return f"{Path(self.command[0]).name} is not there"
        return None if self.needs.exists() else f"{self.needs.relative_to(ROOT)} is not there"


def _tutorial(module: str) -> tuple[str, ...]:
    uvicorn = ROOT / ".venv-bench" / "bin" / "uvicorn"
    return (str(uvicorn), "--app-dir", str(PEERS), "--no-access-log", "--log-level", "warning", f"{module}:app")


def _node(name: str, label: str) -> Contestant:
    return Contestant(name, label, ("node", "server.js"), PEERS / name / "node_modules", PEERS / name)


_VENV = ROOT / ".venv-bench"
GRANIAN_PACKAGES = _VENV / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
TRELLIS = Contestant("trellis", "Trellis", (str(PROGRAMS / "trellis"), "serve"), PROGRAMS / "trellis", is_trellis=True)
_ELYSIA = PEERS / "elysia-drizzle"
CONTESTANTS = (
    TRELLIS,
    Contestant(
        "granian",
        "Trellis under Granian",
        (sys.executable, "-m", "benchmarks.under_granian"),
        GRANIAN_PACKAGES / "granian",
        is_trellis=True,
    ),
    Contestant("tutorial-async", "FastAPI + SQLModel tutorial, async", _tutorial("tutorial_async"), _VENV),
    Contestant("tutorial-sync", "FastAPI + SQLModel tutorial, sync", _tutorial("tutorial_sync"), _VENV),
    Contestant("litestar", "Litestar + SQLAlchemy plugin", _tutorial("litestar_app"), _VENV),
    _node("fastify-drizzle", "Fastify + Drizzle"),
    _node("fastify-pg", "Fastify + raw pg"),
    Contestant(
        "elysia-drizzle",
        "Elysia + Drizzle on Bun",
        (str(_ELYSIA / "node_modules" / ".bin" / "bun"), "server.js"),
        _ELYSIA / "node_modules",
        _ELYSIA,
    ),
)


@dataclass(frozen=True)
class Server:
    """A contestant that runs."""

    contestant: Contestant
    process: "subprocess.Popen[bytes]"
    url: str
    postmaster: int | None

    def resident_mib(self) -> float:
        """Its memory now: the resident set, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def processor_seconds(self) -> float:
        """The processor time it has used so far, with its workers where they are processes of their own."""
        return family_seconds(self.process.pid)

    def postgresql_seconds(self) -> float:
        """The processor time that the PostgreSQL behind it has used so far; 0 when that is on another machine."""
        return family_seconds(self.postmaster) if self.postmaster else 0


class ServerFailed(click.ClickException):
    """A contestant does not start, or does not answer as it should."""


@contextmanager
def running(contestant: Contestant, database_url: str) -> Iterator[Server]:
    """The contestant, answering. It ends with this process, however that ends."""
    port = _free_port()
    variables = {
        "DATABASE_URL": database_url,
        "PORT": str(port),
        "UVICORN_PORT": str(port),
        "NODE_ENV": "production",
        "TRELLIS_ENVIRONMENT": "production",
        "TRELLIS_SECRET": SECRET,
        "TRELLIS_ACCESS_LOG": "false",  # As with all others.
        # Counted, and never reached: one token and one address have all of the load.
        "TRELLIS_CREDENTIAL_LIMIT": "100000000/10",
        "TRELLIS_ADDRESS_LIMIT": "100000000/10",
        "TRELLIS_ACCESS_TOKEN_SECONDS": "86400",  # One token lasts for the whole run.
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRELLIS_", "UVICORN_"))}
    pinned = ("setpriv", "--pdeathsig", "TERM", "taskset", "-c", SERVER_CORE)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*pinned, *contestant.command],
            cwd=contestant.folder,
            env=kept | variables,
            stdout=log,
            stderr=log,
            # Linux shares its processors out by session. In one with wrk, on a machine that is not quiet, servers with
            # several threads got three times as much of their core as those with one.
            start_new_session=True,
        )
        server = Server(contestant, process, f"http://127.0.0.1:{port}", postmaster(database_url))
        try:
            _await(server)
            yield server
        except Exception:
            log.seek(0)
            click.echo(f"The end of the log of {contestant.name}:\n{log.read()[-2000:].decode()}", err=True)
            raise
        finally:
            _stop(process)


def _await(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(httpx2.TransportError):
            httpx2.get(f"{server.url}{PREFIX}/projects")  # Refused for want of a token; but answered.
            return
        time.sleep(0.05)
    raise ServerFailed(f"{server.contestant.name} does not answer.")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
