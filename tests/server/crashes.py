"""The crash harness: clients that retry with idempotency keys, while the server and PostgreSQL are killed.

`make crashes ROUNDS=500`, or `python -m tests.server.crashes --help`. Every acknowledged write has to be there exactly
once in the end. With `--asynchronous`, PostgreSQL acknowledges before it has written, and the harness has to find that.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click
import httpx2
import psycopg

from app.embedded import EmbeddedPostgres, EmbeddedPostgresError
from app.migrations import upgrade
from tests.patience import PATIENCE
from tests.servers import ROOT, free_port, own_environment

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
WANT = {"idempotency_in_progress", "unavailable", "contended", "commit_in_doubt"}
"""The problems that a client meets with asking again."""
PAUSE = 0.02  # seconds
ASYNCHRONOUS = ("synchronous_commit = off", "wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'")


class Victim(StrEnum):
    """What is killed with SIGKILL."""

    SERVER = "server"
    POSTMASTER = "postmaster"
    BACKEND = "backend"
    CLUSTER = "cluster"
    """The postmaster and all its children at once: what PostgreSQL has not yet given to the kernel is gone."""


class Failure(Exception):
    """The harness cannot go on; the message says why."""


@dataclass
class Ledger:
    """What the clients were told."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """The id of the project, by its name, which is also its key."""
    replayed: int = 0
    """Of these, how many were there already when they were asked for again."""
    unexpected: list[str] = field(default_factory=list)


class Client(Thread):
    """Makes one project after the other, each under a key of its own, and asks until it is told of it."""

    def __init__(self, number: int, url: str, token: str, ledger: Ledger, end: Event) -> None:
        super().__init__(daemon=True)
        self._number = number
        self._ledger = ledger
        self._end = end
        self._http = httpx2.Client(base_url=url, timeout=PATIENCE, headers={"Authorization": f"Bearer {token}"})

    def run(self) -> None:
        n = 0
        with self._http:
            while not self._end.is_set() and not self._ledger.unexpected:
                n += 1
                self._make(f"{self._number}-{n}")

    def _make(self, name: str) -> None:
        while True:
            answer = self._ask(name)
            if answer is not None and answer.status_code == 201:
                self._ledger.replayed += "Idempotency-Replayed" in answer.headers
                self._ledger.acknowledged[name] = answer.json()["id"]
                return
            if answer is not None and answer.json().get("code") not in WANT:
                self._ledger.unexpected.append(f"{answer.status_code} {answer.text}")
                return
            time.sleep(PAUSE)

    def _ask(self, name: str) -> httpx2.Response | None:
        """None when there was no answer."""
        with suppress(httpx2.TransportError):
            return self._http.post("/projects", json={"name": name}, headers={"Idempotency-Key": name})
        return None


class Api:
    """A `trellis serve` that is started again and again, on the same port."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._port = free_port()
        self._log = folder / "serve.log"
        self._environment = own_environment(
            {
                "DATABASE_URL": database_url,
                "PORT": str(self._port),
                "TRELLIS_DATA_DIR": str(folder / "server"),
                "TRELLIS_ENVIRONMENT": "development",
                "TRELLIS_ACCESS_TOKEN_SECONDS": "86400",
                "TRELLIS_ACCESS_LOG": "false",
            }
        )
        self.root = f"http://127.0.0.1:{self._port}"
        self.url = f"{self.root}/api/v1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it is ready."""
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "app.cli", "serve"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        until(self._is_ready, "The server did not become ready.")

    def kill(self) -> None:
        """At once, and by its process id."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def token(self) -> str:
        """Of a new account."""
        httpx2.post(f"{self.url}/users", json=ACCOUNT, timeout=PATIENCE).raise_for_status()
        body = {"email": ACCOUNT["email"], "password": ACCOUNT["password"]}
        token: str = (
            httpx2.post(f"{self.url}/auth/sessions", json=body, timeout=PATIENCE)
            .raise_for_status()
            .json()["access_token"]
        )
        return token

    def _is_ready(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise Failure(f"The server does not start:\n{self._log.read_text()[-4000:]}")
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.root}/health/ready", timeout=PATIENCE).status_code == 200
        return False


class Cluster:
    """A PostgreSQL in a folder of its own. Its processes are known by their ids, from the postmaster's on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data"
        self._postgres = EmbeddedPostgres(self._folder, durable=True)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its URL."""
        with self._postgres as postgres:
            upgrade(postgres.url)
            yield postgres.url

    def read(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows of a query, once PostgreSQL answers it: that a backend was killed, it may notice late."""
        rows: list[tuple[Any, ...]] = []

        def answers() -> bool:
            with suppress(EmbeddedPostgresError, psycopg.OperationalError):
                self._postgres.revive()
                with psycopg.connect(self._postgres.url, autocommit=True, connect_timeout=5) as connection:
                    rows[:] = connection.execute(query, arguments).fetchall()
                    return True
            return False

        until(answers, "PostgreSQL did not come back.")
        return rows

    def set(self, *settings: str) -> None:
        """For good."""
        with psycopg.connect(self._postgres.url, autocommit=True) as connection:
            for setting in settings:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        until(lambda: self.read("SHOW synchronous_commit") == [("off",)], "The settings do not come into force.")

    def kill(self, victim: Victim, chance: random.Random) -> None:
        """Kill the victim."""
        postmaster = int((self._folder / "postgres/postmaster.pid").read_text().split()[0])
        pids = [postmaster]
        if victim is Victim.BACKEND:
            serving = "SELECT pid FROM pg_stat_activity WHERE application_name = 'trellis'"
            until(lambda: bool(self.read(serving)), "The server has no connection.")
            pids = [pid for (pid,) in self.read(serving)]
            pids = chance.sample(pids, min(1, len(pids)))
        elif victim is Victim.CLUSTER:
            os.kill(postmaster, signal.SIGSTOP)  # It has no more children from here on.
            pids += _children(postmaster)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Harness:
    """Rounds of work and death."""

    def __init__(self, folder: Path, clients: int, seed: int, writes: int = 1) -> None:
        """So many writes, at least, are acknowledged before each kill."""
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.killed: Counter[Victim] = Counter()
        self.cluster = Cluster(folder)
        self._folder = folder
        self._clients = clients
        self._writes = writes
        self.wrong: list[str] = []
        self._checked: set[str] = set()

    @contextmanager
    def working(self, *settings: str) -> Iterator[None]:
        """The clients are at work inside; then they finish, and what is `wrong` in the end is known."""
        with self.cluster.running() as url:
            self.api = Api(self._folder, url)
            try:
                self.api.start()
                token, end = self.api.token(), Event()
                if settings:
                    self.cluster.set(*settings)
                clients = [Client(n, self.api.url, token, self.ledger, end) for n in range(self._clients)]
                for client in clients:
                    client.start()
                yield
                end.set()
                for client in clients:
                    client.join(PATIENCE)
                    if client.is_alive():
                        raise Failure("A client was never answered.")
                self.wrong = self._verdict()
            finally:
                self.api.kill()

    def round(self, victim: Victim) -> list[str]:
        """Let the clients work, kill the victim in the midst, and bring it back. What is lost or doubled by then."""
        wanted = len(self.ledger.acknowledged) + self._writes
        while len(self.ledger.acknowledged) < wanted and not self.ledger.unexpected:
            before = len(self.ledger.acknowledged)
            until(lambda: self._has_come_on(before), "No write is answered.")  # noqa: B023 (called here)
        time.sleep(self.chance.uniform(0, 0.4))
        if victim is Victim.SERVER:
            self.api.kill()
            self.api.start()
        else:
            self.cluster.kill(victim, self.chance)
        self.killed[victim] += 1
        if self.ledger.unexpected:
            raise Failure(f"A client was answered: {self.ledger.unexpected[0]}")
        told = dict(self.ledger.acknowledged)
        new = told.keys() - self._checked
        self._checked |= new
        return self._wrong({name: told[name] for name in new})

    def _has_come_on(self, before: int) -> bool:
        return len(self.ledger.acknowledged) > before or bool(self.ledger.unexpected)

    def _verdict(self) -> list[str]:
        """What is wrong in the end: with each acknowledged write, and with what was kept together with it."""
        wrong = self._wrong(self.ledger.acknowledged)
        doubled = "SELECT name FROM projects GROUP BY name HAVING count(*) > 1"
        wrong += [f"{name} is there more than once" for (name,) in self.cluster.read(doubled)]
        apart = """
            SELECT coalesce(name, key) FROM projects FULL JOIN idempotency_keys ON key = name AND scope = owner_id
            WHERE name IS NULL OR key IS NULL
        """
        wrong += [f"{name} and its key are not both there" for (name,) in self.cluster.read(apart)]
        untold = """
            SELECT name FROM projects LEFT JOIN journal ON subject_id = projects.id AND action = 'created'
            GROUP BY projects.id HAVING count(journal.id) <> 1
        """
        return wrong + [f"{name} is not told of once" for (name,) in self.cluster.read(untold)]

    def _wrong(self, told: dict[str, str]) -> list[str]:
        found = dict(self.cluster.read("SELECT name, id::text FROM projects WHERE name = ANY(%s)", list(told)))
        return [f"{name} is lost" for name, id in told.items() if found.get(name) != id]


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait for the condition. Raises Failure when it does not come true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(otherwise)
        time.sleep(PAUSE)


