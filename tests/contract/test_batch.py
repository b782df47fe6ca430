"""Batches: many operations in one transaction, all or none."""

import asyncio
from uuid import uuid4

import httpx2
import psycopg
import pytest
from sqlalchemy import text

from modules.projects.models import Role
from modules.projects.tests.factories import MemberFactory, ProjectFactory
from modules.tags.tests.factories import TagFactory
from tests.contract.batches import PROJECT, TAG, done, failed, refused, run
from tests.contract.test_problems import is_problem
from tests.database import clone
from tests.patience import PATIENCE, eventually
from tests.servers import await_lock, serving


@pytest.fixture
def rows(database):
    """How many rows a table has."""

    async def count(table, where="true"):
        return (await database.sql(text(f"SELECT count(*) FROM {table} WHERE {where}"))).scalar_one()

    return count


class TestResults:
    async def test_a_project_carries_a_tag_of_the_same_batch(self, ann):
        tag, project = await done(ann, TAG, PROJECT)
        assert [found["id"] for found in project["body"]["tags"]] == [tag["body"]["id"]]

    async def test_are_what_each_operation_would_have_answered_alone(self, ann):
        (result,) = await done(ann, TAG)
        read = await ann.get(f"/tags/{result['body']['id']}")
        assert result["status"] == 201
        assert result["body"] == read.json()
        assert result["headers"] == {"ETag": read.headers["ETag"], "Location": f"/api/v1/tags/{result['body']['id']}"}

    async def test_without_a_document_have_none(self, ann):
        tag = await TagFactory.saved(owner_id=ann.id)
        assert await done(ann, {"method": "DELETE", "path": f"/tags/{tag.id}"}) == [{"status": 204, "body": None}]

    async def test_a_row_goes_through_all_that_can_happen_to_it(self, ann):
        results = await done(
            ann,
            TAG,
            PROJECT,
            {"method": "PATCH", "path": "/projects/{/1/id}", "body": {"name": "Moved"}},
            {"method": "DELETE", "path": "/projects/{/1/id}/tags/{/0/id}"},
            {"method": "PUT", "path": "/projects/{/1/id}/tags/{/0/id}"},
            {"method": "DELETE", "path": "/projects/{/1/id}"},
            {"method": "POST", "path": "/projects/{/1/id}/restore"},
            {"method": "DELETE", "path": "/tags/{/0/id}"},
        )
        assert [result["status"] for result in results] == [201, 201, 200, 204, 204, 204, 200, 204]
        project = (await ann.get(f"/projects/{results[1]['body']['id']}")).json()
        assert (project["name"], project["tags"], project["version"]) == ("Moved", [], 6)

    async def test_members_come_change_and_go(self, ann, bob):
        project = await ProjectFactory.saved(owner_id=ann.id)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        member = f"/projects/{project.id}/members/{bob.id}"
        invitation = {"user_id": str(bob.id), "role": "viewer"}
        results = await done(
            ann,
            {"method": "PUT", "path": member, "body": {"role": "owner"}},
            {"method": "PUT", "path": member, "body": {"role": "editor"}},
            {"method": "DELETE", "path": member},
            {"method": "POST", "path": f"/projects/{project.id}/invitations", "body": invitation},
        )
        await done(bob, {"method": "POST", "path": f"/invitations/{results[3]['body']['id']}/accept"})
        document = (await bob.get(f"/projects/{project.id}")).json()
        assert (document["my_role"], document["version"]) == ("viewer", 5)

    async def test_a_hundred_operations_are_taken(self, ann, rows):
        operations = [{"method": "POST", "path": "/tags", "body": {"name": f"Tag {n}"}} for n in range(100)]
        results = await done(ann, *operations)
        assert [result["body"]["name"] for result in results] == [f"Tag {n}" for n in range(100)]
        assert await rows("tags") == 100

    async def test_a_path_may_have_the_base_path(self, ann):
        await done(ann, TAG | {"path": "/api/v1/tags"})

    async def test_a_query_is_the_operations_own(self, ann):
        await done(ann, TAG | {"path": "/tags?x={y}".replace("{y}", "1")})

    async def test_of_another_account_are_as_forbidden_as_ever(self, ann, bob):
        project = await ProjectFactory.saved(owner_id=bob.id)
        await MemberFactory.saved(project_id=project.id, user_id=ann.id, role=Role.VIEWER)
        hidden, change = await ProjectFactory.saved(owner_id=bob.id), {"method": "PATCH", "body": {"name": "x"}}
        failed(await run(ann, TAG, change | {"path": f"/projects/{hidden.id}"}), 404, 1, "project_not_found")
        failed(await run(ann, TAG, change | {"path": f"/projects/{project.id}"}), 403, 1, "project_forbidden")


