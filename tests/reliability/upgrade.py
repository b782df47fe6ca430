"""An upgrade under load: the release before and this version serve one database while it is migrated.

`python -m tests.reliability.upgrade --help`. Clients write and read all the time, by the release before and then by
both. A reader holds a lock on the table that the migration changes. No request may fail, no write may be lost or
doubled, and none may wait longer than a second.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click
import httpx2
import psycopg

from app.embedded import EmbeddedPostgres
from app.migrations.back import released
from app.migrations.branches import heads, revisions
from tests.architecture import trees
from tests.architecture.trees import ROOT
from tests.patience import PATIENCE, eventually
from tests.servers import Server, serving

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
SHORT = ("--seconds", "2", "--clients", "1")
MOST_SECONDS = 1.0
"""How long a write may be blocked."""

MIGRATION = '''"""More about projects."""

from alembic import op

revision = "projects_{number:04}"
down_revision = "{before}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE projects ADD more text, ADD kind text NOT NULL DEFAULT 'plain'")


def downgrade() -> None:
    op.execute("ALTER TABLE projects DROP more, DROP kind")
'''
"""What the next version of this one brings: an expansion, so that both can go on."""


class NoRelease(Exception):
    """There is no release before, or its code cannot be had; the message says why."""


@dataclass
class Ledger:
    """What clients saw."""

    failures: list[str] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    """When each write began, and how long it took, in seconds."""
    acknowledged: dict[str, str] = field(default_factory=dict)


class Client(Thread):
    """Makes a project, reads it, changes it, lists; and again. Nothing is asked twice."""

    def __init__(self, number: int, server: Server, token: str, ledger: Ledger, end: Event) -> None:
        super().__init__(daemon=True)
        self._number = number
        self._ledger = ledger
        self._end = end
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.Client(base_url=f"{server.url}/api/v1", headers=headers, timeout=PATIENCE)

    def run(self) -> None:
        turn = 0
        with self._http:
            while not self._end.is_set():
                turn += 1
                name = f"{self._number}-{turn}"
                made = self._ask("POST", "/projects", json={"name": name})
                if made is None:
                    continue
                self._ledger.acknowledged[name] = made["id"]
                self._ask("GET", f"/projects/{made['id']}")
                self._ask("PATCH", f"/projects/{made['id']}", json={"description": name})
                self._ask("GET", "/projects?limit=5")

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        began = time.monotonic()
        try:
            answer = self._http.request(method, path, **options)
            if not answer.is_success:
                self._ledger.failures.append(f"{method} {path}: {answer.status_code} {answer.text}")
                return None
        except httpx2.TransportError as error:
            self._ledger.failures.append(f"{method} {path}: {error!r}")
            return None
        if method != "GET":
            self._ledger.waits.append((began, time.monotonic() - began))
        return answer.json()


def first_session(server: Server, tree: Path = ROOT) -> tuple[str, list[str]]:
    """Paste the first session of the README in this tree. What it printed, and the statuses that are no 200 or 201."""
    session = re.search(r"```bash\n(.*?)```", (tree / "README.md").read_text(), re.DOTALL)
    assert session is not None
    begins_at = len(server.output())
    pasted = subprocess.run(
        ["bash"],
        input=session[1],
        env=os.environ | {"PORT": server.url.rpartition(":")[2]},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert pasted.stderr == ""
    eventually(lambda: " 401" in server.output()[begins_at:])  # A line is written after its answer.
    statuses = re.findall(r'(?: HTTP/1.1" |"message":"[A-Z]+ \S+ )(\d+)', server.output()[begins_at:])
    return pasted.stdout, [status for status in statuses if status not in {"200", "201"}]


def release_before(folder: Path, ref: str = "") -> Path:
    """The code of a release, in a tree of its own. Raises NoRelease."""
    ref = ref or released().ref
    packed = subprocess.run(["git", "archive", ref], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        raise NoRelease(f"git has no {ref} here: {packed.stderr.decode().strip()}")
    tree = folder / "release"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def next_version(folder: Path) -> Path:
    """This version's code with a migration more."""
    tree = trees.copied(folder)
    before = heads(revisions())["projects"]
    number = int(before.rpartition("_")[2]) + 1
    text = MIGRATION.format(number=number, before=before)
    (tree / f"migrations/versions/projects/projects_{number:04}_more.py").write_text(text)
    return tree


