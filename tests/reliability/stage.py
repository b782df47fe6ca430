"""What a harness plays on: a database and servers of its own, with the settings that operators have by default."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from app.embedded import EmbeddedPostgres
from app.migrations import upgrade
from tests.patience import PATIENCE, eventually
from tests.servers import Server, serving

PASSWORD = "correct horse battery"
DEFAULTS = {
    **dict.fromkeys(("TRELLIS_POOL_WAIT_SECONDS", "TRELLIS_STATEMENT_SECONDS"), ""),
    **dict.fromkeys(("TRELLIS_MAX_REQUESTS", "TRELLIS_QUEUE_SECONDS"), ""),
    "TRELLIS_ARGON2_MEMORY_KIB": "8",
    "TRELLIS_ARGON2_ITERATIONS": "1",
}
"""The suite's servers have other limits, so that a slow machine reaches none. Empty is as if it was not set."""


@contextmanager
def database() -> Iterator[tuple[str, Path]]:
    """The URL of a new database, and a folder."""
    with tempfile.TemporaryDirectory(prefix="trellis-reliability-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user when the caller is root.
        with EmbeddedPostgres(folder / "postgres", durable=False) as embedded:
            upgrade(embedded.url)
            yield embedded.url, folder


@contextmanager
def stage(**settings: str) -> Iterator[tuple[Server, str]]:
    """A server, and the URL of its database."""
    with database() as (url, folder), serving(folder, DATABASE_URL=url, **(DEFAULTS | settings)) as server:
        yield server, url


def token(server: Server, name: str = "ann") -> str:
    """The `Authorization` of a new account."""
    account = {"email": f"{name}@example.com", "password": PASSWORD, "full_name": name}
    users, sessions = f"{server.url}/api/v1/users", f"{server.url}/api/v1/auth/sessions"
    # With short deadlines, a slow machine may have none in time.
    eventually(lambda: httpx2.post(users, json=account, timeout=PATIENCE).status_code in {201, 409})
    body = {"email": account["email"], "password": PASSWORD}
    access = eventually(lambda: httpx2.post(sessions, json=body, timeout=PATIENCE).json().get("access_token"))
    return f"Bearer {access}"


def memory(server: Server) -> float:
    """MiB that the server's process has resident."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
