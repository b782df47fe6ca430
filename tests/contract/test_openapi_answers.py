"""The OpenAPI document and real answers: each operation is asked by its own examples, and answers as it is described.

The tests run over every operation that there is, so those of a new module are held to it, too.
"""

import pytest

from shared.manifest import discover
from shared.rows.models import Model
from tests.contract.described import DOCUMENT, OPERATIONS, SCHEMAS, Reader, example_of, misfits, written

EVERYWHERE = {
    *("content-type", "content-length", "content-security-policy", "cross-origin-resource-policy"),
    *("referrer-policy", "x-content-type-options", "x-frame-options"),
}
"""Headers of every answer, which tell a client of the API nothing."""
SOMETIMES = {"ratelimit", "ratelimit-policy", "content-encoding", "link", "idempotency-replayed", "preference-applied"}
"""Headers that depend on the request, or on what there is."""

# The example of a batch is about projects. Without them, it is nobody's.
EXAMPLES = [one for one in OPERATIONS if one.id != "batch_run" or "/api/v1/projects" in DOCUMENT["paths"]]
REQUESTS = [(one, kind) for one in EXAMPLES for kind in [*one.bodies] or [""]]
CHANGES = [one for one in EXAMPLES if one.method != "GET"]
WITH_DOCUMENTS = [one for one in CHANGES if "Prefer" in one.parameters("header")]
READS = [one for one in OPERATIONS if one.method == "GET"]
CONDITIONAL = [one for one in READS if "304" in one.told["responses"]]
WISHES = [(one, name) for one in CHANGES for name in one.parameters("query", "header")]


@pytest.fixture
def reader(keeping_app, database, admin):
    """Where mail is kept: what mails is done, and a registration makes an account at once."""
    return Reader(keeping_app, database, admin)


def described(operation, answer):
    """How the document describes the answer. Fails where it does not, or otherwise."""
    assert answer.is_success or answer.status_code == 304, (answer.status_code, answer.text)
    told = operation.told["responses"][str(answer.status_code)]
    headers = {name.lower() for name in told["headers"]}
    assert headers - SOMETIMES <= {*answer.headers.keys()} - EVERYWHERE <= headers
    content = told.get("content", {})
    if not answer.content:
        assert not content or answer.headers.get("Preference-Applied") or answer.headers["Content-Disposition"]
        return told
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in content
    if kind == "application/json":
        assert [*misfits(content[kind]["schema"], answer.json())] == []
    return told


def given(parameter):
    """What a request has of the example of a parameter."""
    places = {"query": "params", "header": "headers"}
    return {places[parameter["in"]]: {parameter["name"]: written(example_of(parameter))}}


class TestAnExample:
    @pytest.mark.parametrize(("operation", "media_type"), REQUESTS, ids=str)
    async def test_is_accepted_as_it_stands_and_answered_as_described(self, reader, operation, media_type):
        described(operation, await reader.request(operation, media_type))

    @pytest.mark.parametrize("operation", READS, ids=str)
    async def test_of_each_parameter_of_a_read_is_accepted(self, reader, operation):
        answer = await reader.request(operation)
        for name, parameter in operation.parameters("query", "header").items():
            if name != "cursor":  # It has none.
                described(operation, await reader.again(operation, answer, **given(parameter)))

    @pytest.mark.parametrize(("operation", "name"), WISHES, ids=str)
    async def test_of_a_parameter_of_a_change_is_accepted(self, reader, operation, name):
        more = given(operation.parameters("query", "header")[name])
        if (operation.method, name) == ("PUT", "If-Match"):  # `*` demands that it is there.
            answer = await reader.again(operation, await reader.request(operation), **more)
        else:
            answer = await reader.request(operation, **more)
        described(operation, answer)


