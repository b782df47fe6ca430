"""ETags, and reads that answer 304 (RFC 9110 §13)."""

import re

import pytest

from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from tests.contract.reading import projects_of, shared_with

STRONG = re.compile(r'"(\d+)-[\w-]+"')
WEAK = re.compile(r'W/"[\w-]+"')


@pytest.fixture
async def project(admin):
    project = await ProjectFactory.saved(owner_id=admin.id)
    tag = await TagFactory.saved(owner_id=admin.id, name="before")
    await ProjectTagFactory.saved(project_id=project.id, tag_id=tag.id)
    return project


@pytest.fixture
async def paths(admin, project):
    tag = (await admin.get("/tags")).json()["items"][0]
    return {
        "project": f"/projects/{project.id}",
        "tag": f"/tags/{tag['id']}",
        "user": f"/users/{admin.id}",
        "me": "/users/me",
        "projects": "/projects",
        "tags": "/tags",
        "users": "/users",
        "members": f"/projects/{project.id}/members",
    }


DOCUMENTS, PAGES = ("project", "tag", "user", "me"), ("projects", "tags", "users", "members")


class TestADocument:
    @pytest.mark.parametrize("what", DOCUMENTS)
    async def test_has_a_strong_tag_that_begins_with_its_version(self, admin, paths, what):
        read = await admin.get(paths[what])
        match = STRONG.fullmatch(read.headers["ETag"])
        assert match[1] == str(read.json()["version"])
        assert (await admin.get(paths[what])).headers["ETag"] == read.headers["ETag"]

    @pytest.mark.parametrize("what", DOCUMENTS)
    async def test_has_another_tag_in_another_view_of_the_same_version(self, admin, paths, what):
        whole, part = await admin.get(paths[what]), await admin.get(paths[what], params={"fields": "id"})
        assert STRONG.fullmatch(part.headers["ETag"])[1] == STRONG.fullmatch(whole.headers["ETag"])[1]
        assert part.headers["ETag"] != whole.headers["ETag"]

    async def test_has_the_same_tag_wherever_it_was_answered(self, admin, client):
        bodies = {"/projects": {"name": "x"}, "/tags": {"name": "x"}, "/users": {"full_name": "x"}}
        registration = {"email": "new@example.com", "password": "correct horse battery"}
        for path, body in bodies.items():
            made = await admin.post(path, json=body | (registration if path == "/users" else {}))
            assert made.status_code == 201, made.text
            one = f"{path}/{made.json()['id']}"
            assert made.headers["ETag"] == (await admin.get(one)).headers["ETag"]
            changed = await admin.patch(one, json=dict.fromkeys(body, "y"))
            assert changed.status_code == 200, changed.text
            assert changed.headers["ETag"] == (await admin.get(one)).headers["ETag"] != made.headers["ETag"]
            assert (await admin.delete(one)).status_code == 204
            restored = await admin.post(f"{one}/restore")
            assert restored.status_code == 200, restored.text
            assert restored.headers["ETag"] == (await admin.get(one)).headers["ETag"] != changed.headers["ETag"]
            assert STRONG.fullmatch(restored.headers["ETag"])[1] == str(restored.json()["version"])

    async def test_has_another_tag_and_the_same_version_when_what_it_embeds_has_changed(self, admin, paths):
        before = await admin.get(paths["project"])
        assert (await admin.patch(paths["tag"], json={"name": "after"})).status_code == 200
        after = await admin.get(paths["project"], headers={"If-None-Match": before.headers["ETag"]})
        assert after.status_code == 200
        assert after.json()["tags"][0]["name"] == "after"
        assert after.json()["version"] == before.json()["version"]
        assert STRONG.fullmatch(after.headers["ETag"])[1] == STRONG.fullmatch(before.headers["ETag"])[1]

    async def test_has_another_tag_for_whom_it_reads_otherwise(self, admin, bob, paths, project):
        await shared_with(bob, project)
        answers = [await caller.get(paths["project"]) for caller in (admin, bob)]
        assert answers[0].headers["ETag"] != answers[1].headers["ETag"]

    async def test_that_is_not_there_has_no_tag_and_no_304(self, bob, paths):
        answer = await bob.get(paths["project"], headers={"If-None-Match": "*"})
        assert answer.status_code == 404
        assert "ETag" not in answer.headers


