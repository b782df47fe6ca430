"""Idempotency keys: what the first of equal requests did is told to the others."""

import asyncio
import json

import psycopg
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from modules.projects.models import Role
from modules.projects.tests.factories import ProjectFactory
from modules.users.models import Role as AccountRole
from modules.users.tests.factories import PASSWORD
from shared.auth.principal import Principal
from shared.http.routes.routing import SAFE_METHODS, Route
from tests.contract.reading import shared_with
from tests.contract.test_problems import is_problem
from tests.contract.writing import (
    CREATES,
    DOCUMENT_CHANGES,
    WRITES,
    World,
    Write,
    contents,
    execute,
    signed_in_at,
)
from tests.database import clone
from tests.patience import PATIENCE
from tests.servers import serving

REPLAYED = "Idempotency-Replayed"
ADMINISTRATION = ("a change of an account", "an account's return", "an account's deletion")
NEW = Write("POST", "/projects", {"name": "new"})
REGISTRATION = {"email": "new@example.com", "password": PASSWORD, "full_name": "New"}


@pytest.fixture
async def world(admin):
    return await World.made_by(admin)


async def names(caller):
    return [item["name"] for item in (await caller.get("/projects")).json()["items"]]


def is_replay(again, first):
    """The same answer once more, which says so."""
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    own = {"x-request-id", REPLAYED.lower()}
    told = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (again, first)]
    assert told[0] == told[1]


class TestTheSameRequestAgain:
    @pytest.mark.parametrize("what", WRITES)
    async def test_is_answered_alike_and_does_nothing(self, admin, database, world, what):
        write = WRITES[what](world)
        first = await write.by(admin, Idempotency_Key="k")
        assert first.is_success, first.text
        after = await contents(database)
        for _ in range(2):
            is_replay(await write.by(admin, Idempotency_Key="k"), first)
        assert await contents(database) == after

    @pytest.mark.parametrize("what", DOCUMENT_CHANGES)
    async def test_tells_what_was_then_and_not_what_is_now(self, admin, world, what):
        write = DOCUMENT_CHANGES[what](world)
        first = await write.by(admin, Idempotency_Key="k")
        path = write.path.removesuffix("/restore")
        field = "name" if "name" in first.json() else "full_name"
        assert (await admin.patch(path, json={field: "later"})).status_code == 200
        is_replay(await write.by(admin, Idempotency_Key="k"), first)
        assert (await admin.get(path)).json()[field] == "later"

    @pytest.mark.parametrize("what", CREATES)
    async def test_tells_where_the_new_one_is(self, admin, world, what):
        write = CREATES[what](world)
        answers = [await write.by(admin, Idempotency_Key="k") for _ in range(2)]
        assert answers[0].headers["Location"] == answers[1].headers["Location"]
        assert answers[0].headers["ETag"] == answers[1].headers["ETag"]
        assert (await admin.get(f"http://test{answers[1].headers['Location']}")).status_code == 200

    async def test_is_told_by_its_own_request_id(self, ann):
        await NEW.by(ann, Idempotency_Key="k", X_Request_ID="first")
        again = await NEW.by(ann, Idempotency_Key="k", X_Request_ID="second")
        assert again.headers["X-Request-ID"] == "second"

    async def test_without_a_key_is_another_request(self, ann):
        for _ in range(2):
            assert REPLAYED not in (await NEW.by(ann)).headers
        assert await names(ann) == ["new"] * 2

    async def test_with_another_key_is_another_request(self, ann):
        for key in "ab":
            assert REPLAYED not in (await NEW.by(ann, Idempotency_Key=key)).headers
        assert await names(ann) == ["new"] * 2

    async def test_runs_anew_after_24_hours(self, ann, database):
        first = await NEW.by(ann, Idempotency_Key="k")
        await execute(database, "UPDATE idempotency_keys SET at = at - interval '24 hours' + interval '1 minute'")
        is_replay(await NEW.by(ann, Idempotency_Key="k"), first)
        await execute(database, "UPDATE idempotency_keys SET at = at - interval '1 minute'")
        anew = await NEW.by(ann, Idempotency_Key="k")
        assert anew.status_code == 201
        assert anew.json()["id"] != first.json()["id"]
        is_replay(await NEW.by(ann, Idempotency_Key="k"), anew)

    async def test_is_the_same_under_a_fresh_token_of_the_account(self, ann, signed_in, application):
        first = await NEW.by(ann, Idempotency_Key="k")
        ann.headers["Authorization"] = f"Bearer {application.kernel.access_tokens().issue(ann.id, ann.session_id)}"
        is_replay(await NEW.by(ann, Idempotency_Key="k"), first)

    async def test_can_be_any_text_of_255_characters(self, ann):
        key = " ".join(["".join(map(chr, range(0x7E, 0x20, -1)))] * 3)[:255]
        first = await NEW.by(ann, Idempotency_Key=key)
        is_replay(await NEW.by(ann, Idempotency_Key=key), first)


