"""What a step past one machine costs each request: `python -m benchmarks.scale`. docs/SCALE.md has its figures.

The application runs in this process, without HTTP, for one request at a time: straight to PostgreSQL, with a streaming
replica, and by PgBouncer in transaction mode. It measures processor time: the process's, and that of all processes of
PostgreSQL and PgBouncer together.
"""

import asyncio
import json
import os
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

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

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        """The document in the answer. Raises RuntimeError for a refusal."""
        path, _, query = path.partition("?")
        headers = [(b"host", b"x"), (b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
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
        form = {"grant_type": "password", "username": account["email"], "password": account["password"]}
        kind = "application/x-www-form-urlencoded"
        self.token = (await self.ask("POST", "/auth/token", urlencode(form).encode(), kind))["access_token"]


def processor() -> float:
    """The processor time of all that this process has started, in microseconds."""
    parents, times = dict[int, int](), dict[int, int]()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended meanwhile.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)], times[int(entry.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    below: set[int] = set()
    while new := {pid for pid, parent in parents.items() if parent in below | {os.getpid()}} - below:
        below |= new
    return sum(times[pid] for pid in below) * TICK


async def measure(settings: Settings, count: int) -> dict[str, tuple[float, ...]]:
    """For each request: this process's microseconds, PostgreSQL's, and how long one takes. The median of three."""
    app = create_app(compose(settings, discover()))
    found: dict[str, tuple[float, ...]] = {}
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
                began, ours, theirs = time.perf_counter(), time.process_time(), processor()
                for number in range(count):
                    body = b'{"name": "%d-%d"}' % (turn, number) if method != "GET" else b""
                    await client.ask(method, path, body)
                took = (time.perf_counter() - began, time.process_time() - ours)
                rounds.append((took[1] / count * 1e6, (processor() - theirs) / count, took[0] / count * 1e6))
            found[name] = tuple(median(column) for column in zip(*rounds[1:], strict=True))
    return found


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
    """Measure each way to the database, and print a table."""
    with ExitStack() as stack:
        primary, (standby,) = stack.enter_context(replicated())
        click.echo(
            "| way | request | process, µs | PostgreSQL, µs | one takes, µs |\n| --- | --- | ---: | ---: | ---: |"
        )
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
            found = uvloop.run(measure(settings, count))
            for request, figures in found.items():
                click.echo(f"| {way} | {request} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