class TestFailure:
    async def test_an_unknown_row_is_as_unknown_as_ever(self, ann):
        failed(await run(ann, {"method": "DELETE", "path": f"/tags/{uuid4()}"}), 404, 0, "tag_not_found")

    @pytest.mark.parametrize("position", [0, 1, 2])
    async def test_of_one_keeps_nothing_of_all(self, ann, rows, position):
        operations = [{"method": "POST", "path": "/tags", "body": {"name": f"Tag {n}"}} for n in range(3)]
        operations[position]["body"] = {"name": ""}
        problem = failed(await run(ann, *operations), 422, position, "invalid_input")
        assert [error["pointer"] for error in problem["errors"]] == ["/name"]
        assert problem["instance"] == "/api/v1/tags"
        assert await rows("tags") == 0
        assert await rows("journal", "resource = 'tags'") == 0

    async def test_of_a_rule_among_operations(self, ann, rows):
        failed(await run(ann, TAG, TAG), 409, 1, "slug_taken")
        assert await rows("tags") == 0

    @pytest.mark.parametrize("others", [[], [TAG]], ids=["the last", "one before another"])
    async def test_of_a_statement_that_nobody_waits_for_has_its_index(self, ann, bob, database, rows, others):
        """A member's row goes along with what is executed next; that is not the next operation's."""
        project = await ProjectFactory.saved(owner_id=ann.id)
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role=Role.VIEWER)
        await database.script("ALTER TABLE project_members ADD CONSTRAINT ck_planted CHECK (false) NOT VALID")
        member = {"method": "PUT", "path": f"/projects/{project.id}/members/{bob.id}", "body": {"role": "editor"}}
        failed(await run(ann, TAG, member, *others), 422, 1, "invalid")
        assert await rows("tags") == 0

    async def test_of_what_the_database_refuses_only_in_the_end_has_its_index(self, ann, bob):
        project = await ProjectFactory.saved(owner_id=ann.id, external_id="x")
        await ann.delete(f"/projects/{project.id}")
        await ProjectFactory.saved(owner_id=ann.id, external_id="x")
        answer = await run(ann, {"method": "POST", "path": f"/projects/{project.id}/restore"}, TAG)
        failed(answer, 409, 0, "external_id_taken")

    async def test_of_an_unknown_path(self, ann, rows):
        problem = failed(await run(ann, TAG, {"method": "POST", "path": "/no%20where"}), 404, 1, "no_such_path")
        assert problem["instance"] == "/api/v1/no%20where"
        assert await rows("tags") == 0

    async def test_of_a_method_names_those_that_there_are(self, ann):
        answer = await run(ann, {"method": "PUT", "path": "/tags"})
        failed(answer, 405, 0, "method_not_allowed")
        assert answer.headers["Allow"] == "GET, HEAD, POST, QUERY"

    async def test_is_in_the_catalogue(self, ann):
        problem = is_problem(await run(ann, TAG, TAG), 409, "batch_failed")
        assert (await ann.get(f"http://test{problem['type']}")).json()["detail"] == problem["detail"]

    async def test_of_a_caller_that_has_just_deleted_themselves(self, ann):
        answer = await run(ann, {"method": "DELETE", "path": "/users/me"}, TAG)
        failed(answer, 401, 1, "invalid_token")
        assert "invalid_token" in answer.headers["WWW-Authenticate"]
        assert (await ann.get("/users/me")).status_code == 200

    async def test_that_is_ours_is_no_5xx_of_the_operations(self, ann, application, monkeypatch):
        async def broken(*_):
            raise RuntimeError

        monkeypatch.setattr("modules.tags.service.TagService.create", broken)
        is_problem(await run(ann, TAG), 500, "internal_error")

    async def test_comes_before_anything_is_done_when_it_can_be_known(self, ann):
        failed(await run(ann, TAG | {"body": {}}, {"method": "POST", "path": "/nowhere"}), 404, 1, "no_such_path")