class TestAnotherRequestWithTheKey:
    @pytest.mark.parametrize(
        "other",
        [
            Write("POST", "/projects", {"name": "other"}),
            Write("POST", "/projects?x=1", {"name": "new"}),
            Write("POST", "/tags", {"name": "new"}),
            Write("PATCH", "/users/me", {"name": "new"}),
            Write("DELETE", "/users/me"),
        ],
    )
    async def test_is_refused_and_does_nothing(self, ann, database, other):
        first = await NEW.by(ann, Idempotency_Key="k")
        before = await contents(database)
        is_problem(await other.by(ann, Idempotency_Key="k"), 422, "idempotency_key_reused")
        assert await contents(database) == before
        is_replay(await NEW.by(ann, Idempotency_Key="k"), first)

    async def test_is_refused_on_another_row(self, ann):
        one, two = [await ProjectFactory.saved(owner_id=ann.id) for _ in range(2)]
        assert (await Write("DELETE", f"/projects/{one.id}").by(ann, Idempotency_Key="k")).status_code == 204
        refused = await Write("DELETE", f"/projects/{two.id}").by(ann, Idempotency_Key="k")
        is_problem(refused, 422, "idempotency_key_reused")
        assert (await ann.get(f"/projects/{two.id}")).status_code == 200

    async def test_of_another_account_is_none_of_it(self, ann, bob):
        answers = [await NEW.by(caller, Idempotency_Key="k") for caller in (ann, bob)]
        assert all(REPLAYED not in answer.headers for answer in answers)
        assert [item["owner_id"] for item in (answer.json() for answer in answers)] == [str(ann.id), str(bob.id)]

    async def test_that_differs_in_its_wishes_alone_is_the_same(self, ann):
        """What is preferred of the answer, and the version it was about, are no part of what was asked."""
        project = await ProjectFactory.saved(owner_id=ann.id)
        write = Write("PATCH", f"/projects/{project.id}", {"name": "changed"})
        first = await write.by(ann, Idempotency_Key="k", If_Match='"1-"')
        is_replay(await write.by(ann, Idempotency_Key="k", If_Match='"1-"'), first)
        is_replay(await write.by(ann, Idempotency_Key="k"), first)


