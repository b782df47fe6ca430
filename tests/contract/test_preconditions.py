"""If-Match: a change of the version that the client has seen, and of no other."""

import asyncio
import re

import pytest

from modules.projects.models import Role
from modules.projects.tests.factories import ProjectFactory
from modules.projects.tests.imports import NDJSON
from modules.users.tests.factories import PASSWORD
from tests.contract.reading import shared_with
from tests.contract.test_problems import is_problem
from tests.contract.writing import CREATES, ROW_CHANGES, World, Write, contents, execute, signed_in_at
from tests.database import clone
from tests.servers import serving

DRY = {"dry_run": "true"}


@pytest.fixture
async def world(admin):
    return await World.made_by(admin)


@pytest.fixture
async def project(ann):
    """At version 2."""
    project = await ProjectFactory.saved(owner_id=ann.id, name="before")
    now = await Write("PATCH", f"/projects/{project.id}", {"name": "now"}).by(ann, If_Match="*")
    assert now.json()["version"] == 2
    return project


async def patched(caller, project, *if_match, **options):
    """The answer to a change of the project."""
    headers = [("If-Match", value) for value in if_match]
    return await caller.patch(f"/projects/{project.id}", json={"name": "changed"}, headers=headers, **options)


class TestAStaleTag:
    @pytest.mark.parametrize("what", ROW_CHANGES)
    async def test_stops_every_change_of_a_row(self, admin, database, world, what):
        write, before = ROW_CHANGES[what](world), await contents(database)
        refused = await write.by(admin, If_Match='"7-x"')
        is_problem(refused, 412, "version_mismatch")
        assert await contents(database) == before
        version = re.match(r'"(\d+)-', refused.headers["ETag"])[1]
        assert (await write.by(admin, If_Match=f'"{version}-x"')).is_success

    async def test_is_answered_with_the_one_of_now(self, ann, project):
        refused = await patched(ann, project, '"1-x"')
        assert refused.headers["ETag"] == (await ann.get(f"/projects/{project.id}")).headers["ETag"]
        assert (await patched(ann, project, refused.headers["ETag"])).status_code == 200

    async def test_is_no_matter_where_one_may_not_change_it_at_all(self, ann, bob, project):
        """Nor is anything told of a row that one does not see."""
        is_problem(await patched(bob, project, '"1-x"'), 404, "project_not_found")
        await shared_with(bob, project, Role.VIEWER)
        is_problem(await patched(bob, project, '"1-x"'), 403, "project_forbidden")

    async def test_is_no_matter_for_the_replay_of_a_change(self, ann, project):
        """It was right when the change was made."""
        etag = (await ann.get(f"/projects/{project.id}")).headers["ETag"]
        write = Write("PATCH", f"/projects/{project.id}", {"name": "changed"})
        first, again = [await write.by(ann, If_Match=etag, Idempotency_Key="k") for _ in range(2)]
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.headers["Idempotency-Replayed"] == "true"

    async def test_keeps_no_answer(self, ann, project):
        write = Write("PATCH", f"/projects/{project.id}", {"name": "changed"})
        refused = await write.by(ann, If_Match='"1-x"', Idempotency_Key="k")
        is_problem(refused, 412, "version_mismatch")
        assert (await write.by(ann, If_Match=refused.headers["ETag"], Idempotency_Key="k")).status_code == 200


class TestATagThatMatches:
    @pytest.mark.parametrize(
        "given",
        [
            '"2-x"',
            '"2-"',
            "*",
            " * ",
            '"1-x", "2-y"',
            '"2-y","1-x"',
            ',"1-x",, "2-y" ,',
            'W/"9-z", "2-x"',
            '"a,b", "2-x"',
        ],
    )
    async def test_lets_the_change_through(self, ann, project, given):
        changed = await patched(ann, project, given)
        assert changed.status_code == 200
        assert changed.json()["version"] == 3

    async def test_may_be_spread_over_several_lines(self, ann, project):
        assert (await patched(ann, project, '"1-x"', '"2-x"')).status_code == 200

    async def test_is_that_of_any_view(self, ann, project):
        """The digest is of what was embedded and selected; the version is the row's."""
        for params in ({}, {"fields": "name"}, {"include": "owner,members"}):
            etag = (await ann.get(f"/projects/{project.id}", params=params)).headers["ETag"]
            assert (await patched(ann, project, etag)).status_code == 200

    async def test_is_that_of_anybody(self, ann, bob, project):
        await shared_with(bob, project, Role.EDITOR)
        etag = (await ann.get(f"/projects/{project.id}")).headers["ETag"]
        assert (await patched(bob, project, etag)).status_code == 200

    async def test_holds_though_what_is_embedded_has_changed(self, admin, world):
        path = f"/projects/{world.project.id}"
        etag = (await admin.get(path)).headers["ETag"]
        assert (await admin.patch(f"/tags/{world.attached_tag.id}", json={"name": "renamed"})).status_code == 200
        assert (await admin.patch(path, json={"name": "changed"}, headers={"If-Match": etag})).status_code == 200

    async def test_holds_no_more_when_the_members_or_tags_have_changed(self, admin, world):
        path = f"/projects/{world.project.id}"
        for change in ("a member's new role", "a tag put on a project"):
            etag = (await admin.get(path)).headers["ETag"]
            assert (await ROW_CHANGES[change](world).by(admin, If_Match=etag)).status_code == 204
            refused = await admin.delete(path, headers={"If-Match": etag})
            is_problem(refused, 412, "version_mismatch")


