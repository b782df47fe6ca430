"""What the OpenAPI document tells of a list: its own filters, sorts and fields, each as a parameter with a type."""

import pytest

from tests.contract.test_filters import EVERY_FIELD, FIELDS
from tests.contract.test_sorting import SORTS
from tests.contract.test_views import FIELDS as SHOWN

INCLUDES = {"/projects": ["owner", "members", "allowed_actions"]}
SINGLE = {
    "/projects/{project_id}": "/projects",
    "/tags/{tag_id}": "/tags",
    "/users/{user_id}": "/users",
    "/users/me": "/users",
}


@pytest.fixture
async def parameters(client):
    """The query parameters of a GET, by name."""
    document = (await client.get("http://test/openapi.json")).json()

    def of(path):
        found = [p for p in document["paths"][f"/api/v1{path}"]["get"]["parameters"] if p["in"] == "query"]
        assert len({p["name"] for p in found}) == len(found)
        return {parameter["name"]: parameter for parameter in found}

    return of


def words(parameter):
    """The words of a list that is given with commas between them (OpenAPI 3.1, style form without explode)."""
    schema = parameter["schema"]
    assert schema["type"] == "array", f"{parameter['name']} is free-form: {schema}"
    assert parameter.get("style", "form") == "form"
    assert parameter["explode"] is False
    return schema["items"]["enum"]


def type_of(parameter):
    schema = parameter["schema"]
    return schema.get("format") or schema["type"]


class TestAList:
    @pytest.mark.parametrize("path", FIELDS)
    async def test_tells_of_just_the_parameters_it_takes(self, parameters, path):
        filters = {
            field if operator == "eq" else f"{field}[{operator}]"
            for field, operators in FIELDS[path].items()
            for operator in operators
        }
        paging = {"limit", "cursor", "sort", "q", "count", "deleted", "fields", "include"}
        custom = {"tag"} if path == "/projects" else set()
        assert parameters(path).keys() == filters | paging | custom

    @pytest.mark.parametrize("path", FIELDS)
    async def test_takes_every_parameter_it_tells_of(self, admin, parameters, path):
        example = {
            "integer": "5",
            "boolean": "true",
            "date": "2026-01-01",
            "date-time": "2026-01-01T00:00:00Z",
            "string": "x",
        }
        example |= {"uuid": "00000000-0000-0000-0000-000000000000"}
        for name, parameter in parameters(path).items():
            schema = parameter["schema"].get("items", parameter["schema"])
            kind = schema.get("format") or schema.get("type", "string")
            value = schema["enum"][0] if "enum" in schema else example[kind]
            answer = await admin.get(path, params={name: value, **({"q": "x"} if "relevance" in value else {})})
            if name not in {"cursor", "sort", "fields", "include"} and not name.endswith("[in]"):
                assert answer.status_code == 200, (name, value, answer.text)

    @pytest.mark.parametrize("path", FIELDS)
    async def test_requires_none_and_tells_what_each_is_for(self, parameters, path):
        for parameter in parameters(path).values():
            assert parameter.get("required", False) is False
            assert parameter["description"].endswith(".")
            assert parameter["schema"], parameter["name"]

    @pytest.mark.parametrize(("path", "field"), EVERY_FIELD)
    async def test_gives_a_filter_the_type_of_its_field(self, parameters, path, field):
        kind = {"id": "uuid", "owner_id": "uuid", "is_active": "boolean", "email_verified": "boolean"}.get(
            field, "string"
        )
        kind = {"created_at": "date-time", "updated_at": "date-time", "starts_on": "date", "due_on": "date"}.get(
            field, kind
        )
        found = parameters(path)
        for operator in set(FIELDS[path][field]) - {"in"}:
            assert type_of(found[field if operator == "eq" else f"{field}[{operator}]"]) == kind

    @pytest.mark.parametrize("path", FIELDS)
    async def test_gives_several_values_of_a_filter_as_a_list_of_its_type(self, parameters, path):
        found = parameters(path)
        for field in FIELDS[path]:
            one, several = found[field], found[f"{field}[in]"]
            assert several["schema"]["type"] == "array", f"{field}[in] is free-form: {several['schema']}"
            assert several["explode"] is False
            assert type_of({"schema": several["schema"]["items"]}) == type_of(one)

    async def test_names_the_values_of_a_choice(self, parameters):
        statuses = ["active", "paused", "completed", "archived"]
        for operator in ("", "[ne]"):
            assert parameters("/projects")[f"status{operator}"]["schema"]["enum"] == statuses
            assert parameters("/users")[f"role{operator}"]["schema"]["enum"] == ["user", "admin"]

    @pytest.mark.parametrize("path", SORTS)
    async def test_names_what_it_sorts_by(self, parameters, path):
        found = parameters(path)["sort"]
        assert set(words(found)) == {sign + name for name in SORTS[path] for sign in ("", "-")} | {"-relevance"}

    @pytest.mark.parametrize("path", FIELDS)
    async def test_has_choices_and_bounds(self, parameters, path):
        found = parameters(path)
        assert set(found["count"]["schema"]["enum"]) == {"none", "estimated", "exact"}
        assert found["count"]["schema"]["default"] == "none"
        assert set(found["deleted"]["schema"]["enum"]) == {"exclude", "only", "include"}
        limit = found["limit"]["schema"]
        assert (limit["type"], limit["minimum"], limit["default"]) == ("integer", 1, 20)
        assert "maximum" not in limit  # More is coerced.
        assert found["q"]["schema"]["maxLength"] == 200

    async def test_tells_that_a_tag_can_be_repeated(self, parameters):
        tag = parameters("/projects")["tag"]
        assert (tag["schema"]["type"], tag["schema"]["items"]["type"], tag["explode"]) == ("array", "string", True)

    async def test_of_members_is_paged_and_counted_alone(self, parameters):
        found = parameters("/projects/{project_id}/members")
        assert found.keys() == {"limit", "cursor", "count", "fields"}


class TestAnyRead:
    @pytest.mark.parametrize("path", [*FIELDS, *SINGLE])
    async def test_names_the_fields_that_can_be_chosen(self, parameters, path):
        resource = SINGLE.get(path, path)
        assert words(parameters(path)["fields"]) == SHOWN[resource]

    @pytest.mark.parametrize("path", [*FIELDS, *SINGLE])
    async def test_names_what_can_be_embedded(self, parameters, path):
        found = parameters(path)
        assert words(found["include"]) == INCLUDES.get(SINGLE.get(path, path), ["allowed_actions"])

    @pytest.mark.parametrize("path", SINGLE)
    async def test_of_one_document_has_no_other_parameter(self, parameters, path):
        assert parameters(path).keys() <= {"fields", "include"}

    async def test_that_is_conditional_tells_of_304(self, client):
        paths = (await client.get("http://test/openapi.json")).json()["paths"]
        for path in (*FIELDS, *SINGLE):
            responses = paths[f"/api/v1{path}"]["get"]["responses"]
            assert "304" in responses, path
        assert "304" not in paths["/api/v1/projects/export"]["get"]["responses"]
