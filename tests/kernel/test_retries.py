"""Units of work that are run again: those that met another, and those whose COMMIT was lost on the way."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from sqlalchemy import Integer, bindparam, column, insert, table, text, update

from shared.errors import Conflict, Unavailable
from shared.http.routes.authentication import PublicChange
from shared.http.routes.mutations import MOST_ATTEMPTS
from shared.http.routes.routing import Route
from shared.wire.database import Database
from shared.wire.statements import Statement
from tests.applications import client_of
from tests.contract.test_problems import is_problem
from tests.database import OTHER_CLIENTS, clone
from tests.patience import PATIENCE, eventually
from tests.proxy import Cut, Proxy
from tests.servers import WAITING, await_lock

NOTES = "CREATE TABLE notes (id int PRIMARY KEY, amount int NOT NULL DEFAULT 1)"
ROWS = table("notes", column("id", Integer()), column("amount", Integer()))
ADD = Statement(insert(ROWS).values(id=bindparam("id")))
INCREASE = Statement(update(ROWS).where(ROWS.c.id == bindparam("note")).values(amount=ROWS.c.amount + 1))
CONFLICT = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        with psycopg.connect(url) as connection:
            connection.execute(NOTES)
        yield url


@pytest.fixture
def sql(url):
    """Executes, and reads what is committed, on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE notes, idempotency_keys")
        yield connection.execute


@pytest.fixture
def amounts(sql):
    """What is committed: each note's amount."""
    return lambda: dict(sql("SELECT id, amount FROM notes").fetchall())


@pytest.fixture
async def proxy(url) -> AsyncIterator[SimpleNamespace]:
    proxy = Proxy(url)
    async with proxy.listening() as through:
        yield SimpleNamespace(url=through, cuts=proxy.cuts, is_idle=lambda: not proxy._connections)


@pytest.fixture
async def real(settings, proxy) -> AsyncIterator[Database]:
    database = Database(settings.model_copy(update={"database_url": proxy.url, "pool_size": 5}))
    yield database
    await database.close()


@pytest.fixture
def runs() -> list[str]:
    """The paths of the requests that were run, once for each time."""
    return []


