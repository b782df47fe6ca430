"""The termination harness: clients read and write while backends are ended at random, by an administrator's command.

`make terminations COUNT=1000`, or `python -m tests.server.terminations --help`. Every request has to be answered, with
what was asked for or a 503, and in the end each connection's place has to be free.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import click
import httpx2
import psycopg

from app.embedded import EmbeddedPostgres
from app.migrations import upgrade
from tests.patience import PATIENCE
from tests.servers import Server, serving

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
READERS, WRITERS = 16, 8
POOL = 5
"""Connections a lane: fewer than clients, so that each one lost is missed."""
PAUSE = 0.01  # seconds between two terminations
VICTIM = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'trellis' AND datname = current_database() ORDER BY random() LIMIT 1
"""


class Clients:
    """Ask until they are told to end."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self.answers: Counter[str] = Counter()
        self.has_ended = False

    async def read(self, path: str) -> None:
        """One read after the other."""
        while not self.has_ended:
            await self._ask("GET", path)

    async def write(self, number: int) -> None:
        """Makes a tag, by the wire, and changes it, by the session, again and again."""
        for n in count():
            if self.has_ended:
                return
            made = await self._ask("POST", "/tags", json={"name": f"{number} {n}"})
            if made is not None and made.status_code == 201:
                await self._ask("PATCH", f"/tags/{made.json()['id']}", json={"color": "#123456"})

    async def _ask(self, method: str, path: str, **content: object) -> httpx2.Response | None:
        try:
            answer = await self._http.request(method, path, **content)  # type: ignore[arg-type]
        except httpx2.TransportError as error:
            self.answers[f"no answer: {type(error).__name__}"] += 1
            return None
        code = answer.json().get("code", "") if answer.status_code >= 400 else ""
        self.answers[f"{answer.status_code} {code}".strip()] += 1
        return answer


@contextmanager
def serving_embedded() -> Iterator[tuple[Server, str]]:
    """A server over a database of its own, and that one's URL."""
    with tempfile.TemporaryDirectory(prefix="trellis-terminations-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres(folder / "postgres", durable=False) as database:
            upgrade(database.url)
            with serving(folder, DATABASE_URL=database.url, TRELLIS_POOL_SIZE=str(POOL)) as server:
                yield server, database.url


async def end_backends(url: str, terminations: int) -> None:
    """So many, one after the other."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        ended = 0
        while ended < terminations:
            found = await (await connection.execute(VICTIM)).fetchone()
            ended += found is not None
            await asyncio.sleep(random.uniform(0, 2 * PAUSE))


async def storm(server: Server, url: str, terminations: int) -> tuple[Counter[str], float]:
    """What the clients were answered, and how many seconds after the last termination both lanes were whole."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE, limits=limits) as http:
        (await http.post("/users", json=ACCOUNT)).raise_for_status()
        body = {"email": ACCOUNT["email"], "password": ACCOUNT["password"]}
        token = (await http.post("/auth/sessions", json=body)).raise_for_status().json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        clients = Clients(http)
        async with asyncio.TaskGroup() as asking:
            for number in range(READERS):
                asking.create_task(clients.read("/users/me" if number % 2 else "/tags"))
            for number in range(WRITERS):
                asking.create_task(clients.write(number))
            await end_backends(url, terminations)
            clients.has_ended = True
        began = time.monotonic()
        while not await is_whole(http):
            if time.monotonic() - began > PATIENCE:
                clients.answers["never whole again"] += 1
                break
        return clients.answers, time.monotonic() - began


async def is_whole(http: httpx2.AsyncClient) -> bool:
    """Whether as many reads and writes at once as there are connections succeed."""
    reads = (http.get("/tags") for _ in range(POOL))
    writes = (http.post("/tags", json={"name": f"{random.getrandbits(64):x}"}) for _ in range(POOL))
    return all(answer.is_success for answer in await asyncio.gather(*reads, *writes))


@click.command()
@click.option("--count", "terminations", default=1000, show_default=True, help="How many backends are ended.")
def main(terminations: int) -> None:
    """End backends while clients read and write."""
    with serving_embedded() as (server, url):
        answers, seconds = asyncio.run(storm(server, url, terminations))
        traces = server.output().count("Traceback")
    for answer, times in answers.most_common():
        click.echo(f"{answer}: {times:,}")
    click.echo(f"{terminations:,} backends ended; both lanes whole {seconds:.1f} s later; {traces} stack traces.")
    wrong = [answer for answer in answers if not answer.startswith(("200", "201", "503"))]
    sys.exit(1 if wrong or traces else 0)


if __name__ == "__main__":
    main()
