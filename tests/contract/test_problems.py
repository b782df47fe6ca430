"""Errors on the wire: whatever a client sends is answered with the right problem, and never with a 5xx."""

import json
import logging
from uuid import uuid4

import pytest
from fastapi import FastAPI, HTTPException
from starlette.responses import PlainTextResponse

from shared.errors import DomainError
from tests.callers import anonymous

pytestmark = pytest.mark.needs("projects")

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "retryable"}


def is_problem(answer, status, code):
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= MEMBERS
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"/problems/{code}"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    return problem


class TestEveryProblem:
    async def test_leads_by_its_type_to_the_catalogue(self, client):
        unknown = is_problem(await client.get("/nowhere"), 404, "no_such_path")
        entry = await client.get(f"http://test{unknown['type']}")
        assert entry.json() == {key: unknown[key] for key in ("code", "title", "status", "detail", "retryable")}

    async def test_is_listed_in_the_catalogue(self, client):
        listed = (await client.get("http://test/problems")).json()
        assert {entry["code"] for entry in listed} == set(DomainError.catalogue)
        assert all(entry["detail"].endswith(".") and 400 <= entry["status"] <= 503 for entry in listed)

    async def test_of_a_code_that_is_not_there_is_a_problem_itself(self, client):
        is_problem(await client.get("http://test/problems/nothing"), 404, "no_such_path")

    async def test_names_the_path_that_was_asked_for(self, client):
        assert (await client.get("/no%20where?x=1")).json()["instance"] == "/api/v1/no%20where"


class TestPathsAndMethods:
    async def test_an_unknown_path_is_not_found(self, client):
        is_problem(await client.get("/nowhere"), 404, "no_such_path")

    async def test_a_slash_too_many_is_an_unknown_path_and_no_redirect(self, client):
        is_problem(await client.get("/projects/"), 404, "no_such_path")

    @pytest.mark.parametrize("method", ["PUT", "TRACE", "BREW"])
    async def test_a_method_that_a_path_does_not_know_is_not_allowed(self, client, method):
        answer = await client.request(method, "/projects")
        is_problem(answer, 405, "method_not_allowed")
        allowed = {"DELETE", "GET", "HEAD", "PATCH", "POST", "QUERY"}
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed


