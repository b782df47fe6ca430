"""What every answer carries."""

import json
import re
import tomllib
from pathlib import Path

import pytest

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class TestTheRequestId:
    async def test_is_the_clients_own_when_sane(self, client):
        answer = await client.get("http://test/health/live", headers={"X-Request-ID": "trace:1/a=b.c_d-e+f"})
        assert answer.headers["X-Request-ID"] == "trace:1/a=b.c_d-e+f"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", "ü"])
    async def test_is_made_here_otherwise(self, client, given):
        answer = await client.get("http://test/health/live", headers={b"X-Request-ID": given.encode("latin-1")})
        assert UUID7.fullmatch(answer.headers["X-Request-ID"])


class TestHead:
    @pytest.mark.parametrize("path", ["/health/live", "/api/v1/users/me", "/nowhere"])
    async def test_answers_like_get_without_the_content(self, signed_in, path):
        ann = await signed_in()
        got, asked = await ann.get(f"http://test{path}"), await ann.head(f"http://test{path}")
        assert asked.content == b""
        assert asked.status_code == got.status_code
        assert asked.headers["Content-Type"] == got.headers["Content-Type"]

    async def test_says_how_long_the_content_would_be(self, signed_in):
        ann = await signed_in()
        got, asked = await ann.get("/users/me"), await ann.head("/users/me")
        assert asked.headers["Content-Length"] == str(len(got.content))


class TestSecurityHeaders:
    @pytest.mark.parametrize("path", ["/health/live", "/api/v1/users/me", "/nowhere", "/openapi.json"])
    async def test_are_on_documents_and_on_problems(self, client, path):
        headers = (await client.get(f"http://test{path}")).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"] == "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"

    async def test_documents_are_kept_by_no_shared_cache(self, signed_in):
        ann = await signed_in()
        assert (await ann.get("/users/me")).headers["Cache-Control"] == "private, no-cache"


class TestOpenApi:
    async def test_is_3_1_and_names_operations_as_a_client_would(self, client):
        document = (await client.get("http://test/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        ids = [operation["operationId"] for operation in operations]
        assert len(ids) == len(set(ids))
        assert {"users_list", "users_update", "users_register", "auth_token"} <= set(ids)
        assert {"health_live", "health_ready", "problems_list"} <= set(ids)

    async def test_has_the_version_of_the_project(self, client):
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        assert (await client.get("http://test/openapi.json")).json()["info"]["version"] == project["version"]

    async def test_tells_of_problems_where_an_operation_can_fail(self, client):
        document = (await client.get("http://test/openapi.json")).json()
        for operations in document["paths"].values():
            for operation in operations.values():
                assert "default" not in operation["responses"]
                problems = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
                assert {"400", "408", "413", "431", "503"} <= problems.keys()
                for status, answer in problems.items():
                    content = answer["content"]["application/problem+json"]
                    examples = {code: document["components"]["examples"][code]["value"] for code in content["examples"]}
                    assert all(example["code"] == code for code, example in examples.items())
                    if "batch_failed" not in examples:
                        assert {example["status"] for example in examples.values()} == {int(status)}

    async def test_refers_to_nothing_that_is_not_in_it(self, client):
        text = (await client.get("http://test/openapi.json")).text
        components = json.loads(text)["components"]
        references = set(re.findall(r'"\$ref":"(#[^"]*)"', text))
        kinds = ("schemas", "examples", "headers")
        assert references == {f"#/components/{kind}/{name}" for kind in kinds for name in components[kind]}
        assert "HTTPValidationError" not in components["schemas"]

    async def test_asks_for_a_token_where_one_is_needed(self, client):
        paths = (await client.get("http://test/openapi.json")).json()["paths"]
        assert "security" in paths["/api/v1/users"]["get"]
        assert paths["/api/v1/users"]["post"]["security"] == []


class TestHealth:
    async def test_alive_says_so_without_the_database(self, client):
        assert (await client.get("http://test/health/live")).json() == {"status": "alive"}

    async def test_ready_when_the_schema_is_there(self, client):
        answer = await client.get("http://test/health/ready")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
        assert answer.headers["Cache-Control"] == "no-store"
