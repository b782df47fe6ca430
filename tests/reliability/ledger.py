"""Clients that read and write in turn, send again what was refused, and keep account of what they were told."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

import httpx2
import psycopg

from tests.patience import PATIENCE

CLIENTS = 16
WITHOUT_KEY = 0.25
"""The part of the writes that have no key, and are sent once."""
PAUSE = 0.05
"""Seconds until a client asks again that was refused."""
RUNNING = "409 idempotency_in_progress"
"""The first attempt may stand still in PostgreSQL when its key is sent again."""


@dataclass
class Outcome:
    """What the clients were answered."""

    answers: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    """Seconds that a request took."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The id of a project, by its name."""
    refused: set[str] = field(default_factory=set)
    """The names of those that were answered `unavailable`, and not asked for again."""

    def wrong(self) -> list[str]:
        """The answers that there may not be."""
        good = ("200 ", "201 ", "503 ", RUNNING)
        return [f"{times} × {answer}" for answer, times in self.answers.items() if not answer.startswith(good)]


class Clients:
    """Each reads and writes in turn, one request after the other, until all are told to end."""

    def __init__(self, http: httpx2.AsyncClient, tokens: list[str]) -> None:
        self._http, self._tokens = http, tokens
        self.outcome = Outcome()
        self.is_over = False
        self._unwell: set[tuple[int, str]] = set()
        """The clients that have not had a success yet, and in what."""
        self._is_well = asyncio.Event()

    async def run(self, number: int) -> None:
        """One client. It ends when its last write is acknowledged."""
        headers = {"Authorization": self._tokens[number % len(self._tokens)]}
        while not self.is_over:
            await self._ask(number, "GET", random.choice(("/users/me", "/projects?limit=20")), headers)
            name = uuid4().hex
            if random.random() < WITHOUT_KEY:
                await self._write_once(number, name, headers)
            else:
                await self._write(number, name, headers)

    async def well(self) -> float:
        """Seconds until every client has read and written with success; infinite if that does not come."""
        begun = perf_counter()
        self._unwell = {(number, method) for number in range(CLIENTS) for method in ("GET", "POST")}
        self._is_well.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._is_well.wait()
                return perf_counter() - begun
        return float("inf")

    async def _write(self, number: int, name: str, headers: dict[str, str]) -> None:
        """Under a key, again and again until it is acknowledged."""
        keyed = headers | {"Idempotency-Key": name}
        begun, made = perf_counter(), None
        while made is None or made.status_code in {409, 503}:
            if perf_counter() - begun > PATIENCE:
                self.outcome.answers["no answer: a write was never acknowledged"] += 1
                return
            made = await self._ask(number, "POST", "/projects", keyed, {"name": name})
            await asyncio.sleep(PAUSE if made is None or made.is_error else 0)
        if made.is_success:
            self.outcome.acknowledged[name] = made.json()["id"]

    async def _write_once(self, number: int, name: str, headers: dict[str, str]) -> None:
        """Without a key: after a refusal, it is not there."""
        made = await self._ask(number, "POST", "/projects", headers, {"name": name})
        if made is not None and made.is_success:
            self.outcome.acknowledged[name] = made.json()["id"]
        elif made is not None and made.json()["code"] == "unavailable":
            self.outcome.refused.add(name)

    async def _ask(
        self, number: int, method: str, path: str, headers: dict[str, str], body: object = None
    ) -> httpx2.Response | None:
        begun = perf_counter()
        try:
            answer = await self._http.request(method, path, headers=headers, json=body)
        except httpx2.TransportError as error:
            self.outcome.answers[f"no answer: {type(error).__name__}"] += 1
            return None
        self.outcome.longest = max(self.outcome.longest, perf_counter() - begun)
        self.outcome.answers[f"{answer.status_code} {answer.json().get('code', '') if answer.is_error else ''}"] += 1
        if answer.is_success:
            self._unwell.discard((number, method))
            if not self._unwell:
                self._is_well.set()
        return answer


def lost_and_doubled(url: str, outcome: Outcome) -> list[str]:
    """What is not there once, as it was told, and what is there though it was refused."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(url) as connection:
        for name, id in connection.execute("SELECT name, id::text FROM projects"):
            found.setdefault(name, []).append(id)
        untold = connection.execute("""
            SELECT projects.name FROM projects LEFT JOIN journal ON subject_id = projects.id AND action = 'created'
            GROUP BY projects.id HAVING count(journal.id) <> 1""").fetchall()
    wrong = [f"{name} is lost" for name, id in outcome.acknowledged.items() if id not in found.get(name, ())]
    wrong += [f"{name} is there {len(ids)} times" for name, ids in found.items() if len(ids) > 1]
    wrong += [f"{name} was refused, and is there" for name in outcome.refused & found.keys()]
    return wrong + [f"{name} is not told of once" for (name,) in untold]
