"""The worker harness: workers are killed and stopped while they do the jobs of many events.

`make jobs`, or `python -m tests.jobs.kills --help`. What a job writes into the database has to be there exactly once;
what it does elsewhere has to be done at least once, and once more for each worker that was killed or stopped at most.
"""

import asyncio
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import click
import psycopg
from pydantic import SecretStr

from shared.settings import Settings
from shared.writes.change import Change
from tests.database import template
from tests.jobs.planted import EFFECTS, LATER, TABLES, Grew, planted
from tests.jobs.workers import Worker, worker
from tests.patience import PATIENCE

ROLLED_BACK_EACH = 10
"""One of so many publishers is rolled back."""
STOPPED_EACH = 5
"""One of so many victims is stopped, and not killed."""
SILENT_SECONDS = "10"


class Failure(Exception):
    """What was lost or done too often; the message says what."""


@dataclass
class Harness:
    """One run."""

    url: str
    folder: Path
    chance: random.Random
    kept: list[UUID] = field(default_factory=list)
    undone: list[UUID] = field(default_factory=list)
    """What publishers that were rolled back have published."""
    victims: int = 0
    ended: int = 0
    """Workers that ended by themselves."""
    begun: int = 0
    workers: list[Worker] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def run(self, events: int, workers: int, kills: int) -> str:
        """What was done. Raises Failure."""
        self.read(TABLES)
        begun = time.monotonic()
        publisher = Thread(target=lambda: asyncio.run(self._publish(events)))
        with self.stack:
            for _ in range(workers):
                self._start()
            publisher.start()
            for number in range(kills):
                self._await_progress(events, number / kills)
                self._strike(number)
            publisher.join()
            self._await_progress(events, 1)
        return self._verdict(events, time.monotonic() - begun)

    async def _publish(self, events: int) -> None:
        secret = SecretStr("a secret for tests, 32 bytes or more")
        kernel = planted(Settings(DATABASE_URL=self.url, environment="development", secret=secret)).kernel
        for number in range(events):
            self.kept.append(await _published(kernel, is_undone=False))
            if number % ROLLED_BACK_EACH == 0:
                self.undone.append(await _published(kernel, is_undone=True))
        await kernel.database().close()

    def _start(self) -> None:
        self.begun += 1
        environment = {
            "TRELLIS_WORKER_JOBS": "1",
            "TRELLIS_WORKER_SILENT_SECONDS": SILENT_SECONDS,
            "TRELLIS_STATEMENT_SECONDS": "10",  # A stopped worker's transactions end after twice as long.
            EFFECTS: str(self.folder / "effects"),
        }
        log = self.folder / f"{self.begun}.log"
        self.workers.append(self.stack.enter_context(worker(self.url, log, **environment)))

    def _strike(self, number: int) -> None:
        """Kill a worker at some moment, or stop it for good. Another takes its place."""
        time.sleep(self.chance.uniform(0, 0.2))
        victim = self.workers.pop(self.chance.randrange(len(self.workers)))
        is_stopped = number % STOPPED_EACH == STOPPED_EACH - 1
        os.kill(victim.process.pid, signal.SIGSTOP if is_stopped else signal.SIGKILL)
        self.victims += 1
        self._start()

    def _await_progress(self, events: int, part: float) -> None:
        """Wait until this part of the jobs is done. Raises Failure when none is done for a long time."""
        wanted, before, deadline = int(part * events * len(LATER)), -1, 0.0
        while (done := self.number("SELECT count(*) FROM heard WHERE job = ANY(%s)", [*LATER])) < wanted:
            if done > before:
                before, deadline = done, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                told = "\n".join(one.output()[-2000:] for one in self.workers)
                raise Failure(f"{wanted} jobs were to be done, and {done} are. The workers say:\n{told}")
            self._replace_ended()
            time.sleep(0.1)

    def _replace_ended(self) -> None:
        """As whatever runs workers does. On a machine that starves it, one takes itself for blocked."""
        for ended in [one for one in self.workers if one.process.poll() is not None]:
            self.workers.remove(ended)
            self.ended += 1
            self._start()

    def _verdict(self, events: int, seconds: float) -> str:
        written = Counter(self.read("SELECT job, plant_id::text FROM heard WHERE job = ANY(%s)", [*LATER]))
        done = Counter(tuple(line.split()) for line in (self.folder / "effects").read_text().splitlines())
        wanted = {(job, str(plant)) for job in LATER for plant in self.kept}
        more = done.total() - len(wanted)
        if len(self.kept) != events or written != Counter(dict.fromkeys(wanted, 1)):
            raise Failure(
                f"{len(wanted)} were to be written, and {written.total()} are, {len(written)} of them different."
            )
        if done.keys() != wanted or more > self.victims + self.ended:
            raise Failure(f"Done: {len(done)} of {len(wanted)}, and {more} of them once more.")
        queued = {plant for (plant,) in self.read("SELECT args -> 'payload' ->> 'plant_id' FROM procrastinate_jobs")}
        if not self.undone or queued & set(map(str, self.undone)):
            raise Failure("A publisher that was rolled back left a job.")
        again = self.number("""
            SELECT count(*) FROM procrastinate_events JOIN procrastinate_jobs ON procrastinate_jobs.id = job_id
            WHERE type = 'deferred_for_retry' AND args ? 'event'""")
        return (
            f"{events} events to {len(LATER)} subscribers in {seconds:.0f} s. "
            f"{self.victims} workers killed or stopped, {self.ended} ended. Lost: 0. Written twice: 0. "
            f"Taken up again: {again}; of these, had been done: {more}. "
            f"{len(self.undone)} publishers were rolled back, and left: 0."
        )

    def number(self, statement: str, *values: object) -> int:
        """The first value of the first row."""
        return int(self.read(statement, *values)[0][0])

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []


async def _published(kernel: Any, *, is_undone: bool) -> UUID:
    plant = uuid4()
    async with kernel.database().unit_of_work(dry_run=is_undone) as unit:
        await kernel.events().publish(Change(unit), Grew(plant))
    return plant


@contextmanager
def harness(url: str, seed: int) -> Iterator[Harness]:
    """On a migrated database without jobs."""
    with tempfile.TemporaryDirectory(prefix="trellis-jobs-") as folder:
        yield Harness(url, Path(folder), random.Random(seed))


@click.command()
@click.option("--events", default=10_000, show_default=True, help="Each goes to three subscribers.")
@click.option("--workers", default=4, show_default=True)
@click.option("--kills", default=20, show_default=True, help="How many workers are killed, or stopped.")
@click.option("--seed", type=int, help="Of the victims and moments.")
def main(events: int, workers: int, kills: int, seed: int | None) -> None:
    """Kill workers while they do the jobs of many events, and see that none is lost."""
    seed = random.randrange(1 << 32) if seed is None else seed
    click.echo(f"Seed {seed}.")
    with template() as url, harness(url, seed) as run:
        try:
            click.echo(run.run(events, workers, kills))
        except Failure as failure:
            raise click.ClickException(str(failure)) from None


if __name__ == "__main__":
    main()