class TestCaller:
    async def test_has_to_be_somebody(self, client):
        answer = await run(client, {"method": "POST", "path": "/users", "body": {}})
        is_problem(answer, 401, "unauthenticated")
        assert "WWW-Authenticate" in answer.headers

    async def test_is_named_by_the_journal_with_the_request(self, ann, rows):
        await done(ann, TAG, PROJECT, headers={"X-Request-ID": "batch-1"})
        assert await rows("journal", f"request_id = 'batch-1' AND actor_id = '{ann.id}'") == 3
        assert await rows("journal", "request_id = 'batch-1' AND resource = 'tags' AND action = 'created'") == 1


class TestReferences:
    @pytest.mark.parametrize(
        ("reference", "value"),
        [("/0/tags/0/name", "Urgent"), ("/0/name", "Move"), ("/0/tags/0/id", None)],
    )
    async def test_reach_into_documents(self, ann, reference, value):
        tag = await TagFactory.saved(owner_id=ann.id, name="Urgent")
        project = {"method": "POST", "path": "/projects", "body": {"name": "Move", "tag_ids": [str(tag.id)]}}
        _, found = await done(ann, project, {**project, "body": {"name": {"$ref": reference}}})
        assert found["body"]["name"] == (value or str(tag.id))

    async def test_bring_in_whole_values(self, ann):
        restored = {
            "method": "POST",
            "path": "/projects",
            "body": {"name": "x", "description": {"$ref": "/0/description"}},
        }
        project = {"method": "POST", "path": "/projects", "body": {"name": "y"}}
        assert (await done(ann, project, restored))[1]["body"]["description"] is None

    async def test_in_a_path_stay_in_their_segment(self, ann, rows):
        tag = {"method": "POST", "path": "/tags", "body": {"name": "../projects?x=1#/%2f{/0/id}"}}
        answer = await run(ann, tag, {"method": "DELETE", "path": "/tags/{/0/name}"})
        problem = failed(answer, 404, 1, "no_such_path")
        assert problem["instance"].startswith("/api/v1/tags/..%2Fprojects%3Fx%3D1%23%2F%252f%7B%2F0%2Fid%7D")

    @pytest.mark.parametrize("reference", ["/0/nothing", "/0/name/0", "/0/tags/0", "/0/tags/-", "/0/", "/0/tags/00"])
    async def test_to_nothing_are_named(self, ann, rows, reference):
        project = {"method": "POST", "path": "/projects", "body": {"name": "x"}}
        answer = await run(ann, project, PROJECT | {"body": {"name": "x", "tag_ids": [{"$ref": reference}]}})
        assert refused(answer, "/operations/1/body/tag_ids/0") == "invalid_reference"
        answer = await run(ann, project, {"method": "DELETE", "path": f"/projects/{{{reference}}}"})
        assert refused(answer, "/operations/1/path") == "invalid_reference"
        assert await rows("projects") == 0

    @pytest.mark.parametrize(
        "reference",
        ["/1/id", "/2/id", "/99999/id", "/999999999999/id", "/-1/id", "/00/id", "id", "", "/", "/0/~2", 0, None, {}],
    )
    async def test_that_cannot_lead_anywhere_are_refused_before_anything_is_done(self, ann, reference):
        unknown = {"method": "POST", "path": "/nowhere"}
        answer = await run(ann, TAG, PROJECT | {"body": {"tag_ids": [{"$ref": reference}]}}, unknown)
        assert refused(answer, "/operations/1/body/tag_ids/0") == "invalid_reference"
        if isinstance(reference, str):
            answer = await run(ann, TAG, {"method": "DELETE", "path": f"/tags/{{{reference}}}"}, unknown)
            assert refused(answer, "/operations/1/path") == "invalid_reference"

    @pytest.mark.parametrize("reference", ["/0", "/0/tags", "/0/description"])
    async def test_in_a_path_lead_to_a_text_or_a_number(self, ann, reference):
        project = {"method": "POST", "path": "/projects", "body": {"name": "x"}}
        answer = await run(ann, project, {"method": "DELETE", "path": f"/projects/{{{reference}}}"})
        assert refused(answer, "/operations/1/path") == "invalid_reference"

    async def test_to_an_answer_without_a_document_lead_to_nothing(self, ann):
        tag = await TagFactory.saved(owner_id=ann.id)
        answer = await run(ann, {"method": "DELETE", "path": f"/tags/{tag.id}"}, PROJECT)
        assert refused(answer, "/operations/1/body/tag_ids/0") == "invalid_reference"

    async def test_are_objects_of_that_one_member(self, ann):
        answer = await run(ann, TAG, TAG | {"body": {"name": {"$ref": "/0/id", "x": 1}}})
        assert failed(answer, 422, 1, "invalid_input")["errors"][0]["pointer"] == "/name"

    async def test_bring_in_no_more_than_the_server_takes(self, ann, rows):
        """A short one can name a long text, and a body can have many."""
        project = {"method": "POST", "path": "/projects", "body": {"name": "x", "description": "y" * 10_000}}
        many = {"method": "POST", "path": "/projects", "body": {"name": [{"$ref": "/0"}] * 200}}
        is_problem(await run(ann, project, many), 413, "too_large")
        assert await rows("projects") == 0


