"""Sign-ins that meet, and what a flood of them does to others: a real server, real transactions."""

import asyncio
import math
import time

import httpx2
import psycopg
import pytest

from modules.users.guesses import ACCOUNT
from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import serving

PASSWORD = "correct horse battery"
FLOOD = 64
"""Requests at once, and connections for them."""


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


@pytest.fixture(scope="module")
def server(url, tmp_path_factory):
    many = {"TRELLIS_USERS_REGISTRATIONS_PER_HOUR": "10000"}
    with serving(tmp_path_factory.mktemp("server"), DATABASE_URL=url, **many) as server:
        yield server


@pytest.fixture
async def http(server):
    limits = httpx2.Limits(max_connections=FLOOD)
    async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE, limits=limits) as http:
        yield http


async def register(http, email):
    answer = await http.post("/users", json={"email": email, "password": PASSWORD, "full_name": "Ann"})
    return answer.json()["id"]


async def sign_in(http, email, password=PASSWORD, **headers):
    body = {"email": email, "password": password}
    return await http.post("/auth/sessions", json=body, headers=headers)


async def refresh(http, token):
    return await http.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


async def bearer(http, email):
    await register(http, email)
    return {"Authorization": f"Bearer {(await sign_in(http, email)).json()['access_token']}"}


def query(url, statement, *values):
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values).fetchall()


class TestGuesses:
    @pytest.mark.parametrize("email", ["parallel@example.com", "unknown@example.com"])
    async def test_at_once_are_no_more_than_one_after_the_other(self, http, email):
        """Each is counted before its password is looked at."""
        if email.startswith("parallel"):
            await register(http, email)
        began = time.monotonic()
        answers = await asyncio.gather(*(sign_in(http, email, f"wrong {n}") for n in range(40)))
        seconds = time.monotonic() - began
        statuses = [answer.status_code for answer in answers]
        # A guess may be turned away for want of room, too; that is no failure, and one after it may have its place.
        assert set(statuses) <= {401, 429, 503}
        # One more each time that a wait is over: after 1 s, 3 s, 7 s and so on. Of a failure a part is soon forgotten.
        assert statuses.count(401) <= ACCOUNT.free + math.log2(seconds + 1) + 1
        assert 429 in statuses

    async def test_do_not_stop_who_signs_in_at_many_places_at_once(self, http):
        """A right password at a known place is let through though others of it are being looked at."""
        await register(http, "busy@example.com")
        assert (await sign_in(http, "busy@example.com")).status_code == 201
        answers = await asyncio.gather(*(sign_in(http, "busy@example.com") for _ in range(8)))
        assert [answer.status_code for answer in answers] == [201] * 8


class TestARefreshToken:
    async def test_that_is_used_many_times_at_once_has_one_successor(self, http, url):
        await register(http, "fork@example.com")
        token = (await sign_in(http, "fork@example.com")).json()["refresh_token"]
        answers = await asyncio.gather(*(refresh(http, token) for _ in range(FLOOD)))
        # So many wait for the row that some find no connection: they may ask again.
        assert {answer.status_code for answer in answers} <= {200, 503}
        successors = {answer.json()["refresh_token"] for answer in answers if answer.status_code == 200}
        assert len(successors) == 1
        live = """SELECT count(*) FROM refresh_tokens AS t JOIN sessions AS s ON s.id = session_id
            JOIN users ON users.id = user_id WHERE email = %s AND t.used_at IS NULL"""
        assert query(url, live, "fork@example.com") == [(1,)]
        assert (await refresh(http, successors.pop())).status_code == 200


