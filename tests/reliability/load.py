"""Clients that ask over and over on connections that they keep, in a closed or in an open loop, and measure.

In a closed loop so many clients ask, each again when it has its answer. In an open loop requests come at a rate,
whatever becomes of those before, as from very many clients. Nobody retries. The clients go before all other processes
where they may, so that they are not what is measured; how late they were is told.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

Wanted = Callable[[], bytes]
"""Makes the bytes of the next request."""
FIRST = -10
"""The clients' priority among processes, where they may set it."""
LIMIT = 30.0
"""Seconds after which a client takes a request for lost."""


@dataclass
class Tally:
    """What became of requests. Times are in seconds."""

    answered: dict[int, list[float]] = field(default_factory=dict)
    """The times of the answers, by status."""
    failed: Counter[str] = field(default_factory=Counter)
    """Requests without an answer, by what happened."""
    seconds: float = 0
    late: list[float] = field(default_factory=list)
    """How late requests were sent, for the clients' own reasons."""

    def add(self, status: int, took: float) -> None:
        """An answer has come."""
        self.answered.setdefault(status, []).append(took)

    def count(self, *statuses: int) -> int:
        """How many answers had one of these."""
        return sum(len(self.answered.get(status, ())) for status in statuses)

    def good(self) -> list[float]:
        """The times of the successful answers."""
        return [took for status, times in self.answered.items() if status < 400 for took in times]

    def wrong(self) -> list[str]:
        """What is neither a success nor a 503, and what has no answer."""
        strange = [f"{len(t)} × {status}" for status, t in self.answered.items() if status >= 400 and status != 503]
        return [*strange, *(f"{number} × {what}" for what, number in self.failed.items())]


def percentile(times: Sequence[float], part: float) -> float:
    """In milliseconds; 0 of nothing."""
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1000 if times else 0.0


class Client(asyncio.Protocol):
    """A connection, which is kept until the server ends it. One request at a time."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._received = b""
        self._answer: asyncio.Future[int] | None = None
        self.is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Gives the status, when all of the answer has come."""
        self._answer = asyncio.get_running_loop().create_future()
        self._received = b""
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        fields = head.lower()
        at = fields.find(b"\r\ncontent-length: ")
        length = int(fields[at + 18 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self.is_over |= b"\r\nconnection: close" in fields
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed without an answer"))


class Clients:
    """All clients of a server, or of a proxy before some."""

    def __init__(self, url: str, wanted: Wanted) -> None:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, FIRST)
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address = host, int(port)
        self._wanted = wanted
        self._idle: list[Client] = []

    async def ask(self, tally: Tally) -> None:
        """Ask once, on a connection that is at hand or on a new one."""
        client: Client | None = None
        begun = perf_counter()
        try:
            async with asyncio.timeout(LIMIT):
                client = self._at_hand() or await self._connected()
                status = await client.ask(self._wanted())
        except (OSError, TimeoutError) as error:
            tally.failed[f"{type(error).__name__}: {error}".strip(": ")] += 1
            if client is not None:
                client.transport.abort()
            return
        tally.add(status, perf_counter() - begun)
        if client.is_over:
            client.transport.close()
        else:
            self._idle.append(client)

    async def closed(self, number: int, seconds: float, tally: Tally | None = None) -> Tally:
        """So many clients, each with one request after the other."""
        tally = tally or Tally()
        begun = perf_counter()

        async def one() -> None:
            while perf_counter() - begun < seconds:
                await self.ask(tally)

        await asyncio.gather(*(one() for _ in range(number)))
        tally.seconds = perf_counter() - begun
        return tally

    async def open(self, rate: float, seconds: float) -> Tally:
        """So many requests a second, at random moments."""
        tally, running, begun = Tally(), set[asyncio.Task[None]](), perf_counter()
        due = begun
        while due - begun < seconds:
            due += random.expovariate(rate)
            if (wait := due - perf_counter()) > 0:
                await asyncio.sleep(wait)
            tally.late.append(perf_counter() - due)
            task = asyncio.create_task(self.ask(tally))
            running.add(task)
            task.add_done_callback(running.discard)
        tally.seconds = perf_counter() - begun
        await asyncio.gather(*running)
        return tally

    def close(self) -> None:
        """Let go of all connections."""
        for client in self._idle:
            client.transport.close()
        self._idle.clear()

    def _at_hand(self) -> Client | None:
        while self._idle:
            client = self._idle.pop()
            if not client.is_over:
                return client
        return None

    async def _connected(self) -> Client:
        _, client = await asyncio.get_running_loop().create_connection(Client, *self._address)
        return client
