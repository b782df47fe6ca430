"""What may be in a batch, what may not, and that nothing a client can send is a failure of ours."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.tags.tests.factories import TagFactory
from tests.contract.batches import TAG, done, failed, refused, run
from tests.contract.test_problems import is_problem

pytestmark = pytest.mark.needs("projects")


class TestWhatCannotBePart:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/batch"),
            ("POST", "/auth/token"),
            ("POST", "/auth/revoke"),
            ("POST", "/users"),
            ("PUT", "/users/me/password"),
            ("POST", "/projects/import"),
            ("POST", "/tags?dry_run=true"),
            ("POST", "/tags?x=1&dry%5Frun"),
        ],
    )
    async def test_is_named_before_anything_is_done(self, ann, method, path):
        answer = await run(ann, TAG | {"body": {}}, {"method": method, "path": path, "body": {}})
        assert refused(answer, "/operations/1/path") == "not_in_batch"

    async def test_is_named_though_a_reference_brought_it_in(self, ann):
        tag = TAG | {"body": {"name": "dry_run"}}
        assert refused(await run(ann, tag, TAG | {"path": "/tags?{/0/name}"}), "/operations/1/path") == "not_in_batch"
        tag = TAG | {"body": {"name": "batch"}}
        assert refused(await run(ann, tag, TAG | {"path": "/{/0/name}"}), "/operations/1/path") == "not_in_batch"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "post", "", None, 1])
    async def test_is_a_method_that_changes_nothing(self, ann, method):
        refused(await run(ann, TAG, {"method": method, "path": "/tags"}), "/operations/1/method")


class TestBodies:
    @pytest.mark.parametrize(
        "path", ["", "tags", "https://example.com/tags", "/tags#x", "/\0", "/" + "x" * 2000, None, 1]
    )
    async def test_a_path_that_is_none_is_named(self, ann, path):
        refused(await run(ann, TAG, {"method": "POST", "path": path}), "/operations/1/path")

    @pytest.mark.parametrize("if_match", ["", "ü", '"1-"\r\nX: y', "\0", "x" * 1001, 1])
    async def test_an_etag_that_is_no_header_is_named(self, ann, if_match):
        refused(await run(ann, TAG | {"if_match": if_match}), "/operations/0/if_match")

    @pytest.mark.parametrize("body", [[], "x", 1, True])
    async def test_a_body_that_is_no_object_is_named(self, ann, body):
        refused(await run(ann, TAG | {"body": body}), "/operations/0/body")

    @pytest.mark.parametrize("number", [0, 101])
    async def test_none_or_too_many_operations_are_refused(self, ann, number):
        assert refused(await run(ann, *[TAG] * number), "/operations").startswith("too_")

    async def test_an_unknown_field_is_refused(self, ann):
        refused(await run(ann, TAG | {"headers": {}}), "/operations/0/headers")
        refused(await ann.post("/batch", json={"operations": [TAG], "atomic": True}), "/atomic")

    async def test_a_missing_body_is_the_operations_own_matter(self, ann):
        failed(await run(ann, {"method": "POST", "path": "/tags"}), 422, 0, "invalid_input")

    async def test_a_body_that_nothing_is_asked_of_does_no_harm(self, ann):
        tag = await TagFactory.saved(owner_id=ann.id)
        await done(ann, {"method": "DELETE", "path": f"/tags/{tag.id}", "body": {"x": 1}})

    @pytest.mark.parametrize("depth", [70, 300, 900, 5000, 200_000])
    async def test_one_that_is_nested_deeply_is_refused(self, ann, depth):
        body = '{"operations":[{"method":"POST","path":"/tags","body":{"name":%s}}]}' % ("[" * depth + "]" * depth)
        answer = await ann.post("/batch", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, answer.text

    async def test_one_whose_names_are_long_is_answered_at_once(self, ann):
        body = {"x" * 400_000: [0] * 100_000 + [{"$ref": 1}]}
        problem = is_problem(await run(ann, TAG | {"body": body}), 422, "invalid_input")
        assert len(problem["errors"][0]["pointer"]) < 300

    async def test_one_with_half_a_character_is_refused(self, ann):
        for body in (
            '{"name": "\\ud800"}',
            '{"\\ud800": 1}',
            '{"name": {"$ref": "/0/\\ud800"}}',
            '{"\\ud800": {"$ref": 1}}',
        ):
            content = '{"operations":[{"method":"POST","path":"/tags","body":' + body + "}]}"
            answer = await ann.post("/batch", content=content, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, answer.text

    async def test_one_with_half_a_character_in_its_path_is_refused(self, ann):
        content = '{"operations":[{"method":"POST","path":"/\\ud800"}]}'
        answer = await ann.post("/batch", content=content, headers={"Content-Type": "application/json"})
        refused(answer, "/operations/0/path")

    LEAVES = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 70), 1 << 70),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(
            ["/tags", "/projects", "/projects/{/0/id}", "/tags/{/0/slug}?x={/0/id}", "/0/id", "POST", "PUT"]
        ),
    )
    VALUES = st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["$ref", "name", "tag_ids", "operations", "x"]), inner, max_size=3),
        ),
        max_leaves=8,
    )
    PATHS = st.one_of(
        LEAVES,
        st.builds(
            "/{}{}".format, st.sampled_from(["tags", "projects", "users/me", "auth/token", ""]), st.text(max_size=12)
        ),
        st.text(st.sampled_from("/{}0~?#%&=.:é\n id"), max_size=12).map("/projects/{}".format),
    )
    OPERATIONS = st.fixed_dictionaries(
        {"method": st.one_of(st.sampled_from(["POST", "PATCH", "PUT", "DELETE"]), LEAVES), "path": PATHS},
        optional={"body": VALUES, "if_match": st.one_of(LEAVES, st.text(st.characters(max_codepoint=300)))},
    )
    BATCHES = st.one_of(
        st.fixed_dictionaries({"operations": st.lists(OPERATIONS, max_size=3)}),
        VALUES,
        st.fixed_dictionaries({"operations": st.lists(OPERATIONS, max_size=2).map(lambda more: [TAG, *more])}),
    )

    @settings(max_examples=300)
    @given(batch=BATCHES)
    async def test_nothing_that_can_be_sent_is_a_failure_of_ours(self, ann, batch):
        content = json.dumps(batch).encode()
        answer = await ann.post("/batch", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, answer.text


class TestOpenApi:
    async def test_tells_of_the_request_and_the_answer_by_example(self, client):
        document = (await client.get("http://test/openapi.json")).json()
        operation = document["paths"]["/api/v1/batch"]["post"]
        assert operation["operationId"] == "batch_run"
        assert {parameter["name"] for parameter in operation["parameters"]} == {"Idempotency-Key", "dry_run"}
        schemas = document["components"]["schemas"]
        assert schemas["Batch"]["examples"]
        assert schemas["BatchResults"]["examples"]
        assert schemas["Operation"]["properties"]["method"]["enum"] == ["POST", "PATCH", "PUT", "DELETE"]

    async def test_the_example_works(self, ann, client):
        document = (await client.get("http://test/openapi.json")).json()
        (example,) = document["components"]["schemas"]["Batch"]["examples"]
        await done(ann, *example["operations"])
