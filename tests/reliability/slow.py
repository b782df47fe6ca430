"""Slow clients and huge bodies: they take neither memory nor time from others.

Very many clients send their heads and bodies, or read their answers, a few bytes at a time; others send bodies of a
gigabyte. Meanwhile a few clients ask as always, from a process of their own: they measure the server, and not how busy
the others are.

    python -m tests.reliability.slow --help
"""

import asyncio
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

import click
import uvloop

from tests.patience import PATIENCE
from tests.reliability.load import Clients, Tally, percentile
from tests.reliability.overload import mixed
from tests.reliability.stage import memory, stage, token
from tests.servers import Server
from tests.sockets import request

SHORT = ("--clients", "60", "--gigabytes", "0.05", "--seconds", "2")

SENDERS = 4
"""Who send huge bodies, one after the other."""
OTHERS = 4
PIECE = bytes(1 << 16)
MOST = 50.0
"""MiB by which memory may grow."""
TRICKLE = 0.2  # seconds between two bytes


class Crowd:
    """The slow clients, and those with huge bodies."""

    def __init__(self, url: str, authorization: str, size: int) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address, self._size = (host, int(port)), size
        self._who = f"Authorization: {authorization}"
        self.seen = Counter[str]()

    async def slow(self, number: int) -> None:
        """One slow client after the other: with its head, its body, or its answer."""
        whole = {
            0: request("GET /api/v1/tags", self._who, "X-Filler: " + "x" * 2000),
            1: request("POST /api/v1/tags", self._who, "Content-Type: application/json", body=b" " * 2000),
            2: request("GET /openapi.json") * 3,
        }[number % 3]
        at_once = {0: 20, 1: len(whole) - 2000, 2: len(whole)}[number % 3]
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(*self._address, limit=1 << 10)
                writer.write(whole[:at_once])
                for byte in whole[at_once:]:
                    await asyncio.sleep(TRICKLE * random.uniform(0.5, 1.5))
                    writer.write(bytes([byte]))
                while data := await reader.read(100):
                    if data.startswith(b"HTTP/1.1 "):
                        self.seen[f"slow: {data[9:12].decode()}"] += 1
                    await asyncio.sleep(TRICKLE)
                writer.close()

    async def huge(self, number: int) -> None:
        """One huge body after the other."""
        path = "/api/v1/projects/import" if number % 2 else "/api/v1/tags"
        kind = "application/x-ndjson" if number % 2 else "application/json"
        head = request(f"POST {path}", self._who, f"Content-Type: {kind}", "Transfer-Encoding: chunked")
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(*self._address)
                writer.write(head)
                sent = 0
                with suppress(OSError):
                    while sent < self._size and not reader.at_eof():
                        writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
                        await writer.drain()
                        sent += len(PIECE)
                    writer.write(b"0\r\n\r\n")
                status = (await reader.readline())[9:12].decode()
                self.seen[f"huge, {path.rpartition('/')[2]}: {status or 'closed'}"] += 1
                writer.close()
            await asyncio.sleep(0.1)

    async def come(self, number: int, end: Connection) -> None:
        """So many slow ones, and the others: says when they have come, and what they have seen when there is word."""
        tasks = [asyncio.create_task(self.slow(n)) for n in range(number)]
        tasks += [asyncio.create_task(self.huge(n)) for n in range(SENDERS if self._size else 0)]
        end.send("They come.")
        await asyncio.to_thread(end.recv)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        end.send(self.seen)


def _run(url: str, authorization: str, size: int, number: int, end: Connection) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 0)  # Who measures goes first.
    uvloop.run(Crowd(url, authorization, size).come(number, end))


@contextmanager
def crowded(server: Server, authorization: str, size: int, number: int) -> Iterator[Counter[str]]:
    """A crowd in a process of its own, and what it has seen, once it is over."""
    seen = Counter[str]()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_run, args=(server.url, authorization, size, number, there), daemon=True
    )
    process.start()
    try:
        if not here.poll(PATIENCE):
            raise TimeoutError("The crowd does not come.")
        here.recv()
        yield seen
        here.send("Enough.")
        if here.poll(PATIENCE):
            seen.update(here.recv())
    finally:
        process.kill()
        process.join()


async def measure(server: Server, number: int, size: int, seconds: float) -> tuple[Tally, Tally, float, Counter[str]]:
    """What others are answered before and meanwhile, and how many MiB the server has grown by."""
    tokens = await asyncio.to_thread(lambda: [token(server, f"a{n}") for n in range(2)])
    others = Clients(server.url, mixed(tokens[:1]))
    await others.closed(OTHERS, seconds / 4)
    before = await others.closed(OTHERS, seconds)
    least = most = memory(server)
    meanwhile = Tally()
    with crowded(server, tokens[1], size, number) as seen:
        await asyncio.sleep(min(5, seconds))
        for _ in range(20):
            await others.closed(OTHERS, seconds / 20, meanwhile)
            most = max(most, memory(server))
    others.close()
    return before, meanwhile, most - least, seen


@click.command()
@click.option("--clients", "number", default=1000, show_default=True, help="Slow ones.")
@click.option("--gigabytes", default=1.0, show_default=True, help="Of a huge body.")
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--judge/--no-judge", default=False, help="Whether others may wait twice as long, and memory may grow.")
def main(number: int, gigabytes: float, seconds: float, judge: bool) -> None:
    """Have very many clients be slow, and some send huge bodies."""
    with stage(TRELLIS_MAX_CONNECTIONS=str(number + 200)) as (server, _):
        size = int(gigabytes * (1 << 30))
        before, meanwhile, grown, seen = uvloop.run(measure(server, number, size, seconds))
        traces = server.output().count("Traceback")
    p99 = percentile(before.good(), 0.99), percentile(meanwhile.good(), 0.99)
    click.echo(", ".join(f"{times:,} {what}" for what, times in sorted(seen.items())))
    click.echo(
        f"Others' p99: {p99[0]:.1f} ms before, {p99[1]:.1f} ms meanwhile, of {len(meanwhile.good()):,} requests; "
        f"memory has grown by {grown:.1f} MiB; {traces} stack traces."
    )
    wrong = before.wrong() + meanwhile.wrong() + [what for what in seen if ": 5" in what and ": 503" not in what]
    missed = [f"Memory has grown by more than {MOST:g} MiB."] * (grown > MOST)
    missed += ["Others' p99 has more than doubled."] * (p99[1] > 2 * p99[0])
    click.echo("\n".join([*wrong, *missed]) or "All as promised.")
    sys.exit(bool(wrong or traces or (judge and missed)))


if __name__ == "__main__":
    main()
