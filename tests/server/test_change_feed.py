"""The change feed while many write at once: nothing is skipped, nothing comes twice, nothing before its cause."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from shared.auth import Principal
from shared.container import KernelContainer
from tests.callers import Caller
from tests.contract.following import *  # noqa: F403 (its fixtures)
from tests.contract.following import changes_of, latest, share
from tests.patience import PATIENCE

pytestmark = pytest.mark.needs("projects")

WRITERS = 16
TRANSACTIONS = 60
"""Of each writer; a fifth of them are rolled back."""
SHARED = 6

Change = tuple[UUID, int]
"""A project, and the version that a transaction made of it."""


@dataclass
class History:
    """What the writers did, as they know it."""

    committed: set[Change] = field(default_factory=set)
    causes: dict[Change, set[Change]] = field(default_factory=dict)
    """For each change, those that its transaction had seen before it."""

    def flaws(self, read: Sequence[Change]) -> set[str]:
        """What is wrong with this reading of it."""
        found = set()
        times = Counter(read)
        if self.committed - times.keys():
            found.add("skipped")
        if times.keys() - self.committed:
            found.add("never happened")
        if max(times.values(), default=0) > 1:
            found.add("repeated")
        place = {change: n for n, change in enumerate(read)}
        for change, causes in self.causes.items():
            if change in place and any(place.get(cause, -1) > place[change] for cause in causes):
                found.add("before its cause")
        return found


class Writer:
    """Reads what others have committed, writes what depends on it, and takes its time."""

    def __init__(self, url: str, seed: int, own: UUID, hidden: UUID, shared: Sequence[UUID]) -> None:
        self._url = url
        self._random = random.Random(seed)
        self._own, self._hidden, self._shared = own, hidden, shared

    async def run(self, history: History) -> None:
        """All of its transactions, one after the other."""
        async with await AsyncConnection.connect(self._url) as connection:
            for _ in range(TRANSACTIONS):
                await self._transact(connection, history)

    async def _transact(self, connection: AsyncConnection, history: History) -> None:
        made: list[Change] = []
        causes: dict[Change, set[Change]] = {}
        seen: set[Change] = set()

        async def write(id: UUID) -> None:
            version = await _one(connection, "UPDATE projects SET name = name WHERE id = %s RETURNING version", id)
            causes[id, version] = seen | {(id, version - 1), *made}
            made.append((id, version))

        async def read(id: UUID) -> None:
            seen.add((id, await _one(connection, "SELECT version FROM projects WHERE id = %s", id)))

        # The first write takes the transaction's id; what is read after it may have a later one, and be a cause.
        steps = [write(self._own), read(self._random.choice(self._shared)), write(self._hidden), write(self._own)]
        if self._random.random() < 0.7:
            steps.append(write(self._random.choice(self._shared)))
        for step in steps:
            await step
            if self._random.random() < 0.4:
                await asyncio.sleep(self._random.uniform(0, 0.03))
        if self._random.random() < 0.2:
            await connection.rollback()
            return
        await connection.commit()
        visible = {change for change in made if change[0] != self._hidden}
        history.committed |= visible
        history.causes |= {change: causes[change] for change in visible}


async def _one(connection: AsyncConnection, statement: str, id: UUID) -> int:
    row = await (await connection.execute(statement, [id])).fetchone()
    assert row is not None
    version: int = row[0]
    return version


class Feed:
    """Polls, and follows the cursors."""

    def __init__(self, ask: Callable[[str], Awaitable[bytes]], cursor: str) -> None:
        self._ask, self._cursor = ask, cursor
        self.read: list[Change] = []
        self.polls_in_pages = 0

    async def poll(self):
        """Whether there is more."""
        page = json.loads(await self._ask(self._cursor))
        self._cursor = page["next_cursor"]
        self.polls_in_pages += page["has_more"]
        self.read += [(UUID(item["id"]), item["version"]) for item in page["items"]]
        return page["has_more"]


def over_http(caller: Caller, limit: int) -> Callable[[str], Awaitable[bytes]]:
    """Pages of so many changes."""

    async def ask(cursor: str) -> bytes:
        answer = await caller.get("/changes", params={"after": cursor, "limit": limit})
        assert answer.status_code == 200, answer.text
        return answer.content

    return ask


def looking_at_few(kernel: KernelContainer, caller: Caller, most_examined: int) -> Callable[[str], Awaitable[bytes]]:
    """A feed that looks at so many entries a poll, whosever they are."""
    changes = changes_of(kernel, most_examined)
    principal = Principal(caller.id, caller.session_id)

    async def ask(cursor: str) -> bytes:
        return (await changes.page(principal, cursor, 100)).to_json()

    return ask


class Naive:
    """Reads the journal itself, by one of the orders that do not hold."""

    def __init__(self, url, statement, hidden):
        self._connection = psycopg.connect(url, autocommit=True)
        self._statement, self._hidden = statement, hidden
        self._last = "0"
        self.read: list[Change] = []

    async def poll(self):
        """There is never more."""
        rows = self._connection.execute(self._statement, {"last": self._last}).fetchall()
        for id, version, place in rows:
            self._last = str(place)
            if id not in self._hidden:
                self.read.append((id, int(version)))
        return False

    def close(self):
        self._connection.close()


BY_ROW = """
    SELECT subject_id, after ->> 'version', id FROM journal
    WHERE id > %(last)s::bigint AND action = 'changed' ORDER BY id"""
BY_TRANSACTION = """
    SELECT subject_id, after ->> 'version', xid FROM journal
    WHERE xid > %(last)s::xid8 AND xid < pg_snapshot_xmin(pg_current_snapshot()) AND action = 'changed'
    ORDER BY xid, id"""


@pytest.fixture
async def ann(signed_in):
    return await signed_in(full_name="Ann")


@pytest.fixture
async def writers(ann, signed_in, url):
    """Each with a project that it shares with Ann, and one that it does not; others they all write to."""

    async def project(owner, is_shared):
        id = UUID((await owner.post("/projects", json={"name": "x"})).json()["id"])
        if is_shared:
            await share(owner, id, ann)
        return id

    owner = await signed_in()
    shared = [await project(owner, is_shared=True) for _ in range(SHARED)]
    return [
        Writer(url, seed, await project(owner, is_shared=True), await project(owner, is_shared=False), shared)
        for seed in range(WRITERS)
    ]


async def observe(history, writers, readers):
    """Have all of them write, while all of them read; and read what is left, then."""

    async def read(reader):
        while not done.is_set():
            await reader.poll()
            await asyncio.sleep(0.002)
        for _ in range(2):  # What it was in the midst of, and what came after that.
            while await reader.poll():
                pass

    done = asyncio.Event()
    reading = [asyncio.create_task(read(reader)) for reader in readers]
    await asyncio.gather(*(writer.run(history) for writer in writers))
    done.set()
    await asyncio.gather(*reading)


class TestTheFeed:
    async def test_holds_and_other_orders_do_not(self, ann, writers, url, real):
        """One history, and five readers of it at the same time: what the feed does not suffer from did happen."""
        hidden = {writer._hidden for writer in writers}
        start = await latest(ann)
        with psycopg.connect(url) as connection:
            last, xid = connection.execute("SELECT max(id), max(xid)::text FROM journal").fetchone() or (0, "0")
        by_row, by_transaction = Naive(url, BY_ROW, hidden), Naive(url, BY_TRANSACTION, hidden)
        by_row._last, by_transaction._last = str(last), xid
        in_small_pages, in_large_ones = Feed(over_http(ann, 3), start), Feed(over_http(ann, 100), start)
        in_small_steps = Feed(looking_at_few(real.kernel, ann, 4), start)
        feeds = (in_small_pages, in_large_ones, in_small_steps)
        history = History()
        await observe(history, writers, [*feeds, by_row, by_transaction])
        async with asyncio.timeout(PATIENCE):  # Its horizon is that of all databases, in which other tests write.
            while "before its cause" not in history.flaws(by_transaction.read):
                await by_transaction.poll()
                await asyncio.sleep(0.01)
        by_row.close()
        by_transaction.close()

        assert len(history.committed) > WRITERS * TRANSACTIONS
        assert in_small_pages.polls_in_pages > 50
        assert in_small_steps.polls_in_pages > 50
        assert [history.flaws(feed.read) for feed in feeds] == [set(), set(), set()]
        assert "skipped" in history.flaws(by_row.read)

    async def test_would_be_told_what_is_wrong(self):
        """The judgement of a reading can fail, in each way."""
        first, second = (uuid4(), 1), (uuid4(), 1)
        history = History({first, second}, {second: {first}})
        assert history.flaws([first, second]) == set()
        assert history.flaws([second, first]) == {"before its cause"}
        assert history.flaws([first, second, second]) == {"repeated"}
        assert history.flaws([first]) == history.flaws([]) == {"skipped"}
        assert history.flaws([first, second, (uuid4(), 1)]) == {"never happened"}
