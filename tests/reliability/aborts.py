"""Client aborts: clients that go away at random moments, in the midst of a request, its work or its answer.

Afterwards no connection to PostgreSQL is lost, each statement has ended, and all of the pool is there for others.

    python -m tests.reliability.aborts --help
"""

import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

import click
import httpx2
import psycopg

from tests.patience import PATIENCE
from tests.reliability.stage import stage, token
from tests.servers import Server
from tests.sockets import request

SHORT = ("--count", "300")

POOL = 10
AT_ONCE = 40
LONGEST = 0.03
"""Seconds until a client goes away. A request takes a few thousandths."""
BLOCKED, PAUSE = 0.7, 1.5
"""Seconds for which all writes wait for a lock, so that some are given up in the midst of a statement, and between."""
WHOLE = 5.0
"""Seconds after which the pool has to be whole again."""
OURS = "FROM pg_stat_activity WHERE application_name = 'trellis' AND datname = current_database()"
LINES = b'{"name": "a"}\n' * 200


def requests_of(authorization: str) -> list[bytes]:
    """Of each kind one."""
    who = f"Authorization: {authorization}"
    json_body, lines = "Content-Type: application/json", "Content-Type: application/x-ndjson"
    tag = json.dumps({"name": f"{random.getrandbits(80):x}"}).encode()
    batch = {"operations": [{"method": "POST", "path": "/api/v1/tags", "body": {"name": f"b{random.random()}"}}]}
    return [
        request("GET /api/v1/users/me", who),
        request("GET /api/v1/tags?limit=100", who),
        request("GET /api/v1/projects/export", who),
        request("POST /api/v1/tags", who, json_body, body=tag),
        request("POST /api/v1/batch", who, json_body, body=json.dumps(batch).encode()),
        request("POST /api/v1/projects/import", who, lines, body=LINES),
    ]


class Aborts:
    """The clients."""

    def __init__(self, server: Server, url: str, tokens: list[str]) -> None:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        self._address, self._url, self._tokens = (host, int(port)), url, tokens
        self._left = 0
        self.seen = Counter[str]()
        self.is_over = False

    async def run(self, count: int) -> None:
        """So many."""
        self._left = count
        blocking = asyncio.create_task(self._block())
        await asyncio.gather(*(self._abort_again() for _ in range(AT_ONCE)))
        self.is_over = True
        await blocking

    async def _abort_again(self) -> None:
        while self._left > 0:
            self._left -= 1
            with suppress(ConnectionError):
                await self._abort()

    async def _abort(self) -> None:
        """Send all of a request or a part, wait for a moment, and go."""
        sent = random.choice(requests_of(random.choice(self._tokens)))
        reader, writer = await asyncio.open_connection(*self._address)
        is_part = random.random() < 0.1
        writer.write(sent[: random.randrange(len(sent))] if is_part else sent)
        try:
            async with asyncio.timeout(random.uniform(0, LONGEST)):
                status = (await reader.readline())[9:12].decode()
                self.seen[f"gone after the beginning of a {status}" if status else "closed"] += 1
        except TimeoutError:
            self.seen["gone in the midst of a request" if is_part else "gone before the answer"] += 1
        if random.random() < 0.5:
            writer.transport.abort()  # Resets the connection.
        else:
            writer.close()

    async def _block(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            while not self.is_over:
                await connection.execute("LOCK TABLE tags IN SHARE MODE")
                await asyncio.sleep(BLOCKED)
                await connection.rollback()
                await asyncio.sleep(random.uniform(0, PAUSE))


async def is_whole(server: Server, tokens: list[str]) -> bool:
    """Whether as many reads and writes at once as there are connections succeed."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE, limits=limits) as http:
        who = [{"Authorization": tokens[n % len(tokens)]} for n in range(POOL)]
        reads = [http.get("/tags", headers=one) for one in who]
        tags = [http.post("/tags", json={"name": f"{random.getrandbits(80):x}"}, headers=one) for one in who]
        return all(answer.is_success for answer in await asyncio.gather(*reads, *tags))


async def when_whole(server: Server, tokens: list[str]) -> float:
    """Seconds until the pool is whole; infinite when it never is."""
    begun = perf_counter()
    while not await is_whole(server, tokens):
        if perf_counter() - begun > PATIENCE:
            return float("inf")
        await asyncio.sleep(0.1)
    return perf_counter() - begun


def sockets(server: Server) -> int:
    """How many the server's process has open."""
    links = Path(f"/proc/{server.process.pid}/fd").iterdir()
    found = 0
    for link in links:
        with suppress(OSError):  # It was closed meanwhile.
            found += str(link.readlink()).startswith("socket:")
    return found


def at_rest(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """How many connections the server has to PostgreSQL, and how many of them are busy, once none is; or after a time
    that only a fault takes.
    """
    deadline = monotonic() + PATIENCE
    while True:
        row = connection.execute(f"SELECT count(*), count(*) FILTER (WHERE state <> 'idle') {OURS}").fetchone()
        open_, busy = row or (0, 0)
        if not busy or monotonic() > deadline:
            return open_, busy
        sleep(0.01)


@click.command()
@click.option("--count", default=10_000, show_default=True, help="How many clients go away.")
@click.option(
    "--judge/--no-judge", default=False, help=f"Whether a pool that is whole after {WHOLE:g} s only is a fault."
)
def main(count: int, judge: bool) -> None:
    """Have clients go away at random moments, and look for what is left of them."""
    wrong = []
    with stage(TRELLIS_POOL_SIZE=str(POOL)) as (server, url), psycopg.connect(url, autocommit=True) as connection:
        tokens = [token(server, f"a{n}") for n in range(4)]
        before = sockets(server)
        aborts = Aborts(server, url, tokens)
        asyncio.run(aborts.run(count))
        seconds = asyncio.run(when_whole(server, tokens))
        open_, busy = at_rest(connection)
        left = sockets(server) - before
        given_up = server.output().count("The request was given up: The client went away.")
        traces = server.output().count("Traceback")
    for what, times in aborts.seen.most_common():
        click.echo(f"{times:,} {what}")
    click.echo(
        f"{count:,} clients have gone away; {given_up:,} requests were given up; whole again {seconds:.1f} s later: "
        f"{open_} connections of {2 * POOL}, {busy} busy; {left} sockets more than before; {traces} stack traces."
    )
    if seconds == float("inf") or open_ > 2 * POOL or busy or left > 2 * POOL or traces:
        wrong.append("Something is left.")
    if judge and seconds > WHOLE:
        wrong.append(f"It took longer than {WHOLE:g} s.")
    click.echo("\n".join(wrong) or "All as promised.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