class TestPreconditions:
    async def test_are_each_operations_own(self, ann):
        one, two = [await TagFactory.saved(owner_id=ann.id) for _ in "12"]
        change = {"method": "PATCH", "body": {"color": "#123456"}}
        results = await done(
            ann,
            change | {"path": f"/tags/{one.id}", "if_match": '"1-"'},
            change | {"path": f"/tags/{one.id}", "body": {"color": "#654321"}, "if_match": '"2-"'},
            change | {"path": f"/tags/{two.id}"},
        )
        assert [result["body"]["version"] for result in results] == [2, 3, 2]

    async def test_that_are_stale_fail_the_batch_and_tell_the_present_version(self, ann, rows):
        tag = await TagFactory.saved(owner_id=ann.id)
        change = {"method": "PATCH", "path": f"/tags/{tag.id}", "body": {"color": "#123456"}, "if_match": '"2-"'}
        answer = await run(ann, TAG, change)
        failed(answer, 412, 1, "version_mismatch")
        assert answer.headers["ETag"] == (await ann.get(f"/tags/{tag.id}")).headers["ETag"]
        assert await rows("tags") == 1

    async def test_that_nothing_could_settle_fail_the_batch(self, ann):
        failed(await run(ann, TAG | {"if_match": '"1-"'}), 412, 0, "precondition_failed")

    async def test_are_required_of_operations_and_not_of_the_batch(self, ann, application, monkeypatch):
        tag = await TagFactory.saved(owner_id=ann.id)
        monkeypatch.setattr(application.http.mutations(), "require_if_match", True)
        change = {"method": "PATCH", "path": f"/tags/{tag.id}", "body": {"color": "#123456"}}
        failed(await run(ann, TAG, change), 428, 1, "precondition_required")
        await done(ann, TAG, change | {"if_match": '"1-"'})