class TestAPage:
    @pytest.mark.parametrize("what", PAGES)
    async def test_has_a_weak_tag(self, admin, paths, what):
        read = await admin.get(paths[what])
        assert WEAK.fullmatch(read.headers["ETag"])
        assert (await admin.get(paths[what])).headers["ETag"] == read.headers["ETag"]

    async def test_has_another_tag_when_a_row_or_the_view_is_another(self, admin, project):
        tags = {(await admin.get("/projects")).headers["ETag"]}
        for params in ({"fields": "id"}, {"include": "owner"}, {"count": "exact"}, {"status": "paused"}):
            tags.add((await admin.get("/projects", params=params)).headers["ETag"])
        await admin.patch(f"/projects/{project.id}", json={"name": "another"})
        tags.add((await admin.get("/projects")).headers["ETag"])
        assert len(tags) == 6

    async def test_that_was_not_modified_still_leads_on(self, admin, project):
        await projects_of(admin, 2)
        page = await admin.get("/projects", params={"limit": 1})
        again = await admin.get("/projects", params={"limit": 1}, headers={"If-None-Match": page.headers["ETag"]})
        assert again.status_code == 304
        assert again.headers["Link"] == page.headers["Link"]


class TestIfNoneMatch:
    @pytest.mark.parametrize("what", [*DOCUMENTS, *PAGES])
    @pytest.mark.parametrize(
        "given", ["{}", "W/{}", '"x", {}', 'W/"a",{} , "b"', '"x",,W/{}', "*", '"x,y", {}', "\t{}"]
    )
    async def test_with_a_tag_that_matches_answers_304_with_the_tag_alone(self, admin, paths, what, given):
        read = await admin.get(paths[what])
        known = given.format(read.headers["ETag"]).replace("W/W/", "W/")
        for method in ("GET", "HEAD"):
            answer = await admin.request(method, paths[what], headers={"If-None-Match": known})
            assert answer.status_code == 304, method
            assert answer.content == b""
            assert answer.headers["ETag"] == read.headers["ETag"]
            assert answer.headers["Cache-Control"] == read.headers["Cache-Control"]
            assert "Content-Type" not in answer.headers

    @pytest.mark.parametrize("what", ["project", "projects"])
    @pytest.mark.parametrize(
        "given", ['"x"', "", "x", '"*"', 'W/"*"', '"1-"', "é", '"' * 5000, "," * 5000, 'W/"x", "y"']
    )
    async def test_with_any_other_tag_answers_the_document(self, admin, paths, what, given):
        read = await admin.get(paths[what])
        answer = await admin.get(paths[what], headers={b"If-None-Match": given.encode("latin-1")})
        assert answer.status_code == 200
        assert answer.content == read.content

    async def test_does_not_take_a_bare_version_for_a_tag(self, admin, paths):
        for known in ('"1"', "1"):
            assert (await admin.get(paths["project"], headers={"If-None-Match": known})).status_code == 200

    @pytest.mark.parametrize("what", ["project", "projects"])
    async def test_may_be_spread_over_several_lines(self, admin, paths, what):
        """RFC 9110 §5.3: they are one list."""
        etag = (await admin.get(paths[what])).headers["ETag"]
        answer = await admin.get(paths[what], headers=[("If-None-Match", '"x"'), ("If-None-Match", etag)])
        assert answer.status_code == 304

    async def test_changes_nothing_of_a_write(self, admin, paths):
        changed = await admin.patch(paths["project"], json={"name": "x"}, headers={"If-None-Match": '"x"'})
        assert changed.status_code == 200
