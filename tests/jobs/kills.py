"""The worker harness: workers are killed and stopped, and PostgreSQL with `--postgres`, while many events are published
and their jobs are done.

`make jobs`, or `python -m tests.jobs.kills --help`. What a job writes into the database has to be there exactly once;
what it does elsewhere has to be done at least once, and once more at most for each worker that was killed or stopped,
or had its database killed. An event whose commit was in doubt has all of its jobs, or none.
"""

import asyncio
import logging
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import click
import psycopg
from pydantic import SecretStr

from shared.errors import CommitInDoubt, Unavailable
from shared.settings import Settings
from shared.writes.change import Change
from tests.database import template
from tests.jobs.planted import EFFECTS, LATER, TABLES, Grew, planted
from tests.jobs.workers import Worker, worker
from tests.patience import PATIENCE
from tests.server.crashes import Cluster, Failure, Victim

ROLLED_BACK_EACH = 10
"""One of so many publishers is rolled back."""
STOPPED_EACH = 5
"""One of so many victims is stopped, and not killed."""
SILENT_SECONDS = "10"
PUBLISHERS = 4
AHEAD = 50
"""Events by which publishers are ahead of the workers at most, so that both are at work when something is killed."""
WRITTEN = "SELECT count(*) FROM heard WHERE job = ANY(%s)"
UNWRITTEN = """
    SELECT count(*) FROM procrastinate_jobs WHERE args ? 'event' AND NOT EXISTS (
        SELECT FROM heard WHERE job = args ->> 'job' AND plant_id::text = args -> 'payload' ->> 'plant_id'
    )"""
"""Jobs that are yet to be done."""


