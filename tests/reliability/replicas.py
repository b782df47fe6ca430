"""Read-your-writes over a streaming replica whose replay stops and goes on at random.

`python -m tests.reliability.replicas --help`. Two servers over one primary and one replica. A client writes at the
first one; half of the reads go there as well, with nothing sent along, and half to the second one, with
`X-Consistency`. Each read has to show what was written just before.
"""

import random
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

import click
import httpx2

from app.migrations import upgrade
from tests.patience import PATIENCE
from tests.reliability.upgrade import _made, _token
from tests.servers import Server, serving
from tests.standby import PostgreSQL, replicated

SHORT = ("--pairs", "200")
SECRET = "a secret for two servers, 32 bytes or more"
ANSWERED = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'trellis'"


@dataclass
class Tally:
    """What the clients found."""

    pairs: int = 0
    elsewhere: int = 0
    violated: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def count(self, *, elsewhere: bool, fault: str | None) -> None:
        with self.lock:
            self.pairs += 1
            self.elsewhere += elsewhere
            self.violated += [fault] if fault else []


def client(number: int, servers: list[Server], token: str, pairs: int, tally: Tally) -> None:
    """Change a project of its own and read it, again and again; also the list that has its name."""
    chance = random.Random(number)
    headers = {"Authorization": f"Bearer {token}"}
    at = [httpx2.Client(base_url=f"{one.url}/api/v1", headers=headers, timeout=PATIENCE) for one in servers]
    id = at[0].post("/projects", json={"name": "new"}).raise_for_status().json()["id"]
    for turn in range(pairs):
        name = f"{number}-{turn}"
        written = at[0].patch(f"/projects/{id}", json={"name": name})
        elsewhere = chance.random() < 0.5
        carried = {"X-Consistency": written.headers["X-Consistency"]} if elsewhere else {}
        if chance.random() < 0.5:
            read = at[elsewhere].get(f"/projects/{id}", headers=carried)
            seen = read.json().get("name") if read.is_success else read.text
        else:
            read = at[elsewhere].get("/projects", params={"name": name}, headers=carried)
            seen = ", ".join(item["name"] for item in read.json()["items"]) if read.is_success else read.text
        tally.count(elsewhere=elsewhere, fault=None if seen == name else f"{name} was written, and {seen} was read")
    for one in at:
        one.close()


def stop_and_go(standby: PostgreSQL, end: Event, chance: random.Random) -> None:
    """Replay stands still for up to a fifth of a second, and goes on for as long."""
    while not end.is_set():
        for state in ("pause", "resume"):
            standby.sql(f"SELECT pg_wal_replay_{state}()")
            end.wait(chance.uniform(0, 0.2))


@click.command()
@click.option("--pairs", default=10_000, show_default=True, help="Of a write and a read.")
@click.option("--clients", default=4, show_default=True, help="How many work at once.")
@click.option("--seed", default=12, show_default=True, help="Of when replay stops.")
@click.option("--judge/--no-judge", default=False, help="Changes nothing: no figure is promised.")
def main(pairs: int, clients: int, seed: int, judge: bool) -> None:
    """Write and read over a replica that lags, and count the reads that do not show what was written."""
    tally, end = Tally(), Event()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trellis-replicas-")))
        primary, (standby,) = stack.enter_context(replicated())
        primary.sql("CREATE DATABASE trellis")
        upgrade(primary.url("trellis"))
        environment = {
            "DATABASE_URL": primary.url("trellis"),
            "TRELLIS_REPLICA_URLS": standby.url("trellis"),
            "TRELLIS_SECRET": SECRET,
            "TRELLIS_ACCESS_LOG": "false",
        }
        servers = [stack.enter_context(serving(_made(folder / name), **environment)) for name in ("a", "b")]
        token = _token(servers[0])
        ((before,),) = standby.sql(ANSWERED)
        pausing = Thread(target=stop_and_go, args=(standby, end, random.Random(seed)))
        threads = [Thread(target=client, args=(n, servers, token, pairs // clients, tally)) for n in range(clients)]
        for thread in [pausing, *threads]:
            thread.start()
        for thread in threads:
            thread.join()
        end.set()
        pausing.join()
        ((after,),) = standby.sql(ANSWERED)
    click.echo(
        f"{tally.pairs} pairs, {tally.elsewhere} of them over two servers; the replica has ended {after - before} "
        f"transactions. Read-your-writes was violated {len(tally.violated)} times."
    )
    for sentence in tally.violated[:10]:
        click.echo(sentence, err=True)
    is_short = tally.pairs < pairs // clients * clients
    sys.exit(bool(tally.violated) or is_short)


if __name__ == "__main__":
    main()
