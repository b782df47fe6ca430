"""Requests that meet: a real server, real transactions."""

import asyncio

import httpx2
import psycopg
import pytest

from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import await_lock, serving

pytestmark = pytest.mark.needs("projects")

ANN = {"email": "ann@example.com", "password": "correct horse battery", "full_name": "Ann"}


@pytest.fixture(scope="module")
def url():
    with clone() as url:
        yield url


@pytest.fixture(scope="module")
def server(url, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server"), DATABASE_URL=url) as server:
        yield server


@pytest.fixture
async def http(server):
    limits = httpx2.Limits(max_connections=20)
    async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE, limits=limits) as http:
        yield http


async def sign_in(http, **account):
    await http.post("/users", json=ANN | account)
    body = {"email": (ANN | account)["email"], "password": ANN["password"]}
    tokens = (await http.post("/auth/sessions", json=body)).json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return tokens["refresh_token"]


async def statuses(*requests) -> list[int]:
    return sorted(answer.status_code for answer in await asyncio.gather(*requests))


class TestAtOnce:
    async def test_one_of_many_registrations_of_an_address_succeeds(self, http):
        account = ANN | {"email": "race@example.com"}
        assert await statuses(*(http.post("/users", json=account) for _ in range(10))) == [201] + [409] * 9

    async def test_one_of_many_tags_of_a_slug_is_made(self, http):
        await sign_in(http, email="slug@example.com")
        assert await statuses(*(http.post("/tags", json={"name": "Same"}) for _ in range(10))) == [201] + [409] * 9

    async def test_one_of_many_puts_of_a_new_key_makes_the_project_and_the_others_replace_it(self, http):
        await sign_in(http, email="upsert@example.com")
        requests = (http.put("/projects/by-external-id/crm/42", json={"name": f"n{n}"}) for n in range(50))
        assert await statuses(*requests) == [200] * 49 + [201]
        (project,) = (await http.get("/projects")).json()["items"]
        assert (project["external_id"], project["version"]) == ("crm/42", 50)

    async def test_one_of_many_puts_that_only_create_does(self, http):
        await sign_in(http, email="create-only@example.com")
        alone = {"If-None-Match": "*"}
        requests = (http.put("/projects/by-external-id/42", json={"name": "x"}, headers=alone) for _ in range(20))
        assert await statuses(*requests) == [201] + [412] * 19
        assert [project["version"] for project in (await http.get("/projects")).json()["items"]] == [1]

    async def test_a_put_that_only_creates_replaces_nothing_that_is_made_while_it_runs(self, http, url):
        """It has looked already, and waits for the other's transaction."""
        await sign_in(http, email="meanwhile@example.com")
        me = (await http.get("/users/me")).json()["id"]
        with psycopg.connect(url) as other:
            other.execute(
                "INSERT INTO projects (id, owner_id, external_id, name, status)"
                " VALUES (gen_random_uuid(), %s, '42', 'other', 'active')",
                [me],
            )
            alone = {"If-None-Match": "*"}
            putting = asyncio.create_task(http.put("/projects/by-external-id/42", json={"name": "x"}, headers=alone))
            await asyncio.to_thread(await_lock, url)
        assert (await putting).json()["code"] == "already_there"
        assert [project["name"] for project in (await http.get("/projects")).json()["items"]] == ["other"]

    async def test_patches_of_different_fields_all_survive(self, http):
        await sign_in(http, email="patch@example.com")
        project = (await http.post("/projects", json={"name": "x"})).json()
        fields = {"name": "new", "description": "new", "status": "paused", "external_id": "new", "due_on": "2027-01-01"}
        requests = (http.patch(f"/projects/{project['id']}", json={name: value}) for name, value in fields.items())
        assert await statuses(*requests) == [200] * 5
        after = (await http.get(f"/projects/{project['id']}")).json()
        assert {name: after[name] for name in fields} == fields
        assert after["version"] == 6

    async def test_a_refresh_token_that_is_used_twice_opens_no_third_way(self, http):
        """The second is taken for a retry of the first; both get tokens of the one session."""
        token = await sign_in(http, email="refresh@example.com")
        form = {"grant_type": "refresh_token", "refresh_token": token}
        assert await statuses(*(http.post("/auth/token", data=form) for _ in range(5))) == [200] * 5
        await http.post("/auth/revoke", data={"token": token})
        assert (await http.get("/users/me")).status_code == 401

    async def test_deleting_a_tag_and_attaching_it_leaves_no_deleted_tag_on_view(self, http):
        await sign_in(http, email="attach@example.com")
        project = (await http.post("/projects", json={"name": "x"})).json()
        for n in range(5):
            tag = (await http.post("/tags", json={"name": f"Tag {n}"})).json()
            attach = http.put(f"/projects/{project['id']}/tags/{tag['id']}")
            assert set(await statuses(attach, http.delete(f"/tags/{tag['id']}"))) <= {204, 404}
        assert (await http.get(f"/projects/{project['id']}")).json()["tags"] == []

    async def test_two_owners_cannot_both_leave(self, http):
        await sign_in(http, email="owner@example.com")
        mine = dict(http.headers)
        owner = (await http.get("/users/me")).json()["id"]
        project = (await http.post("/projects", json={"name": "x"})).json()["id"]
        await sign_in(http, email="co-owner@example.com")
        theirs = dict(http.headers)
        co_owner = (await http.get("/users/me")).json()["id"]
        members = f"/projects/{project}/members"
        invitation = {"user_id": co_owner, "role": "owner"}
        invited = await http.post(f"/projects/{project}/invitations", json=invitation, headers=mine)
        accepted = await http.post(f"/invitations/{invited.json()['id']}/accept", headers=theirs)
        assert accepted.status_code == 204
        leaving = (
            http.delete(f"{members}/{owner}", headers=mine),
            http.delete(f"{members}/{co_owner}", headers=theirs),
        )
        assert await statuses(*leaving) == [204, 409]