class TestATagThatDoesNotMatch:
    @pytest.mark.parametrize(
        "given",
        [
            *('"1-x"', '"3-x"', '"22-x"', '"02-x"', '"-2-x"', '"2.0-x"'),
            *('W/"2-x"', 'w/"2-x"', 'W/ "2-x"', 'W/"2-x", "1-x"'),
            *(
                '"2"',
                '"x"',
                '""',
                "2",
                "2-x",
                "",
                " ",
                ",",
                '"2-x',
                '2-x"',
                "'2-x'",
                '"x"2-x"',
                '"x""2-x"',
                '"2-x" "1-x"',
            ),
            *(
                '*, "1-x"',
                '"*"',
                "* *",
                '"2-x"; q=1',
                '"٢-x"',
                '"' + "9" * 400 + '-x"',
                '"' * 5000,
                "," * 5000,
                '"2-' * 900,
            ),
        ],
    )
    async def test_stops_the_change(self, ann, project, given):
        """Be it another version's, a weak one (RFC 9110 §13.1.1), or no tag at all."""
        headers = {b"If-Match": given.encode()}
        refused = await ann.patch(f"/projects/{project.id}", json={"name": "changed"}, headers=headers)
        is_problem(refused, 412, "version_mismatch")
        assert (await ann.get(f"/projects/{project.id}")).json()["name"] == "now"

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            *(('"1-x"', "changed meanwhile"), ('"1-x", "9-x"', "changed meanwhile"), ('"1-x", W/"7-x"', "meanwhile")),
            *(('W/"2-x"', "weak"), ('W/"1-x"', "weak"), ('W/"x"', "weak"), ('"1-x", W/"2-x"', "weak")),
            *(('"3-x"', "had"), ('"abc"', "had"), ('""', "had"), ("", "had"), (",", "had"), ('"3-x", "abc"', "had")),
            *(("1", "neither"), ("2", "neither"), ("2-x", "neither"), ('"2-x', "neither"), ('w/"2-x"', "neither")),
            *(('"2-x y"', "neither"), ('*, "2-x"', "neither"), ('"2-x" "1-x"', "neither")),
        ],
    )
    async def test_is_told_why(self, ann, project, given, told):
        """Changed meanwhile is only what the client has seen in an older version."""
        refused = await patched(ann, project, given)
        problem = is_problem(refused, 412, "version_mismatch")
        assert told in problem["detail"]
        assert ("meanwhile" in problem["detail"]) == ("meanwhile" in told)
        named = [error["parameter"] for error in problem.get("errors", [])]
        assert named == (["If-Match"] if told == "neither" else [])
        assert refused.headers["ETag"] == (await ann.get(f"/projects/{project.id}")).headers["ETag"]

    @pytest.mark.parametrize("what", ROW_CHANGES)
    async def test_is_told_why_of_every_change(self, admin, world, what):
        write = ROW_CHANGES[what](world)
        stale = await write.by(admin, If_Match='"7-x"')
        version = re.match(r'"(\d+)-', stale.headers["ETag"])[1]
        weak = await write.by(admin, If_Match=f'W/"{version}-x"')
        assert "weak" in is_problem(weak, 412, "version_mismatch")["detail"]
        bare = await write.by(admin, If_Match=version)
        assert "neither" in is_problem(bare, 412, "version_mismatch")["detail"]

    async def test_is_told_why_in_a_batch(self, ann, project):
        change = {"method": "PATCH", "path": f"/projects/{project.id}", "body": {"name": "changed"}}
        for given, told in (('W/"2-x"', "weak"), ("2", "neither"), ('"2-x" ', None), ('  "2-x"', None)):
            answer = await ann.post("/batch", json={"operations": [change | {"if_match": given}]}, params=DRY)
            if told is None:
                assert answer.status_code == 200
            else:
                assert told in is_problem(answer, 412, "batch_failed")["problem"]["detail"]


