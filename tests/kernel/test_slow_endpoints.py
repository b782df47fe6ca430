"""Endpoints that work for long before their first statement: no connection is held meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
from fastapi import APIRouter, Response
from httpx2 import AsyncClient
from sqlalchemy import column, func, insert, literal, select, table, text

from shared.http.routes.authentication import PublicChange
from shared.http.routes.routing import Route
from shared.http.routes.traits import operation
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.applications import client_of
from tests.database import clone

NOTE = Statement(insert(table("notes", column("id"))).values(id=literal(1)))
COUNT = Statement(select(func.count()).select_from(table("notes")))
KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE notes (id int)")
        yield url


@pytest.fixture
async def real(settings, url) -> AsyncIterator[Database]:
    changes = {"database_url": url, "pool_size": 1}
    database = Database(settings.model_copy(update=changes))
    yield database
    await database.close()


class Work:
    """What takes long; it goes on when the test says so."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.may_end = asyncio.Event()
        self.times = 0

    async def do(self) -> None:
        self.times += 1
        self.begun.release()
        await self.may_end.wait()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def http(real, work) -> AsyncIterator[AsyncClient]:
    """A client of a small application with an endpoint that is slow, and others."""
    router = APIRouter(route_class=Route)

    @router.post("/slow", status_code=201)
    @operation(slow=True)
    async def slow_one(change: PublicChange) -> Response:
        await work.do()
        await change.unit.execute(NOTE, {})
        return Response(b"{}", 201)

    @router.post("/quick", status_code=201)
    async def quick(change: PublicChange) -> Response:
        await change.unit.execute(NOTE, {})
        return Response(b"{}", 201)

    @router.post("/orm", status_code=201)
    @operation(slow=True)
    async def orm(change: PublicChange) -> Response:
        async with change.unit.orm() as session:
            await session.execute(text("INSERT INTO notes VALUES (1)"))
        return Response(b"{}", 201)

    async with client_of(router, real) as client:
        yield client


def notes(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM notes").fetchone()
    assert row is not None
    return int(row[0])


class TestWithAKey:
    async def test_hold_no_connection_while_they_work(self, http, work, url):
        """There is a single one for writing."""
        slow_ones = [asyncio.create_task(http.post("/slow", headers={"Idempotency-Key": f"{n}"})) for n in range(5)]
        for _ in range(5):
            await work.begun.acquire()
        assert (await http.post("/quick")).status_code == 201
        work.may_end.set()
        assert [(await one).status_code for one in slow_ones] == [201] * 5
        assert notes(url) == 6

    async def test_are_carried_out_once(self, http, work, url):
        work.may_end.set()
        first, again = [await http.post("/slow", headers=KEY) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (work.times, notes(url)) == (1, 1)

    async def test_that_meet_are_carried_out_once(self, http, work, url):
        """Both find nothing kept, and work; the second finds out when it begins."""
        both = [asyncio.create_task(http.post("/slow", headers=KEY)) for _ in range(2)]
        for _ in range(2):
            await work.begun.acquire()
        work.may_end.set()
        answers = [await one for one in both]
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert any(answer.status_code == 201 for answer in answers)
        again = await http.post("/slow", headers=KEY)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert notes(url) == 1

    async def test_that_begin_with_a_block_of_the_session_are_carried_out_once(self, http, url):
        """The key is looked for before the block, in the same transaction."""
        first, again = [await http.post("/orm", headers=KEY) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert notes(url) == 1


class TestAUnitOfWorkThatHasToDoSomethingFirst:
    @pytest.mark.parametrize("by", ["wire", "command", "session"])
    async def test_does_it_once_in_its_transaction_before_all_else(self, real, url, by):
        seen: list[int] = []

        async def write() -> None:
            async with real.unit_of_work() as unit:

                async def first() -> None:
                    assert await unit.execute(COUNT, {}) == [(0,)]
                    await unit.execute(NOTE, {})

                unit.before_first = first
                for _ in range(2):
                    if by == "wire":
                        seen.extend(n for (n,) in await unit.execute(COUNT, {}))
                    elif by == "command":
                        await unit.command("INSERT INTO notes VALUES (1)")
                        seen.extend(n - 1 for (n,) in await unit.execute(COUNT, {}))
                        await unit.command("DELETE FROM notes WHERE ctid = (SELECT max(ctid) FROM notes)")
                    else:
                        async with unit.orm() as session:
                            seen.append(await session.scalar(text("SELECT count(*) FROM notes")))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await write()
        assert seen == [1, 1]
        assert notes(url) == 0

    async def test_does_not_do_it_when_it_does_nothing(self, real):
        done: list[str] = []

        async def first() -> None:
            done.append("first")

        async with real.unit_of_work() as unit:
            unit.before_first = first
        assert done == []


class TestApart:
    async def test_is_kept_whatever_becomes_of_the_unit_that_is_open(self, real, url):
        with suppress(ZeroDivisionError):
            async with real.unit_of_work():
                async with real.unit_of_work() as apart:
                    await apart.execute(NOTE, {})
                raise ZeroDivisionError
        assert notes(url) == 1

    async def test_is_rolled_back_by_its_own_error(self, real, url):
        async with real.unit_of_work() as outer:
            with suppress(ZeroDivisionError):
                async with real.unit_of_work() as apart:
                    await apart.execute(NOTE, {})
                    raise ZeroDivisionError
            await outer.execute(NOTE, {})
        assert notes(url) == 1
