"""QUERY (RFC 10008): a list's parameters as JSON in the body."""

from typing import Any

import pytest

from modules.projects.tests.factories import ProjectFactory, ProjectTagFactory
from modules.tags.tests.factories import TagFactory
from tests.contract.test_problems import is_problem

LISTS = ["/projects", "/tags", "/projects/export"]


async def query(caller, path, body, **options):
    return await caller.request("QUERY", path, json=body, **options)


@pytest.fixture
async def projects(ann):
    tag = await TagFactory.saved(owner_id=ann.id, slug="urgent")
    rows = [
        await ProjectFactory.saved(owner_id=ann.id, name=f"P{n}", status="paused" if n % 2 else "active")
        for n in range(5)
    ]
    await ProjectTagFactory.saved(project_id=rows[0].id, tag_id=tag.id)
    return rows


class TestAQuery:
    @pytest.mark.parametrize(
        ("body", "params"),
        [
            ({}, {}),
            ({"limit": 2}, {"limit": "2"}),
            ({"status[in]": ["active", "paused"], "sort": ["name"]}, {"status[in]": "active,paused", "sort": "name"}),
            ({"tag": ["urgent"], "fields": ["id", "name"]}, {"tag": "urgent", "fields": "id,name"}),
            (
                {"created_at[gte]": "2020-01-01T00:00:00Z", "count": "exact"},
                {"created_at[gte]": "2020-01-01T00:00:00Z", "count": "exact"},
            ),
            ({"name[contains]": "P"}, {"name[contains]": "P"}),
            ({"external_id[in]": []}, {"external_id[in]": ""}),
            ({"tag": []}, {"tag": ""}),
        ],
    )
    async def test_is_answered_as_the_get_that_means_the_same(self, ann, projects, body, params):
        asked, got = await query(ann, "/projects", body), await ann.get("/projects", params=params)
        assert (asked.status_code, asked.content, asked.headers["ETag"]) == (200, got.content, got.headers["ETag"])

    async def test_goes_on_from_page_to_page(self, ann, projects):
        names: list[str] = []
        body: dict[str, Any] = {"limit": 2, "sort": ["name"]}
        while True:
            page = (await query(ann, "/projects", body)).json()
            names += [item["name"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            body["cursor"] = page["next_cursor"]
        assert names == [f"P{n}" for n in range(5)]

    @pytest.mark.parametrize("path", LISTS)
    async def test_is_taken_by_every_list(self, ann, projects, path):
        assert (await query(ann, path, {})).content == (await ann.get(path)).content

    async def test_is_told_of_what_it_may_not_ask(self, ann):
        bodies: list[dict[str, Any]] = [{"nothing": 1}, {"limit": 0}, {"limit": None}]
        bodies += [{"tag": {"x": 1}}, {"tag": ["a,b"]}, {"tag": [[]]}]
        for body in bodies:
            (wrong,) = is_problem(await query(ann, "/projects", body), 422, "invalid_input")["errors"]
            assert wrong["parameter"] in body

    @pytest.mark.parametrize("body", [[], "x", 1, None])
    async def test_is_an_object(self, ann, body):
        (wrong,) = is_problem(await query(ann, "/projects", body), 422, "invalid_input")["errors"]
        assert wrong["pointer"] == ""

    async def test_has_no_parameters_beside_the_body(self, ann):
        is_problem(await query(ann, "/projects", {}, params={"limit": 1}), 422, "invalid_input")

    async def test_is_json(self, ann):
        refused = await ann.request("QUERY", "/projects", content=b"limit=1")
        is_problem(refused, 415, "unsupported_media_type")
        assert refused.headers["Accept-Query"] == "application/json"
        broken = await ann.request("QUERY", "/projects", content=b"{", headers={"Content-Type": "application/json"})
        is_problem(broken, 400, "malformed_body")

    async def test_needs_a_caller(self, client):
        is_problem(await query(client, "/projects", {}), 401, "unauthenticated")

    @pytest.mark.parametrize("path", ["/users/me", "/batch", "/changes"])
    async def test_is_of_lists_alone(self, ann, path):
        refused = await query(ann, path, {})
        is_problem(refused, 405, "method_not_allowed")
        assert "QUERY" not in refused.headers["Allow"]

    async def test_is_named_where_it_is_allowed(self, ann):
        refused = await ann.request("DELETE", "/tags")
        assert refused.headers["Allow"] == "GET, HEAD, POST, QUERY"


class TestOpenApi32:
    async def test_is_3_1_with_a_query_for_each_list(self, client):
        document = (await client.get("http://test/openapi.json")).json()
        newer = (await client.get("http://test/openapi-3.2.json")).json()
        assert newer["openapi"] == "3.2.0"
        queries = {
            path: operations.pop("query") for path, operations in newer["paths"].items() if "query" in operations
        }
        assert newer | {"openapi": document["openapi"]} == document
        lists = {
            path
            for path, operations in document["paths"].items()
            if any(one["name"] == "fields" for one in operations.get("get", {}).get("parameters", ()))
            and "ETag" in operations["get"]["responses"]["200"]["headers"]
            and "Link" in operations["get"]["responses"]["200"]["headers"]
        }
        assert queries.keys() == lists | {"/api/v1/projects/export", "/api/v1/projects/summary"}
        for path, query in queries.items():
            get = document["paths"][path]["get"]
            assert query["operationId"] == f"{get['operationId']}_query"
            (taken,) = query["requestBody"]["content"].values()
            names = {one["name"] for one in get["parameters"] if one["in"] == "query"}
            assert taken["schema"]["properties"].keys() == names
            assert {"400", "415", "422"} <= query["responses"].keys()