class TestTheKey:
    @pytest.mark.parametrize("same", [b"k ", b" k", b"\tk\t ", b'"k"', b' "k"\t'])
    async def test_is_the_same_with_blanks_around_it_or_as_a_string(self, ann, same):
        """RFC 9110 §5.5, and draft 07 of the header."""
        first = await NEW.by(ann, Idempotency_Key="k")
        headers = [(b"Idempotency-Key", same)]
        is_replay(await ann.post("/projects", json=NEW.body, headers=headers), first)
        assert await names(ann) == ["new"]

    @pytest.mark.parametrize(
        ("bare", "string"),
        [('a"b\\c', r'"a\"b\\c"'), ("a b", '"a b"'), ("x" * 255, f'"{"x" * 255}"'), ("a,b", '"a,b"')],
    )
    async def test_as_a_string_may_escape_quotes_and_backslashes(self, ann, bare, string):
        first = await NEW.by(ann, Idempotency_Key=bare)
        is_replay(await NEW.by(ann, Idempotency_Key=string), first)

    @pytest.mark.parametrize("other", ['" k"', '"K"', "k k", "'k'", "k;a=1"])
    async def test_is_else_another(self, ann, other):
        for key in ("k", other):
            assert REPLAYED not in (await NEW.by(ann, Idempotency_Key=key)).headers

    @pytest.mark.parametrize(
        "key",
        [
            *("", "x" * 256, "é", "a\tb", "\x7f", " \t", '"', '""', '"k', '"k"k', '"k" "k"', '"k"; a=1', '"k", "k"'),
            *(r'"\k"', '"k\\', '"é"', '"a\tb"', f'"{"x" * 256}"'),
        ],
    )
    @pytest.mark.parametrize("write", [NEW, Write("DELETE", "/users/me")])
    async def test_that_is_none_is_named(self, ann, write, key):
        headers = [(b"Idempotency-Key", key.encode("latin-1"))]
        problem = is_problem(await ann.request(write.method, write.path, headers=headers), 422, "invalid_input")
        assert [error["parameter"] for error in problem["errors"]] == ["Idempotency-Key"]

    async def test_is_one(self, ann):
        for pair in ("ab", "aa"):
            headers = [("Idempotency-Key", key) for key in pair]
            problem = is_problem(await ann.post("/projects", json=NEW.body, headers=headers), 422, "invalid_input")
            assert [error["parameter"] for error in problem["errors"]] == ["Idempotency-Key"]

    async def test_is_nothing_to_a_read(self, ann):
        for key in ("k", "é"):
            answer = await ann.get("/projects", headers={b"Idempotency-Key": key.encode("latin-1")})
            assert answer.status_code == 200

    def test_is_taken_by_every_route_that_changes_something(self, app):
        """It is the route that takes it, so that no endpoint can forget."""
        for context in iter_route_contexts(app.routes):
            if isinstance(context.original_route, APIRoute) and not (context.methods or set()) <= SAFE_METHODS:
                assert isinstance(context.original_route, Route), context.path