class TestAdministrators:
    async def test_who_demote_each_other_at_once_do_not_both_succeed(self, http, url):
        ids, headers = [], []
        for email in ("one@example.com", "two@example.com"):
            headers.append(await bearer(http, email))
            ids.append((await http.get("/users/me", headers=headers[-1])).json()["id"])
        for change in ({"role": "user"}, {"is_active": False}, None):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("UPDATE users SET role = 'user'")
                connection.execute("UPDATE users SET role = 'admin', is_active = true WHERE id = ANY(%s)", [ids])
                connection.execute("UPDATE sessions SET revoked_at = NULL")
            method = "PATCH" if change else "DELETE"
            answers = await asyncio.gather(
                *(http.request(method, f"/users/{ids[1 - n]}", json=change, headers=headers[n]) for n in (0, 1))
            )
            # The other may find that it is one no more, or that its session has ended.
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses[0] in {200, 204}
            assert statuses[1] in {401, 403, 404, 409}
            left = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active AND deleted_at IS NULL"
            assert query(url, left) == [(1,)]


@pytest.mark.needs("tags")
class TestAFlood:
    """While others hash, nobody who writes has to wait for a connection."""

    async def others(self, http, headers, stop):
        """What becomes of another's writes as long as the flood goes on."""
        answers: list[httpx2.Response] = []
        while not stop.is_set():
            answers.append(await http.post("/tags", json={"name": f"Tag {len(answers)}"}, headers=headers))
        return [answer.status_code for answer in answers]

    async def meanwhile(self, http, server, headers, flood):
        stop = asyncio.Event()
        async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE) as other:
            writing = asyncio.create_task(self.others(other, headers, stop))
            answers = await asyncio.gather(*flood)
            stop.set()
            written = await writing
        assert set(written) == {201}, written
        assert written
        return {answer.status_code for answer in answers}

    async def test_of_sign_ins_with_keys(self, http, server):
        headers = await bearer(http, "writer1@example.com")
        flood = (sign_in(http, f"flood{n}@example.com", Idempotency_Key=f"k{n}") for n in range(FLOOD))
        assert await self.meanwhile(http, server, headers, flood) <= {401, 429, 503}

    async def test_of_registrations_with_keys(self, http, server):
        headers = await bearer(http, "writer2@example.com")
        accounts = ({"email": f"new{n}@example.com", "password": PASSWORD, "full_name": "New"} for n in range(FLOOD))
        flood = (
            http.post("/users", json=account, headers={"Idempotency-Key": f"k{n}"})
            for n, account in enumerate(accounts)
        )
        assert await self.meanwhile(http, server, headers, flood) <= {201, 503}

    @pytest.mark.parametrize("query", ["", "?dry_run=true"])
    async def test_of_registrations_in_batches(self, http, server, query):
        headers = await bearer(http, f"writer3{query[:1]}x@example.com".replace("?", "dry"))
        account = {"password": PASSWORD, "full_name": "New"}
        operations = [
            {"method": "POST", "path": "/users", "body": account | {"email": f"batch{n}@example.com"}}
            for n in range(99)
        ]
        flood = (http.post(f"/batch{query}", json={"operations": operations}, headers=headers) for _ in range(10))
        assert await self.meanwhile(http, server, headers, flood) == {422}

    async def test_of_changes_of_passwords_with_keys(self, http, server):
        headers, victim = await bearer(http, "writer4@example.com"), await bearer(http, "changer@example.com")
        change = {"current_password": "wrong", "new_password": "a new password"}
        flood = (
            http.put("/users/me/password", json=change, headers=victim | {"Idempotency-Key": f"k{n}"})
            for n in range(FLOOD)
        )
        assert await self.meanwhile(http, server, headers, flood) <= {403, 429, 503}


class TestARegistrationWithAKey:
    async def test_that_is_sent_many_times_at_once_is_made_once(self, http, url):
        """What looked before the first was kept is told that it is running, or its answer; never that it is taken."""
        account = {"email": "again@example.com", "password": PASSWORD, "full_name": "Ann"}
        answers = await asyncio.gather(
            *(http.post("/users", json=account, headers={"Idempotency-Key": "k"}) for _ in range(20))
        )
        codes = {answer.json().get("code", "made") for answer in answers}
        assert codes <= {"made", "idempotency_in_progress"}
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        assert query(url, "SELECT count(*) FROM users WHERE email = %s", "again@example.com") == [(1,)]