@contextmanager
def working(server: Server, token: str, ledger: Ledger, clients: int, first: int) -> Iterator[None]:
    """Clients of the server are at work inside."""
    end = Event()
    threads = [Client(first + number, server, token, ledger, end) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join(PATIENCE)


def run(folder: Path, url: str, seconds: float, clients: int, ref: str = "") -> tuple[Ledger, float, list[str]]:
    """Upgrade the empty database at the URL, under load. What clients saw, how long a write waited at most while the
    migration did, and what is wrong in the end.
    """
    old, new, ledger = release_before(folder, ref), next_version(folder), Ledger()
    _migrate(old, url)
    with ExitStack() as stack:
        before = stack.enter_context(serving(_made(folder / "old"), DATABASE_URL=url, PYTHONPATH=str(old)))
        token = _token(before)
        stack.enter_context(working(before, token, ledger, clients, first=0))
        eventually(lambda: len(ledger.acknowledged) > 10 * clients)
        began = time.monotonic()
        with psycopg.connect(url, application_name="a long report") as reader:
            reader.execute("SELECT count(*) FROM projects")
            migration = Thread(target=_migrate, args=(new, url))
            migration.start()
            time.sleep(seconds)
            if not migration.is_alive():
                ledger.failures.append("The migration did not wait for the reader.")
        migration.join(PATIENCE)
        longest = max((wait for start, wait in ledger.waits if start >= began), default=0.0)
        # The same secret, as all replicas have: a session of the one is good for the other.
        secret = (folder / "old/data/secret").read_text()
        after = stack.enter_context(
            serving(_made(folder / "new"), DATABASE_URL=url, PYTHONPATH=str(new), TRELLIS_SECRET=secret)
        )
        stack.enter_context(working(after, token, ledger, clients, first=1000))
        time.sleep(seconds)
    return ledger, longest, _wrong(url, ledger)


def _wrong(url: str, ledger: Ledger) -> list[str]:
    """What is lost or doubled, and whether the migration ran at all."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT name, id::text, kind FROM projects").fetchall()
    found = {name: id for name, id, _ in rows}
    wrong = [f"{name} is lost" for name, id in ledger.acknowledged.items() if found.get(name) != id]
    return wrong + (["Something is there twice."] if len(found) != len(rows) else [])


def _migrate(tree: Path, url: str) -> None:
    done = trees.run(tree, "-m", "app.cli", "migrate", DATABASE_URL=url)
    if done.returncode:
        raise RuntimeError(done.stderr)


def _token(server: Server) -> str:
    server.post("/api/v1/users", json=ACCOUNT).raise_for_status()
    form = {"grant_type": "password", "username": ACCOUNT["email"], "password": ACCOUNT["password"]}
    token: str = server.post("/api/v1/auth/token", data=form).raise_for_status().json()["access_token"]
    return token


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@click.command()
@click.option("--seconds", default=20.0, show_default=True, help="How long the reader holds its lock, and both serve.")
@click.option("--clients", default=2, show_default=True, help="How many work at each version.")
@click.option("--release", default="", help="A tag or commit in the place of the recorded release before.")
@click.option("--judge/--no-judge", default=False, help="Whether a write that is blocked for longer is a fault.")
def main(seconds: float, clients: int, release: str, judge: bool) -> None:
    """Upgrade under load, with a long reader in the way, and see that no client notices."""
    with tempfile.TemporaryDirectory(prefix="trellis-upgrade-") as name:
        folder = Path(name)
        try:
            with EmbeddedPostgres(folder / "postgres", durable=True) as postgres:
                ledger, longest, wrong = run(folder, postgres.url, seconds, clients, release)
        except NoRelease as error:
            click.echo(f"Not tried. {error}")
            return
    click.echo(
        f"{len(ledger.acknowledged)} projects made, {len(ledger.waits)} writes in all, {len(ledger.failures)} requests "
        f"failed; while the migration waited, no write took longer than {longest * 1000:.0f} ms."
    )
    if judge and longest > MOST_SECONDS:
        wrong.append(f"A write was blocked for {longest:.2f} s.")
    for sentence in [*ledger.failures[:10], *wrong[:10]]:
        click.echo(sentence, err=True)
    sys.exit(bool(ledger.failures or wrong))


if __name__ == "__main__":
    main()
