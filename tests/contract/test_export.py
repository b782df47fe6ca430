"""`GET /projects/export`: everything that the list would show, in one piece."""

import csv
import io
import json

import pytest

from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from tests.contract.reading import NOON
from tests.contract.test_problems import is_problem


@pytest.fixture
async def ann(signed_in):
    return await signed_in(full_name="Ann")


@pytest.fixture
async def projects(ann):
    made = [await ProjectFactory.saved(owner_id=ann.id, name=f'Project "{n}", new\nline') for n in range(5)]
    tag = await TagFactory.saved(owner_id=ann.id, slug="garden")
    await ProjectTagFactory.saved(project_id=made[0].id, tag_id=tag.id)
    return made


class TestNdjson:
    async def test_has_the_document_of_each_project_on_a_line_of_its_own(self, ann, projects):
        exported = await ann.get("/projects/export")
        assert exported.headers["Content-Type"] == "application/x-ndjson"
        lines = exported.content.splitlines()
        assert lines == [(await ann.get(f"/projects/{project.id}")).content for project in projects]

    async def test_of_nothing_is_empty(self, ann):
        exported = await ann.get("/projects/export")
        assert (exported.status_code, exported.content) == (200, b"")

    async def test_holds_more_than_a_batch(self, ann, monkeypatch, projects):
        monkeypatch.setattr("shared.wire.statements.BATCH", 2)
        assert len((await ann.get("/projects/export")).content.splitlines()) == 5

    async def test_shows_nothing_of_others(self, ann, projects, signed_in):
        eve = await signed_in()
        assert (await eve.get("/projects/export")).content == b""


class TestCsv:
    async def test_has_a_header_and_a_row_for_each_project(self, ann, projects):
        exported = await ann.get("/projects/export", headers={"Accept": "text/csv"})
        assert exported.headers["Content-Type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(exported.text, newline="")))
        assert [row["name"] for row in rows] == [project.name for project in projects]
        assert json.loads(rows[0]["tags"])[0]["slug"] == "garden"
        assert rows[0]["due_on"] == ""

    async def test_of_nothing_is_the_header_alone(self, ann):
        exported = await ann.get("/projects/export", headers={"Accept": "text/csv"})
        assert exported.text.startswith("id,external_id,owner_id,name,")
        assert len(exported.text.splitlines()) == 1


class TestWhatTheClientAccepts:
    """RFC 9110 §12.5.1; the rules are tested in tests/kernel/test_media_types.py."""

    @pytest.mark.parametrize(
        ("accept", "media_type"),
        [
            ((), "application/x-ndjson"),
            (("*/*",), "application/x-ndjson"),
            (("text/*",), "text/csv; charset=utf-8"),
            (("application/json, text/csv;q=0.1",), "text/csv; charset=utf-8"),
            (("application/json", "text/csv"), "text/csv; charset=utf-8"),
            (("text/csv;q=0.5, application/x-ndjson",), "application/x-ndjson"),
            (("\x00;;", "\xff"), "application/x-ndjson"),
        ],
    )
    async def test_is_given(self, ann, projects, accept, media_type):
        headers = [(b"Accept", value.encode("latin-1")) for value in accept]
        exported = await ann.get("/projects/export", headers=headers)
        assert (exported.status_code, exported.headers["Content-Type"]) == (200, media_type)
        assert exported.headers["Vary"] == "Accept"
        assert media_type.startswith("text/csv") == exported.headers["Content-Disposition"].endswith('.csv"')

    @pytest.mark.parametrize("accept", ["application/json, text/csv;q=0", "application/json", "*/*;q=0", "text/csvx"])
    async def test_is_refused_when_there_is_no_such_kind(self, ann, accept):
        refused = await ann.get("/projects/export", headers={"Accept": accept})
        problem = is_problem(refused, 406, "not_acceptable")
        assert "application/x-ndjson" in problem["detail"]
        assert "text/csv" in problem["detail"]
        assert refused.headers["Vary"] == "Accept"

    async def test_is_no_matter_where_there_is_json_alone(self, ann):
        for accept in ("text/html", "application/json;q=0", "nonsense"):
            assert (await ann.get("/projects", headers={"Accept": accept})).status_code == 200
            is_problem(await ann.get("/nowhere", headers={"Accept": accept}), 404, "no_such_path")


class TestParameters:
    async def test_narrow_it_like_the_list(self, ann, projects):
        found = await ann.get("/projects/export", params={"tag": "garden", "fields": "id,name"})
        assert [json.loads(line) for line in found.content.splitlines()] == [
            {"id": str(projects[0].id), "name": projects[0].name}
        ]

    async def test_give_the_trash_that_one_may_restore(self, ann, projects, signed_in):
        gone = await ProjectFactory.saved(owner_id=ann.id, deleted_at=NOON)
        await ProjectFactory.saved(owner_id=(await signed_in()).id, deleted_at=NOON)
        for deleted, expected in (("only", [gone]), ("include", [*projects, gone]), ("exclude", projects)):
            exported = await ann.get("/projects/export", params={"deleted": deleted, "fields": "id"})
            assert exported.status_code == 200, exported.text
            found = [json.loads(line)["id"] for line in exported.content.splitlines()]
            assert found == sorted(str(project.id) for project in expected)

    @pytest.mark.parametrize("name", ["limit", "cursor", "sort", "count", "nonsense"])
    async def test_of_pages_are_refused(self, ann, name):
        refused = await ann.get("/projects/export", params={name: "1"})
        assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, name)


class TestWithoutASession:
    async def test_it_is_a_problem_and_no_empty_file(self, client):
        assert (await client.get("/projects/export")).status_code == 401


class TestAnInstantWithAFarOffset:
    @pytest.mark.parametrize(
        "instant", ["0430-06-05T17:24:11+18:16", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
    )
    async def test_is_compared_wherever_it_stands(self, ann, instant):
        for operator in ("", "[in]", "[gte]", "[ne]"):
            answer = await ann.get("/projects/export", params={f"created_at{operator}": instant})
            assert answer.status_code == 200, operator


class TestSeveralOfOneAccount:
    async def test_are_two_at_once(self, ann, application):
        turns = application.http.exports()
        async with turns.of(ann.id):
            assert (await ann.get("/projects/export")).status_code == 200
            async with turns.of(ann.id):
                refused = await ann.get("/projects/export")
                is_problem(refused, 429, "too_many_requests")
                assert refused.headers["Retry-After"] == "5"