def _children(parent: int) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(process.name)


def _told(harness: Harness, rounds: int) -> str:
    ledger = harness.ledger
    killed = ", ".join(f"{victim} {count}" for victim, count in sorted(harness.killed.items()))
    return (
        f"{rounds} rounds, {len(ledger.acknowledged)} writes acknowledged, {ledger.replayed} of them kept before they "
        f"could be; killed: {killed}"
    )


@click.command()
@click.option("--rounds", default=20, show_default=True, help="How often something is killed.")
@click.option("--clients", default=6, show_default=True, help="How many write at once.")
@click.option("--writes", default=1, show_default=True, help="How many are acknowledged before each, at least.")
@click.option("--asynchronous", is_flag=True, help="Have PostgreSQL acknowledge early, and find what that loses.")
@click.option("--seed", type=int, help="Of the victims and moments.")
def main(rounds: int, clients: int, writes: int, asynchronous: bool, seed: int | None) -> None:
    """Kill the server and PostgreSQL while clients write, and see that nothing acknowledged is lost or doubled."""
    seed = random.randrange(1 << 32) if seed is None else seed
    click.echo(f"Seed {seed}.")
    with tempfile.TemporaryDirectory(prefix="trellis-crashes-") as folder:
        harness = Harness(Path(folder), clients, seed, writes)
        try:
            outcome = _lossy(harness, rounds) if asynchronous else _durable(harness, rounds)
        except Failure as failure:
            outcome = str(failure)
    if outcome:
        raise click.ClickException(outcome)


def _durable(harness: Harness, rounds: int) -> str | None:
    """What is wrong."""
    victims: list[Victim] = []
    with harness.working():
        for number in range(1, rounds + 1):
            victims = victims or harness.chance.sample(list(Victim), len(Victim))
            if wrong := harness.round(victims.pop()):
                return f"In round {number}: {'; '.join(wrong)}"
            if number % 10 == 0:
                click.echo(_told(harness, number))
    click.echo(f"{_told(harness, rounds)}. Lost or doubled: {len(harness.wrong)}.")
    return "; ".join(harness.wrong) or None


def _lossy(harness: Harness, rounds: int) -> str | None:
    with harness.working(*ASYNCHRONOUS):
        for number in range(1, rounds + 1):
            if wrong := harness.round(Victim.CLUSTER):
                click.echo(f"{_told(harness, number)}. Found: {len(wrong)} lost, such as: {wrong[0]}.")
                return None
    return f"{_told(harness, rounds)}. No loss was found, though PostgreSQL acknowledges early."


if __name__ == "__main__":
    main()
