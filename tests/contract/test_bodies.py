"""The body of a request: of a kind that is taken, or 415; JSON, or 400 with the place."""

import pytest

from modules.projects.tests.factories import ProjectFactory
from modules.projects.tests.imports import NDJSON, named
from modules.users.tests.factories import PASSWORD
from tests.contract.test_problems import is_problem

JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"


@pytest.fixture
async def project(ann):
    return await ProjectFactory.saved(owner_id=ann.id)


async def sent(caller, method, path, content, *kinds, **headers):
    """The answer to these bytes, with a Content-Type for each kind."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await caller.request(
        method, path, content=content, headers=[*(("Content-Type", kind) for kind in kinds), *named]
    )


WRITES = {
    "POST": ("POST", "/projects"),
    "PATCH": ("PATCH", "/projects/{id}"),
    "PUT": ("PUT", "/projects/by-external-id/x"),
    "a batch": ("POST", "/batch"),
    "a password": ("PUT", "/users/me/password"),
    "a registration": ("POST", "/users"),
}


@pytest.fixture(params=WRITES)
def write(request, project):
    method, path = WRITES[request.param]
    return method, path.format(id=project.id)


class TestAnotherKindThanJson:
    @pytest.mark.parametrize(
        "kinds",
        [
            (),
            ("",),
            ("text/plain",),
            ("application/xml",),
            ("application/jsonx",),
            ("application/vnd.api+json",),
            ("application/json-patch+json",),
            ("application/x-www-form-urlencoded",),
            ("multipart/form-data; boundary=x",),
            ("json",),
            ("application/json, application/json",),
            ("application/json; charset=utf-16",),
            ("application/json; charset=latin1",),
            ("application/json; charset=utf-8; charset=utf-16",),
            ('application/json; charset="',),
            (JSON, JSON),
            (JSON, "text/plain"),
            ("application/json;" * 500,),
        ],
        ids=lambda kinds: "; ".join(kinds)[:40],
    )
    async def test_is_refused_and_told_what_is_taken(self, ann, write, kinds):
        method, path = write
        answer = await sent(ann, method, path, b'{"name": "x"}', *kinds)
        problem = is_problem(answer, 415, "unsupported_media_type")
        taken = f"{MERGE_PATCH}, {JSON}" if method == "PATCH" else JSON
        assert answer.headers["Accept"] == taken
        assert answer.headers.get("Accept-Patch") == (taken if method == "PATCH" else None)
        assert all(kind in problem["detail"] for kind in taken.split(", "))

    async def test_is_a_merge_patch_where_nothing_is_patched(self, ann):
        answer = await sent(ann, "POST", "/projects", b'{"name": "x"}', MERGE_PATCH)
        is_problem(answer, 415, "unsupported_media_type")

    async def test_is_no_matter_to_a_stranger(self, client):
        is_problem(await sent(client, "POST", "/projects", b"x", "text/plain"), 401, "unauthenticated")

    async def test_is_no_matter_where_no_body_is_taken(self, ann, project):
        assert (await sent(ann, "DELETE", f"/projects/{project.id}", b"x", "text/plain")).status_code == 204
        assert (await sent(ann, "POST", f"/projects/{project.id}/restore", b"{", JSON)).status_code == 200


class TestJson:
    @pytest.mark.parametrize(
        "kind",
        [
            *(JSON, "Application/JSON", "application/json;charset=utf-8", 'application/json ; charset="UTF-8"'),
            *("application/json; charset=us-ascii", "application/json;", "application/json; profile=x", f" {JSON}\t"),
            "application/json; charset*=utf-8''utf-8; charset*0=x",
        ],
    )
    async def test_is_taken_with_its_parameters(self, ann, project, kind):
        assert (await sent(ann, "POST", "/projects", b'{"name": "x"}', kind)).status_code == 201
        assert (await sent(ann, "PATCH", f"/projects/{project.id}", b'{"name": "x"}', kind)).status_code == 200

    async def test_may_begin_with_a_byte_order_mark(self, ann):
        """RFC 8259 §8.1: it may be ignored."""
        assert (await sent(ann, "POST", "/projects", b'\xef\xbb\xbf{"name": "x"}', JSON)).status_code == 201

    async def test_has_the_last_of_a_member_that_is_there_twice(self, ann):
        assert (await sent(ann, "POST", "/projects", b'{"name": "a", "name": "b"}', JSON)).json()["name"] == "b"


MALFORMED = {
    "empty": (b"", "line 1 column 1 (char 0)"),
    "truncated": (b'{"name": "x"', "char 12"),
    "followed by more": (b'{"name": "x"} x', "line 1 column 15 (char 14)"),
    "NaN": (b'{"name": NaN}', "char 9"),
    "Infinity": (b'{"name":\n-Infinity}', "line 2 column 1"),
    "too many digits": (b'{"name": ' + b"9" * 5000 + b"}", "char 9"),
    "too deep": (b'{"name": ' + b"[" * 100_000, "too deeply"),
    "no text": (b"\0", "char 0"),
    "Latin 1": (b'{"name": "\xfc"}', "byte 10"),
    "half a character": (b'{"name": "\xed\xa0\x80"}', "byte 10"),
    "UTF-16": ('{"name": "x"}'.encode("utf-16"), "byte 0"),
    "UTF-16 LE": ('{"name": "x"}'.encode("utf-16-le"), "char 1"),
    "UTF-16 BE": ('{"name": "x"}'.encode("utf-16-be"), "char 0"),
    "UTF-32": ('{"name": "x"}'.encode("utf-32"), "byte 0"),
    "UTF-32 BE": ('{"name": "x"}'.encode("utf-32-be"), "char 0"),
}


class TestMalformedJson:
    @pytest.mark.parametrize("what", MALFORMED)
    async def test_is_one_error_with_the_place(self, ann, write, what):
        content, place = MALFORMED[what]
        method, path = write
        problem = is_problem(await sent(ann, method, path, content, JSON), 400, "malformed_body")
        assert place in problem["detail"]
        assert problem["errors"] == [{"pointer": "", "code": "malformed_body", "message": problem["detail"]}]

    async def test_changes_nothing_and_is_not_echoed(self, ann):
        answer = await sent(ann, "POST", "/projects", b'{"name": "hunter2"', JSON, Idempotency_Key="k")
        is_problem(answer, 400, "malformed_body")
        assert "hunter2" not in answer.text
        assert (await sent(ann, "POST", "/projects", b'{"name": "x"}', JSON, Idempotency_Key="k")).status_code == 201

    async def test_is_not_what_is_no_object(self, ann):
        for content in (b"null", b"[]", b"1e999", b'"x"'):
            is_problem(await sent(ann, "POST", "/projects", content, JSON), 422, "invalid_input")

    async def test_is_not_a_body_that_is_not_there(self, ann):
        for answer in (await ann.post("/projects"), await ann.patch("/users/me")):
            problem = is_problem(answer, 422, "invalid_input")
            assert [error["code"] for error in problem["errors"]] == ["missing"]

    async def test_is_missed_beside_what_else_is_wrong(self, ann):
        """Of the path, for one."""
        errors = (await ann.patch("/projects/x")).json()["errors"]
        assert [error.get("parameter", error.get("pointer")) for error in errors] == ["project_id", ""]

    async def test_is_nothing_that_a_batch_makes_of_an_operation_without_one(self, ann):
        answer = await ann.post("/batch", json={"operations": [{"method": "POST", "path": "/projects"}]})
        assert is_problem(answer, 422, "batch_failed")["problem"]["code"] == "invalid_input"


class TestACoding:
    @pytest.mark.parametrize("coding", ["gzip", "br", "GZIP, identity", "identity, deflate", "x"])
    async def test_is_refused(self, ann, coding):
        answers = [
            await sent(ann, "POST", "/projects", b'{"name": "x"}', JSON, Content_Encoding=coding),
            await sent(ann, "POST", "/projects/import", named("x"), NDJSON, Content_Encoding=coding),
        ]
        for answer in answers:
            is_problem(answer, 415, "unsupported_media_type")
            assert answer.headers["Accept-Encoding"] == "identity"
            assert "Accept" not in answer.headers

    @pytest.mark.parametrize("coding", ["identity", "IDENTITY", "", "identity, identity"])
    async def test_that_is_none_is_fine(self, ann, coding):
        assert (await sent(ann, "POST", "/projects", b'{"name": "x"}', JSON, Content_Encoding=coding)).is_success
        assert (await sent(ann, "POST", "/projects/import", named("x"), NDJSON, Content_Encoding=coding)).is_success


class TestAnImport:
    async def test_names_what_it_takes(self, ann):
        answer = await sent(ann, "POST", "/projects/import", b"", "text/plain")
        is_problem(answer, 415, "unsupported_media_type")
        assert answer.headers["Accept"] == "application/x-ndjson, text/csv"

    @pytest.mark.parametrize(
        "more", ["charset*=utf-8''utf-8; charset*0=x", "charset*0*=x; charset*1*=y", "*=", "charset*1*=x", 'x="a\\"b"']
    )
    async def test_takes_no_notice_of_the_parameters_of_mail(self, ann, more):
        answer = await sent(ann, "POST", "/projects/import", b"name\nx\n", f"text/csv; {more}")
        assert answer.status_code in {200, 415}
        assert answer.status_code == (415 if more == "*=" else 200)

    async def test_takes_another_charset_by_no_spelling(self, ann):
        for charset in ("latin1", '"utf-16"', "utf-8; charset=latin1", "UTF-7", '""'):
            answer = await sent(ann, "POST", "/projects/import", b"name\nx\n", f"text/csv; charset={charset}")
            is_problem(answer, 415, "unsupported_media_type")


class TestAForm:
    """What OAuth takes; whatever else it is told, it answers as RFC 6749 §5.2 has it."""

    @pytest.mark.parametrize(
        "kind",
        [
            *(
                "",
                "text/plain",
                JSON,
                "multipart/form-data",
                'multipart/form-data; boundary="',
                "multipart/form-data;x",
            ),
            *(
                "application/x-www-form-urlencoded; charset*=utf-8''x; charset*0=x",
                ";",
                "multipart/form-data; boundary=é",
            ),
            "multipart/form-data; boundary*=x; boundary*0=y; charset*0=x; charset*=y",
            "multipart/form-data; boundary=x; charset=nonsense",
        ],
    )
    async def test_of_any_kind_is_answered(self, client, ann, kind):
        form = f"grant_type=password&username=ann@example.com&password={PASSWORD.replace(' ', '+')}".encode()
        headers = {b"Content-Type": kind.encode("latin-1")}
        answer = await client.post("/auth/token", content=form, headers=headers)
        assert answer.status_code in {200, 400, 415}, answer.text
        assert answer.status_code == 200 or answer.headers["Content-Type"] == "application/problem+json"


class TestOpenApi:
    async def test_tells_of_both_kinds_of_a_patch(self, client):
        paths = (await client.get("http://test/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            for method, operation in operations.items():
                kinds = operation.get("requestBody", {}).get("content", {}).keys()
                if JSON in kinds:
                    assert kinds == ({JSON, MERGE_PATCH} if method == "patch" else {JSON}), (method, path)