class TestWhereThereIsNothingToCompareWith:
    @pytest.mark.parametrize("what", CREATES)
    @pytest.mark.parametrize("given", ["*", '"1-x"', "x"])
    async def test_nothing_is_made(self, admin, database, world, what, given):
        before = await contents(database)
        refused = await CREATES[what](world).by(admin, If_Match=given, Idempotency_Key="k")
        problem = is_problem(refused, 412, "precondition_failed")
        assert problem["retryable"] is False
        assert await contents(database) == before

    async def test_a_row_that_is_gone_is_not_found(self, ann, project):
        assert (await ann.delete(f"/projects/{project.id}")).status_code == 204
        is_problem(await patched(ann, project, "*"), 404, "project_not_found")

    async def test_a_read_takes_no_notice(self, ann, project):
        assert (await ann.get(f"/projects/{project.id}", headers={"If-Match": '"1-x"'})).status_code == 200

    @pytest.mark.parametrize(
        ("method", "path", "content"),
        [
            ("POST", "/batch", {"json": {"operations": [{"method": "POST", "path": "/tags", "body": {"name": "x"}}]}}),
            ("POST", "/projects/import", {"content": b'{"name": "x"}', "headers": {"Content-Type": NDJSON}}),
            ("PUT", "/users/me/password", {"json": {"current_password": PASSWORD, "new_password": "another one"}}),
        ],
    )
    async def test_is_kept_nothing_of_what_changes_no_single_row(self, ann, database, method, path, content):
        before = await contents(database)
        headers = content.pop("headers", {}) | {"If-Match": "*"}
        is_problem(await ann.request(method, path, headers=headers, **content), 412, "precondition_failed")
        assert await contents(database) == before


class TestWithoutATag:
    @pytest.mark.parametrize("what", ROW_CHANGES)
    async def test_a_change_is_of_what_there_is(self, admin, world, what):
        assert (await ROW_CHANGES[what](world).by(admin)).is_success


class TestWhereOneIsRequired:
    @pytest.fixture(autouse=True)
    def required(self, application, monkeypatch):
        """As TRELLIS_REQUIRE_IF_MATCH has it."""
        monkeypatch.setattr(application.http.mutations(), "require_if_match", True)

    @pytest.mark.parametrize("what", ROW_CHANGES)
    async def test_a_change_without_one_is_refused(self, admin, database, world, what):
        write, before = ROW_CHANGES[what](world), await contents(database)
        is_problem(await write.by(admin), 428, "precondition_required")
        assert await contents(database) == before
        assert (await write.by(admin, If_Match="*")).is_success

    @pytest.mark.parametrize("what", CREATES)
    async def test_what_is_new_needs_none(self, admin, world, what):
        assert (await CREATES[what](world).by(admin)).status_code == 201

    async def test_signing_in_needs_none(self, client, ann):
        body = {"email": "ann@example.com", "password": PASSWORD}
        assert (await client.post("/auth/sessions", json=body)).status_code == 201

    async def test_who_may_not_change_it_at_all_is_told_that(self, bob, project):
        is_problem(await patched(bob, project), 404, "project_not_found")

    async def test_the_replay_of_a_change_needs_none(self, ann, database, project):
        write = Write("PATCH", f"/projects/{project.id}", {"name": "changed"})
        assert (await write.by(ann, If_Match="*", Idempotency_Key="k")).status_code == 200
        await execute(database, "UPDATE projects SET name = 'later'")
        assert (await write.by(ann, Idempotency_Key="k")).json()["name"] == "changed"


class TestManyWriters:
    """On a real server, with real transactions."""

    async def test_of_a_row_overwrite_nothing_unseen(self, tmp_path):
        """Each success is a version of its own, which nobody else has written over unseen."""
        with clone() as url, serving(tmp_path, DATABASE_URL=url) as server:
            async with signed_in_at(server) as http:
                path = f"/projects/{(await http.post('/projects', json={'name': '0'})).json()['id']}"
                limit = asyncio.Semaphore(20)

                async def write(n):
                    async with limit:
                        etag = (await http.get(path)).headers["ETag"]
                        answer = await http.patch(path, json={"name": str(n)}, headers={"If-Match": etag})
                        assert answer.status_code in {200, 412, 503}, answer.text
                        assert answer.status_code != 200 or answer.json()["name"] == str(n)
                        return answer.status_code

                statuses = await asyncio.gather(*map(write, range(1, 101)))
                final = (await http.get(path)).json()
        assert statuses.count(200) == final["version"] - 1
        assert 1 <= statuses.count(200) < 100

    async def test_without_a_tag_of_different_fields_all_survive(self, tmp_path):
        fields = {"name": "new", "description": "new", "status": "paused", "external_id": "new", "due_on": "2027-01-01"}
        with clone() as url, serving(tmp_path, DATABASE_URL=url) as server:
            async with signed_in_at(server) as http:
                path = f"/projects/{(await http.post('/projects', json={'name': '0'})).json()['id']}"
                patches = (http.patch(path, json={name: value}) for name, value in fields.items())
                assert {answer.status_code for answer in await asyncio.gather(*patches)} == {200}
                final = (await http.get(path)).json()
        assert {name: final[name] for name in fields} == fields
        assert final["version"] == 6
