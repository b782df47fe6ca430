"""Overload: what a server does with once, twice and four times what it can carry, in an open loop.

Once it is the database that is too slow: each write takes 20 ms there, on the few connections that there are. Once it
is the processor: the server is stopped and continued, so that it has a share of a core.

    python -m tests.reliability.overload --help
"""

import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click
import psycopg
import uvloop

from tests.reliability.load import Clients, Tally, Wanted, percentile
from tests.reliability.stage import memory, stage, token
from tests.servers import Server
from tests.sockets import request

SHORT = ("--seconds", "1.5", "--bound", "processor")

ACCOUNTS = 4
"""One account may not have all connections for its changes."""
SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION slow();
"""
LOOK, BURST = 0.001, 0.002
"""Seconds between two looks at the time that the server has used, and what it may use at once."""
RECOVERY = 2.0
"""Seconds until it is back to normal."""
JSON = "Content-Type: application/json"


@contextmanager
def held(server: Server, share: float) -> Iterator[None]:
    """The server has this share of a core: when it has used more, it is stopped until its time has come again."""
    is_over = threading.Event()
    used = Path(f"/proc/{server.process.pid}/schedstat")

    def spent() -> float:
        return int(used.read_text().split()[0]) / 1e9

    def hold() -> None:
        credit, before, at = 0.0, spent(), time.perf_counter()
        while not is_over.is_set() and server.process.poll() is None:
            time.sleep(LOOK)
            now, then = spent(), time.perf_counter()
            credit = min(BURST, credit + share * (then - at) - (now - before))
            before, at = now, then
            os.kill(server.process.pid, signal.SIGCONT if credit > 0 else signal.SIGSTOP)
        os.kill(server.process.pid, signal.SIGCONT)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def writes(tokens: list[str]) -> Wanted:
    """New tags."""

    def wanted() -> bytes:
        body = json.dumps({"name": f"{random.getrandbits(80):x}"}).encode()
        return request("POST /api/v1/tags", JSON, f"Authorization: {random.choice(tokens)}", body=body)

    return wanted


def mixed(tokens: list[str]) -> Wanted:
    """Eight of ten read one thing or a page; two write."""
    write = writes(tokens)

    def wanted() -> bytes:
        kind = random.random()
        if kind < 0.2:
            return write()
        path = "/api/v1/users/me" if kind < 0.6 else "/api/v1/tags?limit=20"
        return request(f"GET {path}", f"Authorization: {random.choice(tokens)}")

    return wanted


class Run:
    """One server under one bound."""

    def __init__(self, server: Server, wanted: Wanted, seconds: float) -> None:
        self._server, self._wanted, self._seconds = server, wanted, seconds
        self.wrong: list[str] = []
        self.missed: list[str] = []
        self._peak = 0.0

    async def measure(self) -> None:
        """Find what it can carry, then ask for more."""
        clients = Clients(self._server.url, self._wanted)
        for number in (8, 16, 32):
            tally = await clients.closed(number, self._seconds)
            self._peak = max(self._peak, len(tally.good()) / tally.seconds)
        click.echo(f"It carries {self._peak:.0f} requests a second.")
        before = memory(self._server)
        for times in (1, 2, 4):
            tally = await clients.open(times * self._peak, self._seconds * 2)
            self._judge(times, tally)
        grown = memory(self._server) - before
        await asyncio.sleep(RECOVERY)
        calm = await clients.open(self._peak / 2, self._seconds * 2)
        self._tell("after that, ½×", calm)
        self.wrong += calm.wrong()
        refused = calm.count(503)
        click.echo(f"Memory has grown by {grown:.1f} MiB; {refused} refused at ½× {RECOVERY:g} s later.")
        if refused or grown > 50:
            self.missed.append("It is not back to normal.")
        clients.close()

    def _tell(self, name: str, tally: Tally) -> None:
        good, refused = tally.good(), tally.answered.get(503, [])
        click.echo(
            f"{name:>15}: {len(good) / tally.seconds:6.0f} served a second, p50 {percentile(good, 0.5):5.0f} ms, p99 "
            f"{percentile(good, 0.99):5.0f} ms; {len(refused):6,} refused, p50 {percentile(refused, 0.5):4.0f} ms, p99 "
            f"{percentile(refused, 0.99):4.0f} ms; {', '.join(tally.wrong()) or 'nothing else'}; the "
            f"clients were late by {percentile(tally.late, 0.99):.0f} ms at p99"
        )

    def _judge(self, times: int, tally: Tally) -> None:
        self._tell(f"{times}×", tally)
        self.wrong += tally.wrong()
        if self._server.process.poll() is not None:
            self.wrong.append("The server has ended.")
        good = tally.good()
        if times == 2 and len(good) / tally.seconds < 0.9 * self._peak:
            self.missed.append(f"At 2× it serves {len(good) / tally.seconds / self._peak:.0%} of its peak.")
        if times == 2 and percentile(good, 0.99) > 300:
            self.missed.append("At 2× a request in a hundred takes longer than 300 ms.")
        if times == 2 and percentile(tally.answered.get(503, []), 0.99) > 50:
            self.missed.append("At 2× a refusal in a hundred takes longer than 50 ms.")


@click.command()
@click.option("--bound", type=click.Choice(["database", "processor", "both"]), default="both", show_default=True)
@click.option("--share", default=0.15, show_default=True, help="What the server has of a core.")
@click.option("--seconds", default=10.0, show_default=True, help="Half the length of each load.")
@click.option("--judge/--no-judge", default=False, help="Whether a figure that misses what is promised is a fault.")
def main(bound: str, share: float, seconds: float, judge: bool) -> None:
    """Ask a server for once, twice and four times what it can carry."""
    wrong, missed = [], []
    for each in ("database", "processor") if bound == "both" else (bound,):
        click.echo(f"Bound by the {each}:")
        with stage() as (server, url):
            tokens = [token(server, f"a{n}") for n in range(ACCOUNTS)]
            if each == "database":
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(SLOW)
            wanted = writes(tokens) if each == "database" else mixed(tokens)
            run = Run(server, wanted, seconds)
            with held(server, share) if each == "processor" else nullcontext():
                uvloop.run(run.measure())
            traces = server.output().count("Traceback")
            wrong += run.wrong + ([f"{traces} stack traces"] if traces else [])
            missed += run.missed
    click.echo("\n".join([*wrong, *missed]) or "All as promised.")
    sys.exit(1 if wrong or (judge and missed) else 0)


if __name__ == "__main__":
    main()