@pytest.fixture
async def http(real, runs, sql) -> AsyncIterator[AsyncClient]:
    """A client of a small application whose endpoints write, meet, and fail as they are told."""
    router = APIRouter(route_class=Route)
    both_hold_one = asyncio.Barrier(2)

    @router.post("/notes/{id}", status_code=201)
    async def make(change: PublicChange, id: int, by: str = "wire", conflicts: int = 0) -> int:
        runs.append("make")
        meets = len(runs) <= conflicts
        if by == "wire":
            await change.unit.execute(ADD, {"id": id})
            if meets:
                await change.unit.command(CONFLICT)
        else:
            async with change.unit.orm() as session:
                await session.execute(text("INSERT INTO notes VALUES (:id)"), {"id": id})
                if meets:
                    await session.execute(text(CONFLICT))
        return id

    @router.post("/both/{first}/{second}")
    async def both(change: PublicChange, first: int, second: int) -> None:
        is_new = str(first) not in runs
        runs.append(str(first))
        await change.unit.execute(INCREASE, {"note": first})
        if is_new:
            await both_hold_one.wait()
        await change.unit.execute(INCREASE, {"note": second})

    @router.post("/double/{id}")
    async def double(change: PublicChange, id: int) -> Any:
        runs.append("double")
        await change.unit.command("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        async with change.unit.orm() as session:
            amount = await session.scalar(text("SELECT amount FROM notes WHERE id = :id"), {"id": id})
            if len(runs) == 1:
                sql(f"UPDATE notes SET amount = 10 WHERE id = {id}")
            await session.execute(text("UPDATE notes SET amount = :n"), {"n": 2 * amount})
        return 2 * amount

    @router.post("/refuse")
    async def refuse() -> None:
        runs.append("refuse")
        raise Conflict

    async with client_of(router, real) as client:
        yield client


KEYED = {"Idempotency-Key": "k"}


class TestARequestThatMeetsAnother:
    @pytest.mark.parametrize("headers", [{}, KEYED])
    async def test_is_run_again_whole(self, http, runs, amounts, by, headers):
        made = await http.post("/notes/1", params={"by": by, "conflicts": 2}, headers=headers)
        assert made.status_code == 201
        assert len(runs) == 3
        assert amounts() == {1: 1}

    @pytest.mark.parametrize("headers", [{}, KEYED])
    async def test_gives_up_after_so_many_times_and_keeps_nothing(self, http, runs, amounts, headers):
        given_up = await http.post("/notes/1", params={"conflicts": 99}, headers=headers)
        assert is_problem(given_up, 503, "contended")["retryable"] is True
        assert given_up.headers["Retry-After"]
        assert len(runs) == MOST_ATTEMPTS == 3
        assert amounts() == {}
        del runs[:]
        assert (await http.post("/notes/1", params={"conflicts": 99}, headers=headers)).status_code == 503
        assert len(runs) == 3

    async def test_in_a_deadlock_lets_both_do_all(self, http, runs, sql, amounts):
        sql("INSERT INTO notes VALUES (1), (2)")
        answers = await asyncio.gather(http.post("/both/1/2"), http.post("/both/2/1"))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert amounts() == {1: 3, 2: 3}
        assert len(runs) == 3

    async def test_after_a_serialization_failure_sees_what_the_other_did(self, http, runs, sql, amounts):
        sql("INSERT INTO notes VALUES (1)")
        assert (await http.post("/double/1")).json() == 20
        assert amounts() == {1: 20}
        assert len(runs) == 2


class TestARequestThatIsRefused:
    async def test_is_not_run_again(self, http, runs):
        is_problem(await http.post("/refuse"), 409, "conflict")
        assert runs == ["refuse"]

    async def test_for_a_row_that_is_there_is_not_run_again(self, http, runs, sql):
        sql("INSERT INTO notes VALUES (1)")
        is_problem(await http.post("/notes/1"), 409, "conflict")
        assert len(runs) == 1


@pytest.fixture(params=["wire", "session"])
def by(request):
    """How a request writes."""
    return request.param


class TestAConnectionLostInTheCommit:
    @pytest.mark.parametrize("cut", Cut)
    async def test_is_no_matter_with_a_key(self, http, amounts, proxy, by, cut):
        """The key tells the next attempt whether the first was kept."""
        proxy.cuts.append(cut)
        made = await http.post("/notes/1", params={"by": by}, headers=KEYED)
        assert (made.status_code, made.json()) == (201, 1)
        assert ("Idempotency-Replayed" in made.headers) is (cut is not Cut.BEFORE)
        assert amounts() == {1: 1}
        again = await http.post("/notes/1", params={"by": by}, headers=KEYED)
        assert (again.status_code, again.json()) == (201, 1)
        assert again.headers["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize("cut", Cut)
    async def test_is_told_without_a_key(self, http, amounts, proxy, by, cut):
        proxy.cuts.append(cut)
        doubtful = await http.post("/notes/1", params={"by": by})
        assert is_problem(doubtful, 503, "commit_in_doubt")["retryable"] is True
        assert doubtful.headers["Retry-After"]
        assert amounts() == ({} if cut is Cut.BEFORE else {1: 1})

    @pytest.mark.parametrize("cut", Cut)
    async def test_every_time_is_told_and_the_client_may_go_on(self, http, amounts, proxy, by, cut):
        proxy.cuts.extend([cut] * MOST_ATTEMPTS)
        doubtful = await http.post("/notes/1", params={"by": by}, headers=KEYED)
        is_problem(doubtful, 503, "commit_in_doubt")
        assert proxy.cuts == []
        made = await http.post("/notes/1", params={"by": by}, headers=KEYED)
        assert (made.status_code, made.json()) == (201, 1)
        assert amounts() == {1: 1}

    async def test_is_told_when_the_next_attempt_cannot_find_out(self, real, runs, proxy, sql):
        router = APIRouter(route_class=Route)

        @router.post("/notes")
        async def make(change: PublicChange) -> None:
            runs.append("make")
            if len(runs) > 1:
                raise Unavailable
            await change.unit.execute(ADD, {"id": 1})

        proxy.cuts.append(Cut.BEFORE)
        async with client_of(router, real) as http:
            doubtful = await http.post("/notes", headers=KEYED)
        is_problem(doubtful, 503, "commit_in_doubt")
        assert len(runs) == 2

    async def test_leaves_no_broken_connection_behind(self, http, real, proxy, amounts, by):
        for n in range(10):
            proxy.cuts.append(Cut.BEFORE)
            await http.post(f"/notes/{n}", params={"by": by})
            assert (await http.post(f"/notes/{n}", params={"by": by})).status_code == 201
        assert real.write_lane.in_use == 0
        assert len(amounts()) == 10


class TestAConnectionLostBefore:
    async def test_is_no_doubt(self, http, url, sql, amounts, by):
        """In the midst of the request nothing was kept."""
        assert (await http.post("/notes/1", params={"by": by})).status_code == 201
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE notes IN EXCLUSIVE MODE")
            losing = asyncio.create_task(http.post("/notes/2", params={"by": by}))
            await asyncio.to_thread(await_lock, url)
            sql(f"SELECT pg_terminate_backend(pid) {WAITING}")
            lost = await losing
        is_problem(lost, 503, "unavailable")
        assert (await http.post("/notes/2", params={"by": by})).status_code == 201
        assert amounts() == {1: 1, 2: 1}

    async def test_while_it_was_idle_is_no_matter(self, http, sql, amounts, proxy, by):
        assert (await http.post("/notes/1", params={"by": by})).status_code == 201
        sql(f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000}) {OTHER_CLIENTS}")
        await asyncio.to_thread(eventually, proxy.is_idle)  # It passes the news on.
        assert (await http.post("/notes/2", params={"by": by})).status_code == 201
        assert amounts() == {1: 1, 2: 1}