class TestAChange:
    @pytest.mark.parametrize("operation", WITH_DOCUMENTS, ids=str)
    async def test_is_minimal_if_preferred(self, reader, operation):
        answer = await reader.request(operation, headers={"Prefer": "return=minimal"})
        assert (answer.content, answer.headers["Preference-Applied"]) == (b"", "return=minimal")
        assert "Preference-Applied" in described(operation, answer)["headers"]

    @pytest.mark.parametrize("operation", CHANGES, ids=str)
    async def test_has_a_minimal_answer_only_where_it_says_so(self, reader, operation):
        answer = await reader.request(operation, headers={"Prefer": "return=minimal"})
        assert ("Preference-Applied" in answer.headers) == (operation in WITH_DOCUMENTS)

    @pytest.mark.parametrize("operation", CHANGES, ids=str)
    async def test_is_repeated_under_a_key_only_where_it_takes_one(self, reader, operation):
        takes = "Idempotency-Key" in operation.parameters("header")
        first = await reader.request(operation, headers={"Idempotency-Key": "k"})
        again = await reader.again(operation, first, headers={"Idempotency-Key": "k"})
        if again.status_code == 401:  # The change has ended the caller's own session.
            return
        assert (again.headers.get("Idempotency-Replayed") == "true") == takes
        if takes:
            described(operation, again)

    @pytest.mark.parametrize("operation", CHANGES, ids=str)
    async def test_is_tried_out_only_where_it_takes_a_dry_run(self, reader, operation):
        answer = await reader.request(operation, params={"dry_run": "true"})
        assert answer.is_success == ("dry_run" in operation.parameters("query"))

    @pytest.mark.parametrize("operation", [one for one in CHANGES if "If-Match" in one.parameters("header")], ids=str)
    async def test_compares_the_version_where_it_takes_one(self, reader, operation):
        refused = await reader.request(operation, headers={"If-Match": '"99-"'})
        assert refused.json()["code"] in {"version_mismatch", "precondition_failed"}


class TestARead:
    @pytest.mark.parametrize("operation", CONDITIONAL, ids=str)
    async def test_is_conditional_where_it_says_so(self, reader, operation):
        assert "If-None-Match" in operation.parameters("header")
        answer = await reader.request(operation)
        same = await reader.again(operation, answer, headers={"If-None-Match": answer.headers["ETag"]})
        assert (same.status_code, same.content) == (304, b"")
        described(operation, same)

    @pytest.mark.parametrize("operation", [one for one in READS if one not in CONDITIONAL], ids=str)
    async def test_takes_no_condition_elsewhere(self, reader, operation):
        assert "If-None-Match" not in operation.parameters("header")
        assert (await reader.request(operation, headers={"If-None-Match": "*"})).status_code == 200

    @pytest.mark.parametrize("operation", [one for one in READS if "fields" in one.parameters("query")], ids=str)
    async def test_may_leave_out_every_member(self, reader, operation):
        name = operation.parameters("query")["fields"]["schema"]["items"]["enum"][-1]
        described(operation, await reader.request(operation, params={"fields": name}))
        schema = operation.told["responses"]["200"]["content"].get("application/json", {}).get("schema")
        if schema is not None:
            shown = SCHEMAS[schema["$ref"].rpartition("/")[2]]
            if "items" in shown["properties"]:
                shown = SCHEMAS[shown["properties"]["items"]["items"]["$ref"].rpartition("/")[2]]
            assert "required" not in shown


@pytest.mark.needs("projects")
class TestRowsThatThereAre:
    """The examples make rows that are young: these have a past."""

    @pytest.fixture
    async def project(self, admin, bob):
        from modules.projects.tests.factories import MemberFactory, ProjectFactory
        from tests.contract.reading import NOON

        project = await ProjectFactory.saved(owner_id=admin.id)
        await admin.patch(f"/projects/{project.id}", json={"name": "renamed", "due_on": "2027-01-01"})
        await MemberFactory.saved(project_id=project.id, user_id=bob.id, role="editor")
        invitation = {"email": "ada@example.com", "role": "viewer"}
        assert (await admin.post(f"/projects/{project.id}/invitations", json=invitation)).status_code == 201
        tag = (await admin.post("/tags", json={"name": "a tag"})).json()
        await admin.put(f"/projects/{project.id}/tags/{tag['id']}")
        await admin.delete(f"/projects/{project.id}")
        await admin.post(f"/projects/{project.id}/restore")
        await admin.delete(f"/projects/{(await ProjectFactory.saved(owner_id=admin.id, deleted_at=NOON)).id}")
        return project

    @pytest.mark.parametrize(
        "path",
        [
            *("/projects", "/projects?deleted=include", "/projects?deleted=only&fields=id", "/tags", "/users"),
            *("/projects?include=owner,members&count=exact", "/journal", "/projects/{id}/history"),
            *(
                "/projects/{id}",
                "/projects/{id}/members",
                "/projects/{id}/invitations",
                "/users/{user}/history",
                "/tags?deleted=include",
            ),
        ],
    )
    async def test_are_described(self, admin, project, path):
        answer = await admin.get(path.format(id=project.id, user=admin.id))
        template = path.partition("?")[0].format(id="{project_id}", user="{user_id}")
        operation = next(one for one in OPERATIONS if (one.method, one.path) == ("GET", f"/api/v1{template}"))
        described(operation, answer)
        rows = answer.json().get("items", [answer.json()])
        assert rows
        assert all(("purge_at" in row) == ("deleted=" in path) for row in rows)