class TestWhileTheAccountIsDeleted:
    @pytest.mark.parametrize("table", ["projects", "tags"])
    async def test_nothing_is_made_that_would_outlive_it(self, http, url, table):
        """The foreign key waits for the deletion, and then finds the row still there: soft deletion keeps it."""
        await sign_in(http, email=f"{table}@gone.example.com")
        me = (await http.get("/users/me")).json()["id"]
        with psycopg.connect(url) as deletion:
            deletion.execute("UPDATE users SET deleted_at = now(), deletion_id = id WHERE id = %s", [me])
            deletion.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [me])
            making = asyncio.create_task(http.post(f"/{table}", json={"name": "x"}))
            await asyncio.to_thread(await_lock, url)
            deletion.execute("UPDATE sessions SET revoked_at = now() WHERE user_id = %s", [me])
        assert (await making).status_code == 401
        with psycopg.connect(url) as connection:
            assert connection.execute(f"SELECT FROM {table} WHERE owner_id = %s", [me]).rowcount == 0

    @pytest.mark.parametrize("table", ["projects", "tags"])
    async def test_nothing_is_restored_that_would_outlive_it(self, http, url, table):
        """Its deletion finds only what is live: what comes back meanwhile has to wait for it."""
        await sign_in(http, email=f"{table}@back.example.com")
        me = (await http.get("/users/me")).json()["id"]
        id = (await http.post(f"/{table}", json={"name": "x"})).json()["id"]
        assert (await http.delete(f"/{table}/{id}")).status_code == 204
        with psycopg.connect(url) as deletion:
            deletion.execute("UPDATE users SET deleted_at = now(), deletion_id = id WHERE id = %s", [me])
            deletion.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [me])
            restoring = asyncio.create_task(http.post(f"/{table}/{id}/restore"))
            await asyncio.to_thread(await_lock, url)
            deletion.execute("UPDATE sessions SET revoked_at = now() WHERE user_id = %s", [me])
        assert (await restoring).status_code == 401
        with psycopg.connect(url) as connection:
            assert connection.execute(f"SELECT FROM {table} WHERE id = %s AND deleted_at IS NULL", [id]).rowcount == 0


class TestChangesOfOneAccount:
    async def test_that_wait_for_one_another_leave_connections_to_others(self, url, tmp_path):
        """Three of the four may wait for the row; those that have no turn are given up when the first is over."""
        settings = {"TRELLIS_POOL_SIZE": "4", "TRELLIS_POOL_WAIT_SECONDS": "1"}
        with serving(tmp_path, DATABASE_URL=url, **settings) as server, psycopg.connect(url) as lock:
            base_url = f"{server.url}/api/v1"
            async with (
                httpx2.AsyncClient(base_url=base_url, timeout=PATIENCE) as ann,
                httpx2.AsyncClient(base_url=base_url, timeout=PATIENCE) as eve,
            ):
                await sign_in(ann, email="waiting@example.com")
                await sign_in(eve, email="eve@example.com")
                id = (await ann.post("/projects", json={"name": "Move"})).json()["id"]
                lock.execute("SELECT FROM projects WHERE id = %s FOR UPDATE", [id])
                changes = [asyncio.create_task(ann.patch(f"/projects/{id}", json={"name": f"{n}"})) for n in range(12)]
                await asyncio.wait(changes, return_when=asyncio.FIRST_COMPLETED)
                assert (await eve.post("/tags", json={"name": "Urgent"})).status_code == 201
                lock.rollback()
                assert set(await statuses(*changes)) == {200, 503}