class TestAsAWhole:
    async def test_a_key_makes_it_safe_to_send_it_again(self, ann, rows):
        first, second = [await run(ann, TAG, PROJECT, headers={"Idempotency-Key": "k"}) for _ in "12"]
        assert (second.status_code, second.content) == (200, first.content)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert await rows("projects") == 1

    async def test_a_key_is_of_one_batch(self, ann):
        await run(ann, TAG, headers={"Idempotency-Key": "k"})
        is_problem(await run(ann, TAG, PROJECT, headers={"Idempotency-Key": "k"}), 422, "idempotency_key_reused")

    async def test_a_failure_is_not_kept(self, ann):
        failed(await run(ann, TAG, TAG, headers={"Idempotency-Key": "k"}), 409, 1, "slug_taken")
        await done(ann, TAG, headers={"Idempotency-Key": "k"})

    async def test_what_it_was_allowed_is_checked_again_before_it_is_replayed(self, ann, bob, rows):
        mine, shared = await ProjectFactory.saved(owner_id=ann.id), await ProjectFactory.saved(owner_id=bob.id)
        await MemberFactory.saved(project_id=shared.id, user_id=ann.id, role=Role.EDITOR)
        change = [{"method": "PATCH", "path": f"/projects/{p.id}", "body": {"name": "x"}} for p in (mine, shared)]
        await done(ann, *change, headers={"Idempotency-Key": "k"})
        await bob.delete(f"/projects/{shared.id}/members/{ann.id}")
        failed(await run(ann, *change, headers={"Idempotency-Key": "k"}), 404, 1, "project_not_found")

    async def test_a_dry_run_answers_what_would_be(self, ann, rows):
        tag, project = await done(ann, TAG, PROJECT, params={"dry_run": "true"})
        assert project["body"]["tags"][0]["id"] == tag["body"]["id"]
        assert await rows("tags") == await rows("projects") == 0

    async def test_it_is_run_again_when_another_change_stood_in_the_way(self, ann, database, rows):
        """A sequence is not rolled back, so the trigger raises a serialization failure just once."""
        for statement in (
            "CREATE SEQUENCE attempts",
            """CREATE FUNCTION stand_in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('attempts') = 1 THEN RAISE 'again' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$""",
            "CREATE TRIGGER once BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION stand_in_the_way()",
        ):
            await database.sql(text(statement))
        _, project = (await done(ann, TAG, PROJECT, PROJECT))[:2]
        assert len(project["body"]["tags"]) == 1
        assert (await rows("tags"), await rows("projects")) == (1, 2)

    async def test_it_has_no_document_to_leave_out(self, ann):
        assert len(await done(ann, TAG, headers={"Prefer": "return=minimal"})) == 1


class TestTwoThatMeet:
    """On a real server, with real transactions."""

    @pytest.fixture
    def url(self):
        with clone() as url:
            yield url

    async def test_in_a_deadlock_are_both_carried_out_in_the_end(self, url, tmp_path):
        with serving(tmp_path, DATABASE_URL=url) as server:
            async with httpx2.AsyncClient(base_url=f"{server.url}/api/v1", timeout=PATIENCE) as http:
                account = {"email": "ann@example.com", "password": "correct horse battery"}
                await http.post("/users", json={**account, "full_name": "Ann"})
                body = {"email": account["email"], "password": account["password"]}
                tokens = (await http.post("/auth/sessions", json=body)).json()
                http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
                made = await done(http, *({"method": "POST", "path": "/tags", "body": {"name": n}} for n in "ab"))
                first, second = (result["body"]["id"] for result in made)
                with psycopg.connect(url) as holder:
                    holder.execute("SELECT FROM tags WHERE id = %s FOR UPDATE", [second])
                    answers = []
                    # The one that is first in the queue for `second` goes on to `first`, which the other has by then.
                    for order in ([second, first], [first, second]):
                        changes = [
                            {"method": "PATCH", "path": f"/tags/{id}", "body": {"name": order[0]}} for id in order
                        ]
                        answers.append(asyncio.create_task(run(http, *changes)))
                        await asyncio.to_thread(await_lock, url, len(answers))
                    holder.commit()
                    assert [(await answer).status_code for answer in answers] == [200, 200]
                versions = [(await http.get(f"/tags/{id}")).json()["version"] for id in (first, second)]
                assert versions == [3, 3]
        with psycopg.connect(url, autocommit=True) as connection:
            # A backend tells the statistics up to a second later, or when it ends.
            found = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert eventually(lambda: connection.execute(found).fetchone()[0]) == 1