class TestNames:
    def test_of_resources_and_parts_are_those_of_the_modules_and_open(self):
        change = SCHEMAS["ChangeRead"]["properties"]
        resources = {resource.resource() for module in discover() for resource in module.resources}
        assert change["resource"]["x-extensible-enum"] == sorted(resources)
        assert {"users"} < resources
        parts = change["part"]["anyOf"][0].get("x-extensible-enum", [])
        assert parts == sorted(parts)
        assert {*parts} <= Model.metadata.tables.keys() - resources
        assert "enum" not in change["resource"]

    def test_of_columns_in_a_history_have_their_types_and_no_secret(self):
        values = SCHEMAS["UsersValues"]["properties"]
        assert values["role"]["enum"] == ["user", "admin"]
        assert values["created_at"]["format"] == "date-time"
        assert "password_hash" not in values
        assert "search" not in values


@pytest.mark.needs("projects")
class TestABatch:
    def test_tells_what_can_be_part_of_it(self):
        """Its bodies are of no schema: a reference may stand anywhere in them."""
        (batch,) = [one for one in OPERATIONS if one.id == "batch_run"]
        told = batch.told["description"]
        assert "- `POST /tags`, whose body is a `TagCreate`\n" in told
        assert "- `PUT /projects/{project_id}/tags/{tag_id}`" in told
        for other in (
            "/users`",
            "/users/me/password",
            "/projects/import",
            "/auth/token",
            "/auth/sessions",
            "/auth/keys",
            "/batch",
        ):
            assert other not in told


class TestAPathWithoutParameters:
    @pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if "{" not in path])
    async def test_refuses_other_methods_and_names_its_own(self, admin, path):
        own = {one.method for one in OPERATIONS if one.path == path}
        allowed = ", ".join(sorted(own | ({"HEAD"} if "GET" in own else set())))
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - own:
            refused = await admin.request(method, f"http://test{path}")
            # QUERY is not among the methods that OpenAPI 3.1 knows.
            assert (refused.status_code, refused.headers["Allow"].removesuffix(", QUERY")) == (405, allowed), method


class TestAParameter:
    @pytest.mark.parametrize("operation", READS, ids=str)
    async def test_that_is_a_truth_is_true_or_false(self, reader, operation):
        answer = await reader.request(operation)
        for name, parameter in operation.parameters("query").items():
            if parameter["schema"].get("items", parameter["schema"]).get("type") == "boolean":
                for value in ("yes", "1", "on", "TRUE", "t"):
                    refused = await reader.again(operation, answer, params={name: value})
                    assert refused.status_code == 422, (name, value)

    @pytest.mark.parametrize("operation", READS, ids=str)
    async def test_that_is_empty_is_refused_where_the_schema_refuses_it(self, reader, operation):
        answer = await reader.request(operation)
        for name, parameter in operation.parameters("query").items():
            schema = parameter["schema"]
            is_text = schema.get("items", schema).get("type") == "string"
            takes = (
                is_text and not {"enum", "format"} & schema.get("items", schema).keys() and "minLength" not in schema
            )
            empty = await reader.again(operation, answer, params={name: ""})
            assert empty.is_success == takes, (name, empty.text)