class TestWhatIsNotKept:
    async def test_is_a_refusal(self, ann):
        body = {"name": "new", "external_id": "1"}
        there = await ProjectFactory.saved(owner_id=ann.id, external_id="1")
        write = Write("POST", "/projects", body)
        is_problem(await write.by(ann, Idempotency_Key="k"), 409, "external_id_taken")
        assert (await ann.patch(f"/projects/{there.id}", json={"external_id": None})).status_code == 200
        first = await write.by(ann, Idempotency_Key="k")
        assert first.status_code == 201
        is_replay(await write.by(ann, Idempotency_Key="k"), first)

    async def test_is_what_was_no_request_at_all(self, ann):
        is_problem(await Write("POST", "/projects", {"nam": 1}).by(ann, Idempotency_Key="k"), 422, "invalid_input")
        assert (await NEW.by(ann, Idempotency_Key="k")).status_code == 201

    async def test_is_a_token(self, client, database, ann):
        body = {"email": "ann@example.com", "password": PASSWORD}
        answers = [await client.post("/auth/sessions", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json()["refresh_token"] != answers[1].json()["refresh_token"]
        kept = await execute(database, "SELECT count(*) FROM idempotency_keys")
        assert kept.scalar() == 0

    async def test_is_a_password(self, client, database):
        """Nor anything that a guess could be compared with, without the server's secret."""
        await client.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"})
        kept = (await execute(database, "SELECT k::text FROM idempotency_keys AS k")).scalar_one()
        assert PASSWORD not in kept
        assert PASSWORD.encode().hex() not in kept


class TestWithoutAnAccount:
    async def test_a_registration_is_answered_alike(self, client, database):
        first = await client.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"})
        assert first.status_code == 201
        before = await contents(database)
        is_replay(await client.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"}), first)
        assert await contents(database) == before

    async def test_a_registration_is_answered_alike_to_who_is_signed_in_already(self, ann):
        first = await ann.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"})
        assert first.status_code == 201
        is_replay(await ann.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"}), first)

    async def test_another_registration_with_the_key_is_none_of_it(self, client):
        """Strangers may choose the same key; none learns what the other sent."""
        for email in ("one@example.com", "two@example.com"):
            answer = await client.post("/users", json=REGISTRATION | {"email": email}, headers={"Idempotency-Key": "k"})
            assert answer.status_code == 201
            assert REPLAYED not in answer.headers

    async def test_who_does_not_know_the_password_is_told_nothing(self, client):
        await client.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"})
        guess = REGISTRATION | {"password": "another password"}
        answer = await client.post("/users", json=guess, headers={"Idempotency-Key": "k"})
        is_problem(answer, 409, "email_taken")

    async def test_a_session_can_be_ended_again(self, client, ann):
        body = {"email": "ann@example.com", "password": PASSWORD}
        tokens = (await client.post("/auth/sessions", json=body)).json()
        for _ in range(2):
            revoked = {"token": tokens["refresh_token"]}
            answer = await client.post("/auth/revoke", data=revoked, headers={"Idempotency-Key": "k"})
            assert answer.status_code == 200

    async def test_a_session_that_has_ended_hinders_nothing_that_needs_none(self, ann, database):
        await execute(database, "UPDATE sessions SET revoked_at = now()")
        first = await ann.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"})
        assert first.status_code == 201
        is_replay(await ann.post("/users", json=REGISTRATION, headers={"Idempotency-Key": "k"}), first)


class TestWhileTheFirstIsRunning:
    @pytest.fixture
    async def elsewhere(self, settings):
        """Another server's connection."""
        async with await psycopg.AsyncConnection.connect(settings.database_url) as connection:
            yield connection

    async def test_the_second_is_told_so(self, ann, application, elsewhere):
        keyed = application.kernel.idempotency().keyed("k", Principal(ann.id, ann.session_id))
        await elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", [keyed.lock])
        problem = is_problem(await NEW.by(ann, Idempotency_Key="k"), 409, "idempotency_in_progress")
        assert problem["retryable"] is True
        assert (await NEW.by(ann, Idempotency_Key="other")).status_code == 201
        await elsewhere.rollback()
        assert (await NEW.by(ann, Idempotency_Key="k")).status_code == 201

    async def test_another_accounts_is_not(self, ann, bob, application, elsewhere):
        keyed = application.kernel.idempotency().keyed("k", Principal(ann.id, ann.session_id))
        await elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", [keyed.lock])
        assert (await NEW.by(bob, Idempotency_Key="k")).status_code == 201


class TestWhoMayNotAnyMore:
    async def test_is_refused_when_the_session_has_ended(self, ann, database):
        await NEW.by(ann, Idempotency_Key="k")
        await execute(database, "UPDATE sessions SET revoked_at = now()")
        is_problem(await NEW.by(ann, Idempotency_Key="k"), 401, "invalid_token")

    async def test_is_refused_when_the_account_is_deleted(self, ann):
        write = Write("DELETE", "/users/me")
        assert (await write.by(ann, Idempotency_Key="k")).status_code == 204
        is_problem(await write.by(ann, Idempotency_Key="k"), 401, "invalid_token")

    @pytest.fixture
    async def project(self, ann, bob):
        return await shared_with(bob, await ProjectFactory.saved(owner_id=ann.id), Role.EDITOR)

    @pytest.fixture(params=["patch", "attach", "detach"])
    def write(self, project, request, world):
        return {
            "patch": Write("PATCH", f"/projects/{project.id}", {"name": "changed"}),
            "attach": Write("PATCH", f"/projects/{project.id}", {"tag_ids": []}),
            "detach": Write("DELETE", f"/projects/{project.id}/tags/{world.tag.id}"),
        }[request.param]

    async def test_is_refused_when_their_role_was_lowered(self, ann, bob, project, write):
        first = await write.by(bob, Idempotency_Key="k")
        assert first.is_success, first.text
        members = f"/projects/{project.id}/members/{bob.id}"
        assert (await ann.put(members, json={"role": "viewer"})).status_code == 204
        is_problem(await write.by(bob, Idempotency_Key="k"), 403, "project_forbidden")
        assert (await ann.put(members, json={"role": "editor"})).status_code == 204
        is_replay(await write.by(bob, Idempotency_Key="k"), first)

    async def test_is_told_of_nothing_when_their_membership_was_taken_away(self, ann, bob, project, write):
        assert (await write.by(bob, Idempotency_Key="k")).is_success
        assert (await ann.delete(f"/projects/{project.id}/members/{bob.id}")).status_code == 204
        refused = is_problem(await write.by(bob, Idempotency_Key="k"), 404, "project_not_found")
        fresh = is_problem(await write.by(bob), 404, "project_not_found")
        assert {**refused, "request_id": ""} == {**fresh, "request_id": ""}

    async def test_is_not_shown_a_document_that_they_made_and_lost(self, ann, bob, database):
        made = await NEW.by(bob, Idempotency_Key="k")
        await execute(database, "UPDATE projects SET owner_id = :ann WHERE id = :id", ann=ann.id, id=made.json()["id"])
        is_problem(await NEW.by(bob, Idempotency_Key="k"), 404, "project_not_found")
        assert await names(bob) == []

    async def test_is_not_shown_one_that_they_made_by_a_key_of_their_own_and_lost(self, ann, bob, database):
        write = Write("PUT", "/projects/by-external-id/42", {"name": "x"})
        made = await write.by(bob, Idempotency_Key="k")
        await execute(database, "UPDATE projects SET owner_id = :ann WHERE id = :id", ann=ann.id, id=made.json()["id"])
        is_problem(await write.by(bob, Idempotency_Key="k"), 404, "project_not_found")

    @pytest.mark.parametrize("what", [*ADMINISTRATION, "a change of a project"])
    async def test_an_administrator_no_longer_is_refused_as_by_a_fresh_request(self, admin, database, world, what):
        write = WRITES[what](world)
        if what not in ADMINISTRATION:
            others = await ProjectFactory.saved(owner_id=world.user.id)
            write = Write("PATCH", f"/projects/{others.id}", {"name": "changed"})
        assert (await write.by(admin, Idempotency_Key="k")).is_success
        await execute(database, "UPDATE users SET role = 'user' WHERE id = :id", id=admin.id)
        before = await contents(database)
        again, fresh = await write.by(admin, Idempotency_Key="k"), await write.by(admin)
        assert again.status_code in {403, 404}
        assert (again.status_code, again.json()["code"]) == (fresh.status_code, fresh.json()["code"])
        assert await contents(database) == before

    async def test_an_administrator_that_is_one_again_is_answered(self, admin, database, world):
        write = WRITES["a change of an account"](world)
        first = await write.by(admin, Idempotency_Key="k")
        for role in (AccountRole.USER, AccountRole.ADMIN):
            await execute(database, "UPDATE users SET role = :role WHERE id = :id", role=role, id=admin.id)
        is_replay(await write.by(admin, Idempotency_Key="k"), first)


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
    async with signed_in_at(server) as http:
        yield http


class TestAtOnce:
    """On a real server, with real transactions."""

    async def until_answered(self, http, path, body, key):
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await http.post(path, json=body, headers={"Idempotency-Key": key})
                if answer.status_code != 503 and answer.json().get("code") != "idempotency_in_progress":
                    return answer
                assert answer.json()["retryable"] is True
                await asyncio.sleep(0.05)

    async def test_one_of_fifty_is_run_and_all_are_answered_alike(self, http, url):
        answers = await asyncio.gather(*(self.until_answered(http, "/projects", NEW.body, "k") for _ in range(50)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({(answer.content, answer.headers["ETag"], answer.headers["Location"]) for answer in answers}) == 1
        assert sum(REPLAYED not in answer.headers for answer in answers) == 1
        with psycopg.connect(url) as connection:
            for counted in ("projects", "idempotency_keys", "journal WHERE resource = 'projects'"):
                assert connection.execute(f"SELECT count(*) FROM {counted}").fetchone() == (1,), counted

    async def test_one_of_many_registrations_without_an_account_is_run(self, http, url):
        del http.headers["Authorization"]
        body = REGISTRATION | {"email": "many@example.com"}
        answers = await asyncio.gather(*(self.until_answered(http, "/users", body, "k") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({json.dumps(answer.json()) for answer in answers}) == 1

    async def test_of_two_requests_with_a_key_one_is_refused(self, http):
        bodies = [{"name": str(n)} for n in range(10)]
        answers = await asyncio.gather(*(self.until_answered(http, "/tags", body, "two") for body in bodies))
        assert sorted(answer.status_code for answer in answers) == [201] + [422] * 9
