"""What a step past one machine costs each request: `python -m benchmarks.scale`. docs/SCALE.md has its figures.

The application runs in this process, without HTTP, for one request at a time: straight to PostgreSQL, with a streaming
replica, and by PgBouncer in transaction mode. It measures processor time: the process's, and that of all processes of
PostgreSQL and PgBouncer together.
"""

import asyncio
import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import uvloop
from pydantic import SecretStr
from starlette.types import ASGIApp, Message

from app.asgi import create_app
from app.container import compose
from app.migrations import upgrade
from shared.manifest import discover
from shared.settings import Settings
from tests.pooler import PROGRAM, pooling
from tests.standby import PostgreSQL, replicated

ACCOUNT = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}
OTHER = ACCOUNT | {"email": "ben@example.com"}
TICK = 1e6 / os.sysconf("SC_CLK_TCK")
"""Microseconds of the kernel's count of processor time."""


@dataclass
class Client:
    """Asks the application, as a server would."""

    app: ASGIApp
    token: str = ""

    async def ask(self, method: str, path: str, body: bytes = b"") -> Any:
        """The document in the answer. Raises RuntimeError for a refusal."""
        path, _, query = path.partition("?")
        headers = [(b"host", b"x"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if self.token:
            headers.append((b"authorization", b"Bearer " + self.token.encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/api/v1{path}",
            "raw_path": f"/api/v1{path}".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        answer: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            answer.append(message)

        await self.app(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in answer)
        if answer[0]["status"] >= 400:
            raise RuntimeError(f"{method} {path}: {content.decode()}")
        return json.loads(content)

    async def sign_in(self, account: dict[str, str]) -> None:
        """Register, and keep the token."""
        await self.ask("POST", "/users", json.dumps(account).encode())
        body = json.dumps({"email": account["email"], "password": account["password"]})
        self.token = (await self.ask("POST", "/auth/sessions", body.encode()))["access_token"]


def processor(*roots: int) -> list[float]:
    """The processor time of each of these processes and of all below it, in microseconds."""
    parents, times = dict[int, int](), dict[int, int]()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended meanwhile.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)], times[int(entry.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    found = []
    for root in roots:
        tree = {root}
        while new := {pid for pid, parent in parents.items() if parent in tree} - tree:
            tree |= new
        found.append(sum(times.get(pid, 0) for pid in tree) * TICK)
    return found


async def measure(settings: Settings, servers: Sequence[int], count: int) -> dict[str, list[float]]:
    """For each request the microseconds of this process, of each server's, of all that it has started beside those (the
    pooler), and from beginning to end. The median of three rounds.
    """
    app = create_app(compose(settings, discover()))
    found: dict[str, list[float]] = {}
    async with app.router.lifespan_context(app):
        reader, writer = Client(app), Client(app)
        await writer.sign_in(ACCOUNT)
        await reader.sign_in(OTHER)
        for _ in range(20):
            project = await reader.ask("POST", "/projects", b'{"name": "new"}')
        own = await writer.ask("POST", "/projects", b'{"name": "new"}')
        await asyncio.sleep(1)
        requests = {
            "one project": (reader, "GET", f"/projects/{project['id']}"),
            "page of 20": (reader, "GET", "/projects?limit=20"),
            "change one field": (writer, "PATCH", f"/projects/{own['id']}"),
            "create": (writer, "POST", "/projects"),
        }
        for name, (client, method, path) in requests.items():
            rounds = []
            for turn in range(4):
                before = _clocks(servers)
                for number in range(count):
                    body = b'{"name": "%d-%d"}' % (turn, number) if method != "GET" else b""
                    await client.ask(method, path, body)
                rounds.append([(now - was) / count for now, was in zip(_clocks(servers), before, strict=True)])
            found[name] = [median(column) for column in zip(*rounds[1:], strict=True)]
    return found


def _clocks(servers: Sequence[int]) -> list[float]:
    everything, *each = processor(os.getpid(), *servers)
    own = sum(os.times()[:2]) * 1e6
    return [time.process_time() * 1e6, *each, everything - own - sum(each), time.perf_counter() * 1e6]


def _settings(primary: PostgreSQL, database: str, **more: Any) -> Settings:
    return Settings(
        DATABASE_URL=primary.url(database),
        environment="development",
        secret=SecretStr("a secret for measuring, 32 bytes or more"),
        argon2_memory_kib=8,
        argon2_iterations=1,
        **more,
    )


@click.command()
@click.option("--count", default=1500, show_default=True, help="How many of each request in a round.")
def main(count: int) -> None:
    """Measure each way to the database, and print a table, in microseconds."""
    with ExitStack() as stack:
        primary, (standby,) = stack.enter_context(replicated())
        servers = [server.process.pid for server in (primary, standby) if server.process]
        click.echo("| way | request | process | primary | replica | pooler | one takes |")
        click.echo("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
        ways = {"straight": "straight", "with a replica": "replicated"}
        if PROGRAM is not None:
            ways["by PgBouncer"] = "pooled"
        for way, database in ways.items():
            primary.sql(f"CREATE DATABASE {database}")
            upgrade(primary.url(database))
            more = {"replica_urls": standby.url(database)} if database == "replicated" else {}
            if database == "pooled":
                more["pooled_url"] = stack.enter_context(pooling(primary.url(database), connections=20))
            settings = _settings(primary, database, **more)
            found = uvloop.run(measure(settings, servers, count))
            for request, figures in found.items():
                click.echo(f"| {way} | {request} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