class TestAMountedApplication:
    """It has answers of its own, which the edge holds back."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    async def test_has_its_errors_told_as_problems_with_the_headers_that_say_how_to_go_on(self, app, client, method):
        app.mount("/mounted", PlainTextResponse("No.", 405, {"Allow": "POST", "Server": "its own"}))
        try:
            answer = await client.request(method, "http://test/mounted/file")
        finally:
            app.router.routes.pop()
        assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
        assert answer.headers["Allow"] == "POST"
        assert "Server" not in answer.headers
        if method == "GET":
            is_problem(answer, 405, "method_not_allowed")


class TestErrorsOfTheFramework:
    @pytest.mark.parametrize(
        ("status", "answered", "code"),
        [
            (401, 401, "unauthenticated"),
            (403, 403, "forbidden"),
            (415, 415, "unsupported_media_type"),
            (418, 400, "request_refused"),
            (451, 400, "request_refused"),
            (500, 500, "internal_error"),
            (503, 503, "unavailable"),
        ],
    )
    async def test_that_blame_the_client_are_not_taken_upon_us(self, app, client, status, answered, code):
        async def refuse() -> None:
            raise HTTPException(status)

        app.add_api_route("/refuse", refuse)
        try:
            is_problem(await client.get("http://test/refuse"), answered, code)
        finally:
            app.router.routes.pop()


class TestAClientThatGoesAway:
    @pytest.mark.parametrize("path", ["/api/v1/auth/token", "/api/v1/users"])
    async def test_ends_its_request_quietly(self, app, client, caplog, path):
        kind = b"application/json" if path.endswith("users") else b"application/x-www-form-urlencoded"
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"content-type", kind), (b"content-length", b"100")],
        }
        messages = iter(
            [{"type": "http.request", "body": b"grant_type=", "more_body": True}, {"type": "http.disconnect"}]
        )

        async def receive():
            return next(messages)

        async def send(message):
            pass

        with caplog.at_level(logging.WARNING, "trellis"):
            await app(scope, receive, send)
        assert caplog.text == ""


class TestCredentials:
    async def test_none_are_asked_for(self, client):
        answer = await client.get("/projects")
        is_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trellis"'

    @pytest.mark.parametrize("value", ["Bearer x", "Bearer a.b.c", "Bearer ", "Basic YTpi", "Bearer ü", "Bearer x\tx"])
    async def test_bad_ones_are_refused(self, client, value):
        answer = await client.get("/projects", headers={b"Authorization": value.encode("latin-1")})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="trellis"')

    async def test_come_before_the_body_is_judged_by_its_schema(self, client):
        """A stranger learns nothing about what a body should be."""
        is_problem(await client.post("/projects", json={"x": 1}), 401, "unauthenticated")


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            "{",
            "",
            "[1,",
            '{"name": "a"',
            '{"name": NaN}x',
            "\0",
            '"\\ud800',
            "[" * 100_000,
            '{"name": ' + "9" * 5000 + "}",
        ],
        ids=lambda body: body[:12],
    )
    async def test_malformed_json_is_told_as_such(self, signed_in, body):
        ann = await signed_in()
        answer = await ann.post("/projects", content=body, headers={"Content-Type": "application/json"})
        is_problem(answer, 400, "malformed_body")

    @pytest.mark.parametrize("encoded", [b'{"name": "\xff"}', '{"name": "ü"}'.encode("utf-16"), b"\xef\xbb\xbf["])
    async def test_a_body_that_is_no_utf_8_json_object_is_refused(self, signed_in, encoded):
        ann = await signed_in()
        answer = await ann.post("/projects", content=encoded, headers={"Content-Type": "application/json"})
        is_problem(answer, 400, "malformed_body")

    @pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "application/jsonx"])
    async def test_another_content_type_than_json_is_refused(self, signed_in, kind):
        ann = await signed_in()
        answer = await ann.post("/projects", content='{"name": "x"}', headers={"Content-Type": kind})
        is_problem(answer, 415, "unsupported_media_type")

    async def test_unknown_fields_are_refused_by_name(self, signed_in):
        ann = await signed_in()
        problem = is_problem(await ann.post("/projects", json={"name": "x", "a/b~c": 1}), 422, "invalid_input")
        assert problem["errors"] == [
            {"pointer": "/a~1b~0c", "code": "extra_forbidden", "message": "Extra inputs are not permitted"}
        ]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", None),
            ("name", 5),
            ("name", {"a": 1}),
            ("name", ["x"]),
            ("name", ""),
            ("name", " \t "),
            ("name", "x" * 201),
            ("name", "a\0b"),
            ("name", "\ud800"),
            ("description", "a\0b"),
            ("description", "\udfff"),
            ("description", "x" * 10_001),
            ("external_id", "\0"),
            ("status", "done"),
            ("status", 10**30),
            ("starts_on", "2026-02-30"),
            ("starts_on", "10000-01-01"),
            ("starts_on", "-0001-01-01"),
            ("starts_on", 10**30),
            ("starts_on", 1e308),
            ("tag_ids", "x"),
            ("tag_ids", ["x"]),
            ("tag_ids", [10**30]),
            ("tag_ids", [None]),
            ("tag_ids", ["00000000-0000-0000-0000-000000000000"] * 101),
        ],
        ids=lambda value: ascii(value)[:16],
    )
    async def test_a_value_that_does_not_fit_is_named_and_not_echoed(self, signed_in, field, value):
        ann = await signed_in()
        body = json.dumps({"name": "x", field: value})
        answer = await ann.post("/projects", content=body, headers={"Content-Type": "application/json"})
        problem = is_problem(answer, 422, "invalid_input")
        assert all(error["pointer"].startswith(f"/{field}") for error in problem["errors"])
        assert (await ann.get("/projects")).json()["items"] == []

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 4000])
    async def test_numbers_beyond_all_bounds_are_refused(self, signed_in, number):
        ann = await signed_in()
        body = f'{{"name": "x", "starts_on": {number}}}'
        answer = await ann.post("/projects", content=body, headers={"Content-Type": "application/json"})
        is_problem(answer, 422, "invalid_input")

    async def test_half_a_character_in_a_field_name_does_not_break_the_answer(self, signed_in):
        ann = await signed_in()
        answer = await ann.post("/tags", content='{"\\ud800": 1}', headers={"Content-Type": "application/json"})
        is_problem(answer, 422, "invalid_input")

    async def test_a_thousand_errors_are_not_all_told(self, signed_in):
        ann = await signed_in()
        problem = is_problem(await ann.post("/tags", json={"x" * n: n for n in range(1, 1000)}), 422, "invalid_input")
        assert len(problem["errors"]) == 100
        assert max(len(error["pointer"]) for error in problem["errors"]) <= 201

    async def test_a_password_is_never_echoed(self, client):
        secret = "hunter2" * 50
        answer = await client.post("/users", json={"email": secret, "password": secret, "full_name": {"x": secret}})
        is_problem(answer, 422, "invalid_input")
        assert "hunter2" not in answer.text

    @pytest.mark.parametrize("declared", [True, False])
    async def test_one_that_is_too_large_is_refused(self, signed_in, declared):
        ann = await signed_in()
        content = b"x" * (1 << 20) + b"x"

        async def chunks():
            yield content

        headers = {"Content-Type": "application/json"}
        answer = await ann.post("/projects", content=content if declared else chunks(), headers=headers)
        is_problem(answer, 413, "too_large")


class TestIds:
    @pytest.mark.parametrize("id", ["x", "0", "%00", "%ff", "1" * 5000, "00000000-0000-0000-0000-00000000000g"])
    @pytest.mark.parametrize("collection", ["projects", "tags"])
    async def test_one_that_is_no_uuid_is_invalid_input(self, signed_in, collection, id):
        ann = await signed_in()
        problem = is_problem(await ann.get(f"/{collection}/{id}"), 422, "invalid_input")
        assert problem["errors"][0]["parameter"] == f"{collection[:-1]}_id"
        assert problem["errors"][0]["message"] == "Input should be a valid UUID"

    @pytest.mark.parametrize("collection", ["projects", "tags"])
    async def test_one_that_never_was_is_not_found(self, signed_in, collection):
        ann = await signed_in()
        is_problem(await ann.get(f"/{collection}/{uuid4()}"), 404, f"{collection[:-1]}_not_found")


class TestParameters:
    @pytest.mark.parametrize("collection", ["projects", "tags"])
    @pytest.mark.parametrize("limit", ["0", "-1", "abc", "", "1.5", "1e3", "\0", "NaN", "-" + "9" * 40])
    async def test_a_limit_below_one_or_no_number_is_named(self, signed_in, collection, limit):
        ann = await signed_in()
        problem = is_problem(await ann.get(f"/{collection}", params={"limit": limit}), 422, "invalid_input")
        assert problem["errors"][0]["parameter"] == "limit"

    @pytest.mark.parametrize("limit", ["101", "9" * 18, "9" * 40])
    async def test_a_larger_limit_is_taken_as_100(self, signed_in, limit):
        ann = await signed_in()
        assert (await ann.get("/projects", params={"limit": limit})).status_code == 200

    @pytest.mark.parametrize("cursor", ["x", "", "AAAA", "ü", "A" * 900, "=", "%%%"])
    async def test_a_cursor_that_was_not_made_here_is_refused(self, signed_in, cursor):
        ann = await signed_in()
        problem = is_problem(await ann.get("/projects", params={"cursor": cursor}), 400, "invalid_cursor")
        assert problem["errors"][0]["parameter"] == "cursor"

    @pytest.mark.parametrize("cursor", ["\0", "A" * 4001])
    async def test_a_cursor_that_cannot_be_one_is_named(self, signed_in, cursor):
        ann = await signed_in()
        problem = is_problem(await ann.get("/projects", params={"cursor": cursor}), 422, "invalid_input")
        assert problem["errors"][0]["parameter"] == "cursor"

    async def test_an_unknown_one_is_refused_by_name(self, signed_in):
        ann = await signed_in()
        problem = is_problem(await ann.get("/projects", params={"nonsense": "1"}), 422, "invalid_input")
        assert problem["errors"][0]["parameter"] == "nonsense"

    async def test_its_name_is_no_json_pointer(self, signed_in):
        ann = await signed_in()
        problem = is_problem(await ann.get("/projects", params={"a/b~c": "1"}), 422, "invalid_input")
        assert problem["errors"][0]["parameter"] == "a/b~c"


class TestRowsOfOtherPeople:
    async def test_answer_byte_for_byte_like_rows_that_never_were(self, signed_in):
        ann, eve = await signed_in(), await signed_in()
        project = (await ann.post("/projects", json={"name": "Secret"})).json()
        headers = {"X-Request-ID": "same"}
        hidden = await eve.get(f"/projects/{project['id']}", headers=headers)
        await ann.delete(f"/projects/{project['id']}")
        never = await eve.get(f"/projects/{uuid4()}", headers=headers)
        strip = {"instance": None}
        assert hidden.json() | strip == never.json() | strip
        assert {k: v for k, v in hidden.headers.items() if k != "date"} == {
            k: v for k, v in never.headers.items() if k != "date"
        }


class TestOurOwnFailures:
    @pytest.fixture
    def broken(self, app: FastAPI):
        async def fail() -> None:
            raise RuntimeError("the secret of the house")

        app.add_api_route("/broken", fail)
        yield "/broken"
        app.router.routes.pop()

    async def test_are_logged_with_the_request_id_and_tell_the_client_nothing(self, app, client, broken, caplog):
        with caplog.at_level(logging.ERROR, "trellis"):
            answer = await client.get(f"http://test{broken}", headers={"X-Request-ID": "abc-1"})
        is_problem(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert "Request abc-1 failed." in caplog.text
        assert "the secret of the house" in caplog.text

    async def test_a_database_out_of_reach_is_503_and_says_when_to_come_back(self, app, application, settings):
        from dependency_injector import providers

        from shared.http.routes.mutations import Mutations, change_turns
        from shared.wire.database import Database

        nowhere = settings.model_copy(update={"database_url": "postgresql://trellis:x@127.0.0.1:1/trellis"})
        database = Database(nowhere)
        kernel = application.kernel
        try:
            async with anonymous(app) as client:
                account = {"email": "a@example.com", "password": "correct horse", "full_name": "A"}
                with kernel.database.override(database):
                    application.containers["users"].reset_singletons()
                    mutations = Mutations(
                        database,
                        kernel.authenticator(),
                        kernel.idempotency(),
                        kernel.resources(),
                        change_turns(nowhere),
                        require_if_match=False,
                    )
                    with application.http.mutations.override(providers.Object(mutations)):
                        answer = await client.post("/users", json=account)
        finally:
            await database.close()
            application.containers["users"].reset_singletons()
        problem = is_problem(answer, 503, "unavailable")
        assert problem["retryable"] is True
        assert answer.headers["Retry-After"] == "1"
