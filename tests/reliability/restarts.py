"""Rolling restarts: replicas behind HAProxy are stopped and started again, one after the other, under load.

HAProxy asks `/health/ready`, and knows nothing else of it: it retries nothing and drains nothing. No request may fail.

    python -m tests.reliability.restarts --help
"""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter

import click
import httpx2
import uvloop

from tests.patience import PATIENCE, eventually
from tests.reliability.load import Clients, Tally, percentile
from tests.reliability.overload import mixed
from tests.reliability.stage import DEFAULTS, database, token
from tests.servers import Server, free_port, serving

SHORT = ("--restarts", "3", "--drain", "5", "--clients", "4")

CONFIGURATION = """
global
    log stderr format raw local0 warning
    stats socket {folder}/haproxy.sock
defaults
    mode http
    log global
    retries 0
    # A slow machine is no fault.
    timeout check 60s
    timeout connect 60s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
frontend all
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance roundrobin
    option httpchk GET /health/ready
    default-server check inter {inter}ms fall 1 rise 1
"""
INTER = 250
"""Milliseconds between two looks of HAProxy's."""


@contextmanager
def haproxy(folder: Path, ports: list[int]) -> Iterator[str]:
    """The URL of a proxy before servers on these ports."""
    port = free_port()
    file = folder / "haproxy.cfg"
    servers = "".join(f"    server r{n} 127.0.0.1:{own}\n" for n, own in enumerate(ports))
    file.write_text(CONFIGURATION.format(folder=folder, port=port, inter=INTER) + servers)
    with (folder / "haproxy.log").open("w") as log:
        process = subprocess.Popen(["haproxy", "-f", str(file)], stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


class Replica:
    """A server on a port of its own, which can be started again."""

    def __init__(self, folder: Path, url: str, drain: float) -> None:
        folder.mkdir()
        self.port = free_port()
        self.codes: list[int] = []
        self._folder = folder
        self._settings = DEFAULTS | {
            "DATABASE_URL": url,
            "PORT": str(self.port),
            "TRELLIS_DRAIN_SECONDS": str(drain),
            "TRELLIS_POOL_SIZE": "5",
            "TRELLIS_QUEUE_SECONDS": "10",  # Overload is shed elsewhere; here nobody is to be refused.
            "TRELLIS_SECRET": "the same for all replicas, of course",
        }
        self._stack = ExitStack()

    def start(self) -> Server:
        """Start it, and wait until it is ready."""
        self.server = self._stack.enter_context(serving(self._folder, **self._settings))
        return self.server

    def restart(self) -> None:
        """As an orchestrator does it: SIGTERM, its end, a new one, and a moment for the proxy to see that."""
        self.codes.append(self.server.stop())
        self._stack.close()
        self.start()

    def close(self) -> None:
        """End it."""
        self._stack.close()


def answers(proxy: str) -> bool:
    """Whether there is a proxy, and a replica behind it."""
    with suppress(httpx2.TransportError):
        return httpx2.get(f"{proxy}/health/live", timeout=PATIENCE).is_success
    return False


def roll(replicas: list[Replica], restarts: int) -> float:
    """Restart one after the other, and give the seconds."""
    begun = perf_counter()
    for number in range(restarts):
        replicas[number % len(replicas)].restart()
        time.sleep(3 * INTER / 1000)  # Until HAProxy has looked.
    return perf_counter() - begun


async def under_load(clients: Clients, number: int, work: "asyncio.Future[float]") -> Tally:
    """What is answered to so many clients while that goes on."""
    tally = Tally()
    while not work.done():
        await clients.closed(number, 0.5, tally)
    return tally


async def measure(replicas: list[Replica], restarts: int, proxy: str, number: int) -> tuple[Tally, float]:
    """Restart under load."""
    tokens = await asyncio.to_thread(lambda: [token(replicas[0].server, f"a{n}") for n in range(4)])
    clients = Clients(proxy, mixed(tokens))
    work = asyncio.ensure_future(asyncio.to_thread(roll, replicas, restarts))
    tally = await under_load(clients, number, work)
    clients.close()
    return tally, await work


@click.command()
@click.option("--restarts", default=100, show_default=True)
@click.option("--replicas", "number", default=3, show_default=True)
@click.option("--clients", default=16, show_default=True, help="Each keeps its connection, and retries nothing.")
@click.option("--drain", default=1.0, show_default=True, help=f"TRELLIS_DRAIN_SECONDS; HAProxy looks every {INTER} ms.")
@click.option("--judge/--no-judge", default=False, help="The same verdict either way: a lost request is a fault.")
def main(restarts: int, number: int, clients: int, drain: float, judge: bool) -> None:
    """Restart replicas behind HAProxy under load, and look for requests that fail."""
    if shutil.which("haproxy") is None:
        sys.exit("There is no haproxy: apt-get install haproxy")
    with database() as (url, folder), ExitStack() as stack:
        replicas = [Replica(folder / f"r{n}", url, drain) for n in range(number)]
        for one in replicas:
            stack.callback(one.close)
            one.start()
        with haproxy(folder, [one.port for one in replicas]) as proxy:
            eventually(lambda: answers(proxy))
            tally, seconds = uvloop.run(measure(replicas, restarts, proxy, clients))
            proxy_log = (folder / "haproxy.log").read_text()
        codes = [code for one in replicas for code in one.codes]
        logs = [one.server.output() for one in replicas]
        traces = sum(one.count("Traceback") for one in logs)
        ended_badly = [log[-3000:] for one, log in zip(replicas, logs, strict=True) if any(one.codes)]
    good = tally.good()
    failed = tally.count(503) + sum(tally.failed.values())
    click.echo(
        f"{restarts} restarts in {seconds:.0f} s, exit codes {sorted(set(codes))}: "
        f"{len(good):,} requests served, p99 {percentile(good, 0.99):.0f} ms, {failed} failed; {traces} stack traces."
    )
    wrong = tally.wrong() + ([f"{tally.count(503)} × 503"] if tally.count(503) else [])
    if wrong:
        click.echo(proxy_log[-3000:])
    wrong += [f"A replica ended badly:\n{log}" for log in ended_badly]
    click.echo("\n".join(wrong) or "All as promised.")
    sys.exit(bool(wrong or traces or not good))


if __name__ == "__main__":
    main()