@dataclass
class Harness:
    """One run."""

    url: str
    folder: Path
    chance: random.Random
    cluster: Cluster | None = None
    """The PostgreSQL that may be killed."""
    kept: list[UUID] = field(default_factory=list)
    undone: list[UUID] = field(default_factory=list)
    """What publishers that were rolled back have published."""
    doubtful: list[UUID] = field(default_factory=list)
    """What may have been published: PostgreSQL was killed during the commit."""
    done: int = 0
    """Jobs, when last looked at."""
    is_hurried: bool = False
    """Publishers wait for nobody, so that they are in the midst of something when PostgreSQL is killed."""
    victims: int = 0
    crashes: int = 0
    """Of PostgreSQL."""
    ended: int = 0
    """Workers that ended by themselves."""
    begun: int = 0
    workers: list[Worker] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    def run(self, events: int, workers: int, kills: int, postgres: int = 0) -> str:
        """What was done. Raises Failure."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(TABLES)
        begun = time.monotonic()
        publisher = Thread(target=lambda: asyncio.run(self._publish(events)), daemon=True)
        strikes = self.chance.sample([self._strike] * kills + [self._strike_postgres] * postgres, kills + postgres)
        with self.stack:
            for _ in range(workers):
                self._start()
            publisher.start()
            for number, strike in enumerate(strikes):
                wanted = number * events * len(LATER) // len(strikes)
                self._await(lambda: self.done >= wanted)  # noqa: B023 (called here)
                time.sleep(self.chance.uniform(0, 0.2))
                strike()
            self._await(lambda: not publisher.is_alive() and self.number(UNWRITTEN) == 0)
        return self._verdict(events, workers, time.monotonic() - begun)

    async def _publish(self, events: int) -> None:
        secret = SecretStr("a secret for tests, 32 bytes or more")
        kernel = planted(Settings(DATABASE_URL=self.url, environment="development", secret=secret)).kernel
        await asyncio.gather(*(self._publish_many(kernel, events) for _ in range(PUBLISHERS)))
        await kernel.database().close()

    async def _publish_many(self, kernel: Any, events: int) -> None:
        """One publisher, until all of them together have published so many."""
        for number in count():
            while not self.is_hurried and len(self.kept) > self.done / len(LATER) + AHEAD:  # noqa: ASYNC110 (of another thread)
                await asyncio.sleep(0.05)
            if len(self.kept) >= events:
                return
            await self._publish_one(kernel, is_undone=number % ROLLED_BACK_EACH == 0)

    async def _publish_one(self, kernel: Any, *, is_undone: bool) -> None:
        plant = uuid4()
        try:
            async with kernel.database().unit_of_work(dry_run=is_undone) as unit:
                await kernel.events().publish(Change(unit), Grew(plant))
        except CommitInDoubt:
            self.doubtful.append(plant)
        except Unavailable:
            self.undone.append(plant)
            await asyncio.sleep(0.05)
        else:
            (self.undone if is_undone else self.kept).append(plant)

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

    def _strike(self) -> None:
        """Kill a worker, or stop it for good. Another takes its place."""
        victim = self.workers.pop(self.chance.randrange(len(self.workers)))
        is_stopped = self.victims % STOPPED_EACH == STOPPED_EACH - 1
        os.kill(victim.process.pid, signal.SIGSTOP if is_stopped else signal.SIGKILL)
        self.victims += 1
        self._start()

    def _strike_postgres(self) -> None:
        """Kill the postmaster, or all of PostgreSQL. Whoever reads starts it again."""
        assert self.cluster is not None
        self.is_hurried = True
        time.sleep(self.chance.uniform(0.1, 0.3))
        self.cluster.kill(self.chance.choice((Victim.POSTMASTER, Victim.CLUSTER)), self.chance)
        self.is_hurried = False
        self.crashes += 1

    def _await(self, is_reached: Callable[[], bool]) -> None:
        """Wait until the jobs are done that far. Raises Failure when none is done for a long time."""
        before, deadline = -1, 0.0
        while True:
            self.done = self.number(WRITTEN, [*LATER])
            if is_reached():
                return
            if self.done > before:
                before, deadline = self.done, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                told = "\n".join(one.output()[-2000:] for one in self.workers)
                raise Failure(f"No more jobs are done than {self.done}. The workers say:\n{told}")
            self._replace_ended()
            time.sleep(0.1)

    def _replace_ended(self) -> None:
        """As whatever runs workers does. On a machine that starves it, one takes itself for blocked."""
        for ended in [one for one in self.workers if one.process.poll() is not None]:
            self.workers.remove(ended)
            self.ended += 1
            self._start()

    def _verdict(self, events: int, workers: int, seconds: float) -> str:
        written = Counter(self.read("SELECT job, plant_id::text FROM heard WHERE job = ANY(%s)", [*LATER]))
        done = Counter(tuple(line.split()) for line in (self.folder / "effects").read_text().splitlines())
        queued = {plant for (plant,) in self.read("SELECT args -> 'payload' ->> 'plant_id' FROM procrastinate_jobs")}
        found = [plant for plant in self.doubtful if str(plant) in queued]
        wanted = {(job, str(plant)) for job in LATER for plant in (*self.kept, *found)}
        more = done.total() - len(wanted)
        if len(self.kept) < events or written != Counter(dict.fromkeys(wanted, 1)):
            raise Failure(
                f"{len(wanted)} were to be written, and {written.total()} are, {len(written)} of them different."
            )
        if done.keys() != wanted or more > self.victims + self.ended + self.crashes * workers:
            raise Failure(f"Done: {len(done)} of {len(wanted)}, and {more} of them once more.")
        if not self.undone or queued & set(map(str, self.undone)):
            raise Failure("A publisher that was rolled back left a job.")
        again = self.number("""
            SELECT count(*) FROM procrastinate_events JOIN procrastinate_jobs ON procrastinate_jobs.id = job_id
            WHERE type = 'deferred_for_retry' AND args ? 'event'""")
        doubt = f"{len(self.doubtful)} commits were in doubt, and {len(found)} of these kept. " if self.crashes else ""
        return (
            f"{len(self.kept)} events to {len(LATER)} subscribers in {seconds:.0f} s. "
            f"{self.victims} workers killed or stopped, {self.ended} ended, PostgreSQL killed {self.crashes} times. "
            f"Lost: 0. Written twice: 0. Taken up again: {again}; of these, had been done: {more}. {doubt}"
            f"{len(self.undone)} publishers were rolled back, and left: 0."
        )

    def number(self, statement: str, *values: object) -> int:
        """The first value of the first row."""
        return int(self.read(statement, *values)[0][0])

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        if self.cluster is not None:
            return self.cluster.read(statement, *values)
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()


@contextmanager
def harness(url: str, seed: int) -> Iterator[Harness]:
    """On a migrated database without jobs."""
    with tempfile.TemporaryDirectory(prefix="trellis-jobs-") as folder:
        yield Harness(url, Path(folder), random.Random(seed))


@contextmanager
def mortal_harness(seed: int) -> Iterator[Harness]:
    """On a PostgreSQL that may be killed: it writes to the disk before it acknowledges."""
    with tempfile.TemporaryDirectory(prefix="trellis-jobs-") as folder:
        cluster = Cluster(Path(folder))
        with cluster.running() as url:
            yield Harness(url, Path(folder), random.Random(seed), cluster)


@click.command()
@click.option("--events", default=10_000, show_default=True, help="Each goes to three subscribers.")
@click.option("--workers", default=4, show_default=True)
@click.option("--kills", default=20, show_default=True, help="How many workers are killed, or stopped.")
@click.option("--postgres", default=0, show_default=True, help="How often PostgreSQL is killed.")
@click.option("--seed", type=int, help="Of the victims and moments.")
def main(events: int, workers: int, kills: int, postgres: int, seed: int | None) -> None:
    """Kill workers and PostgreSQL while the jobs of many events are done, and see that none is lost."""
    seed = random.randrange(1 << 32) if seed is None else seed
    click.echo(f"Seed {seed}.")
    logging.getLogger("trellis").setLevel(logging.CRITICAL)  # What PostgreSQL says when it is killed.
    with ExitStack() as stack:
        if postgres:
            run = stack.enter_context(mortal_harness(seed))
        else:
            run = stack.enter_context(harness(stack.enter_context(template()), seed))
        try:
            click.echo(run.run(events, workers, kills, postgres))
        except Failure as failure:
            raise click.ClickException(str(failure)) from None


if __name__ == "__main__":
    main()
