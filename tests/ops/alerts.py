"""`make alerts`: causes what each alert is for, with real processes, and waits until Prometheus says that it fires.

The rules are those of ops/, but look back for seconds in the place of minutes, and wait for nothing.
"""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg

from tests.database import TEMPLATE, clone, template, url_with
from tests.observing.scraped import port_in
from tests.ops.prometheus import ALERTS, Prometheus, prometheus
from tests.patience import PATIENCE, eventually
from tests.servers import Server, free_port, serving

PASSWORD = "correct horse battery"
SETTINGS = {
    "TRELLIS_POOL_SIZE": "2",
    "TRELLIS_POOL_WAIT_SECONDS": "2",
    "TRELLIS_STATEMENT_SECONDS": "30",
    "TRELLIS_ARGON2_MEMORY_KIB": "8",
    "TRELLIS_ARGON2_ITERATIONS": "1",
}


@dataclass
class Trial:
    """A server on a database of its own, and an account there."""

    url: str
    server: Server
    headers: dict[str, str]
    tag: str

    def sql(self, statement: str, *values: object, admin: bool = False) -> list[tuple[Any, ...]]:
        where = url_with(self.url, dbname="postgres") if admin else self.url
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def ask(self, method: str) -> None:
        """Read or change the tag; whatever the answer is."""
        body = {"name": f"n{uuid4()}"} if method == "PATCH" else None
        with suppress(httpx2.TransportError):
            path = f"{self.server.url}/api/v1/tags/{self.tag}"
            httpx2.request(method, path, headers=self.headers, timeout=PATIENCE, json=body)


@contextmanager
def asking(trial: Trial, method: str = "PATCH", at_once: int = 1) -> Iterator[None]:
    """Clients ask all the time."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            trial.ask(method)
            time.sleep(0.05)

    threads = [threading.Thread(target=ask) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def locked(trial: Trial, method: str, at_once: int) -> Iterator[None]:
    """A transaction holds the table that clients want."""
    with psycopg.connect(trial.url) as holder:
        holder.execute("LOCK TABLE tags")
        with asking(trial, method, at_once):
            yield
            holder.rollback()


@contextmanager
def away(trial: Trial) -> Iterator[None]:
    """The server is stopped, and does not answer."""
    os.kill(trial.server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(trial.server.process.pid, signal.SIGCONT)


@contextmanager
def stalling(trial: Trial) -> Iterator[None]:
    """The server gets no processor, again and again for a second."""
    stop = threading.Event()

    def stall() -> None:
        while not stop.is_set():
            os.kill(trial.server.process.pid, signal.SIGSTOP)
            time.sleep(0.7)
            os.kill(trial.server.process.pid, signal.SIGCONT)
            time.sleep(0.5)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def no_database(trial: Trial) -> Iterator[None]:
    """The database takes no connection, and has ended those that there were."""
    name = trial.sql("SELECT current_database()")[0][0]
    trial.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false', admin=True)
    trial.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name, admin=True)
    try:
        with asking(trial):
            yield
    finally:
        trial.sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true', admin=True)


@contextmanager
def full(trial: Trial) -> Iterator[None]:
    """A trigger raises what PostgreSQL raises when its disk is full."""
    trial.sql("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE UPDATE ON tags EXECUTE FUNCTION full_disk()""")
    try:
        with asking(trial):
            yield
    finally:
        trial.sql("DROP FUNCTION full_disk CASCADE")


@contextmanager
def slowly(trial: Trial) -> Iterator[None]:
    """Each change takes two seconds."""
    trial.sql("""
        CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
        CREATE TRIGGER slowly BEFORE UPDATE ON tags FOR EACH ROW EXECUTE FUNCTION slowly()""")
    try:
        with asking(trial):
            yield
    finally:
        trial.sql("DROP FUNCTION slowly CASCADE")


@contextmanager
def job(trial: Trial, state: str, event: str) -> Iterator[None]:
    """A job has been in this state for an hour. No worker runs."""
    ((id,),) = trial.sql(
        """INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)
        VALUES ('trellis', 'trellis', '{"job": "planted"}', %s) RETURNING id""",
        state,
    )
    trial.sql("UPDATE procrastinate_events SET at = now() - interval '1 hour', type = %s WHERE job_id = %s", event, id)
    try:
        yield
    finally:
        trial.sql("DELETE FROM procrastinate_jobs WHERE id = %s", id)


CAUSES: dict[str, Callable[[Trial], AbstractContextManager[None]]] = {
    "TrellisAway": away,
    "TrellisErrors": no_database,
    "TrellisSlow": slowly,
    "TrellisPoolExhausted": lambda trial: locked(trial, "GET", 8),
    "TrellisHeldBack": lambda trial: locked(trial, "PATCH", 1),
    "TrellisDatabaseAway": no_database,
    "TrellisDatabaseFull": full,
    "TrellisJobsLate": lambda trial: job(trial, "todo", "deferred"),
    "TrellisJobsDead": lambda trial: job(trial, "failed", "failed"),
    "TrellisLoopStalls": stalling,
}


@contextmanager
def trial(folder: Path) -> Iterator[tuple[Trial, Prometheus]]:
    """A server with an account and a tag, and a Prometheus that looks at it."""
    with ExitStack() as stack:
        url = stack.enter_context(clone())
        more = {**SETTINGS, "TRELLIS_METRICS_PORT": str(free_port())}
        server = stack.enter_context(serving(folder, DATABASE_URL=url, **more))
        account = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann"}
        server.post("/api/v1/users", json=account)
        body = {"email": account["email"], "password": PASSWORD}
        token = server.post("/api/v1/auth/sessions", json=body).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        tag = server.post("/api/v1/tags", json={"name": "green"}, headers=headers).json()["id"]
        watching = stack.enter_context(prometheus(folder, [port_in(server.output())]))
        eventually(lambda: watching.query("trellis_database_up == 1"))
        eventually(lambda: "TrellisAway" not in watching.firing())  # Before the first scrape, no process is known.
        yield Trial(url, server, headers, tag), watching


def fires(alert: str, tried: Trial, watching: Prometheus) -> float:
    """Cause what the alert is for, until it fires; how many seconds that took. Afterwards it does not fire any more."""
    eventually(lambda: alert not in watching.firing())
    begun = time.monotonic()
    with CAUSES[alert](tried):
        eventually(lambda: alert in watching.firing())
    took = time.monotonic() - begun
    eventually(lambda: alert not in watching.firing())
    return took


def main() -> None:
    """Try every alert."""
    with template() as os.environ[TEMPLATE], tempfile.TemporaryDirectory() as folder, trial(Path(folder)) as started:
        tried, watching = started
        eventually(lambda: not watching.firing())
        for alert in ALERTS:
            print(f"{alert} fired {fires(alert, tried, watching):.0f} s after its cause began.", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
