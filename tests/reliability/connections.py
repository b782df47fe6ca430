"""Faults between a server and PostgreSQL, under load: backends that stand still, PostgreSQL that does as a whole, and a
proxy between them that resets, stalls or halves messages at each step of the exchange.

Every request is answered within its deadline, with a success or a 503. What was acknowledged is there once, and what
was answered `unavailable` is not there.

    python -m tests.reliability.connections --help
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import click
import httpx2
import psycopg

from tests.proxy import Fault, Proxy, Step
from tests.reliability.aborts import OURS, POOL, when_whole
from tests.reliability.ledger import CLIENTS, Clients, lost_and_doubled
from tests.reliability.load import LIMIT
from tests.reliability.stage import DEFAULTS, database, token
from tests.server.crashes import _children
from tests.servers import Server, serving

SHORT = ("--sample", "3", "--seconds", "3.5")

ACCOUNTS = 4
DEADLINE = 3.1
"""Seconds that a request may be at work. A statement is given up 3 s after it was sent: so a first one is by its own
deadline, and a later one by the request's.
"""
SETTINGS = {
    "TRELLIS_POOL_SIZE": str(POOL),
    "TRELLIS_POOL_WAIT_SECONDS": "0.5",
    "TRELLIS_STATEMENT_SECONDS": "1",
    "TRELLIS_REQUEST_SECONDS": str(DEADLINE),
}
LATE = 0.5
"""Seconds beyond the deadline in which the answer has to be here."""
AGAIN = 2.0
"""Seconds after a fault within which there are successes again."""
CUT_SECONDS = 1.0
"""How long a fault lasts that makes nobody wait."""

Happening = Callable[[], AbstractAsyncContextManager[None]]
Scene = tuple[float, Happening]
"""How many seconds a fault lasts, and the fault."""


def scenes(proxy: Proxy, url: str, seconds: float) -> dict[str, Scene]:
    """All faults, by their names. One that makes others wait lasts for so many seconds."""
    found: dict[str, Scene] = {
        "some backends stopped": (seconds, partial(stopped, partial(_backends, url, 0.3))),
        "all backends stopped": (seconds, partial(stopped, partial(_backends, url, 1))),
        "PostgreSQL stopped": (seconds, partial(stopped, partial(_postgres, url))),
    }
    for step in Step:
        for fault in (Fault.RESET, Fault.HALF, Fault.STALL, Fault.HALF_STALL):
            lasts = seconds if fault in {Fault.STALL, Fault.HALF_STALL} else min(seconds, CUT_SECONDS)
            found[f"{step.value}: {fault.value}"] = lasts, partial(proxy.troubled, step, fault)
    return found


@asynccontextmanager
async def stopped(pids: Callable[[], Iterator[int]]) -> AsyncIterator[None]:
    """These processes stand still. Each does before the next one is looked for."""
    still = []
    try:
        for pid in pids():
            still.append(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in still:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _backends(url: str, part: float) -> Iterator[int]:
    with psycopg.connect(url) as connection:
        pids = [pid for (pid,) in connection.execute(f"SELECT pid {OURS}")]
    yield from random.sample(pids, max(1, round(part * len(pids))))


def _postgres(url: str) -> Iterator[int]:
    with psycopg.connect(url) as connection:
        backend = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    postmaster = int(backend.rpartition(")")[2].split()[1])
    yield postmaster  # It has no more children from here on.
    yield from _children(postmaster)


@dataclass
class Run:
    """One server behind the proxy, and all that happens to it."""

    url: str
    """Of the database, past the proxy."""
    folder: Path
    seconds: float
    only: str
    sample: int | None
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    async def play(self) -> str:
        """All of it; the figures."""
        proxy = Proxy(self.url)
        named = {n: scene for n, scene in scenes(proxy, self.url, self.seconds).items() if self.only in n}
        chosen = random.sample([*named.items()], min(self.sample or len(named), len(named)))
        begun, limits = perf_counter(), httpx2.Limits(max_connections=None)
        async with _behind(proxy, self.folder) as server:
            tokens = [await asyncio.to_thread(token, server, f"a{n}") for n in range(ACCOUNTS)]
            async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=LIMIT, limits=limits) as http:
                clients = Clients(http, tokens)
                async with asyncio.TaskGroup() as asking:
                    for number in range(CLIENTS):
                        asking.create_task(clients.run(number))
                    await clients.well()
                    slowest = [await self._scene(proxy, clients, name, *scene) for name, scene in chosen]
                    clients.is_over = True
            whole = await when_whole(server, tokens)
            traces = server.output().count("Traceback")
        outcome = clients.outcome
        self.wrong += outcome.wrong() + ([f"{traces} stack traces"] if traces else [])
        self.wrong += ["The pool is never whole again."] if whole == float("inf") else []
        self.wrong += lost_and_doubled(self.url, outcome)
        if outcome.longest > DEADLINE + LATE:
            self.missed.append(f"A request took {outcome.longest:.1f} s.")
        return (
            f"{len(chosen)} faults in {perf_counter() - begun:.0f} s, {outcome.answers.total():,} requests "
            f"({', '.join(f'{times:,} × {answer.strip()}' for answer, times in outcome.answers.most_common())}), "
            f"the longest {outcome.longest:.1f} s; successes {max(slowest):.1f} s after a fault at the latest, the "
            f"pool whole {whole:.1f} s after the last; {len(outcome.acknowledged):,} writes acknowledged."
        )

    async def _scene(self, proxy: Proxy, clients: Clients, name: str, seconds: float, fault: Happening) -> float:
        """Let the fault happen. Seconds until all have successes again."""
        met, before = proxy.met, clients.outcome.answers.copy()
        async with fault():
            await asyncio.sleep(seconds)
        again = await clients.well()
        answers = clients.outcome.answers - before
        refused = sum(times for answer, times in answers.items() if answer.startswith("503"))
        told = f"{proxy.met - met} met it; " if proxy.met > met else ""
        click.echo(f"{name:>36}: {told}{answers.total():,} answers, {refused:,} × 503; successes {again:.2f} s after")
        if again == float("inf"):
            self.wrong.append(f"{name}: there were no successes again.")
        elif again > AGAIN:
            self.missed.append(f"{name}: successes only {again:.1f} s after its end.")
        if ": " in name and proxy.met == met:
            self.wrong.append(f"{name}: it did not happen.")
        return again


@asynccontextmanager
async def _behind(proxy: Proxy, folder: Path) -> AsyncIterator[Server]:
    """A server behind the proxy, which has to run while it starts and ends."""
    async with proxy.listening() as through:
        started = serving(folder, DATABASE_URL=through, **(DEFAULTS | SETTINGS))
        server = await asyncio.to_thread(started.__enter__)
        try:
            yield server
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="How long a fault lasts that makes others wait.")
@click.option("--only", default="", help="Only the faults whose names have this, such as COMMIT.")
@click.option("--sample", type=int, help="How many of the faults, at random; by default, all.")
@click.option("--judge/--no-judge", default=False, help="Whether a figure that misses what is promised is a fault.")
def main(seconds: float, only: str, sample: int | None, judge: bool) -> None:
    """Disturb what is between a server and PostgreSQL, and look for requests that hang and writes that are lost."""
    with database() as (url, folder):
        run = Run(url, folder, seconds, only, sample)
        click.echo(asyncio.run(run.play()))
    click.echo("\n".join([*run.wrong, *run.missed]) or "All as promised.")
    sys.exit(1 if run.wrong or (judge and run.missed) else 0)


if __name__ == "__main__":
    main()
