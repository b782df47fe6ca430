"""The words of the OpenAPI document: every operation, parameter and field says what it is for, and has a name."""

import re

import pytest

from tests.contract.described import DOCUMENT, OPERATIONS, SCHEMAS, example_of

SENTENCE = re.compile(r"[A-Z`\d].+[.…`]", re.DOTALL)
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
FIELDS = [(name, field) for name, schema in SCHEMAS.items() for field in schema.get("properties", ())]
PARAMETERS = [(one, name) for one in OPERATIONS for name in one.parameters("path", "query", "header")]


class TestEveryOperation:
    @pytest.mark.parametrize("operation", OPERATIONS, ids=str)
    def test_has_a_summary_that_says_something(self, operation):
        summary = operation.told["summary"]
        assert len(summary.split()) > 1
        assert not summary.endswith(".")
        assert summary.lower().replace(" ", "_") not in operation.id
        assert SENTENCE.fullmatch(operation.told["description"])

    def test_has_a_summary_of_its_own(self):
        summaries = [one.told["summary"] for one in OPERATIONS]
        assert sorted(summaries) == sorted(set(summaries))

    @pytest.mark.parametrize("operation", OPERATIONS, ids=str)
    def test_is_in_a_group_and_says_who_may_call_it(self, operation):
        groups = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
        assert all(SENTENCE.fullmatch(groups[tag]) for tag in operation.told["tags"])
        assert len(operation.told["tags"]) == 1
        assert operation.is_public or operation.told["security"][0] == {"OAuth2PasswordBearer": []}

    @pytest.mark.parametrize("operation", [one for one in OPERATIONS if not one.is_public], ids=str)
    def test_says_whether_a_key_may_call_it_and_with_which_scope(self, operation):
        """Of a batch and of the feed, each part has its own."""
        group = operation.told["tags"][0]
        expected = [[f"{group.replace('-', '_')}:{'read' if operation.method == 'GET' else 'write'}"]]
        if group in {"batch", "changes"}:
            expected = [[]]
        elif operation.path.startswith("/api/v1/auth") or (group == "users" and operation.method != "GET"):
            expected = []
        assert [one["ApiKey"] for one in operation.told["security"][1:]] == expected
        codes = str(operation.told["responses"]["403"]) if "403" in operation.told["responses"] else ""
        assert ("insufficient_scope" in codes, "key_refused" in codes) == (expected not in ([], [[]]), not expected)

    @pytest.mark.parametrize("operation", OPERATIONS, ids=str)
    def test_tells_of_the_requests_id_in_every_answer(self, operation):
        for answer in operation.told["responses"].values():
            assert "X-Request-ID" in answer["headers"]
            assert answer["description"] not in {"", "Successful Response"}

    @pytest.mark.parametrize("operation", OPERATIONS, ids=str)
    def test_tells_what_each_content_is(self, operation):
        for answer in operation.told["responses"].values():
            assert all(content.get("schema") for content in answer.get("content", {}).values())

    async def test_without_credentials_is_public_where_it_says_so(self, client):
        for one in OPERATIONS:
            path = re.sub(r"\{\w+\}", "017f22e2-79b0-7cc3-98c4-dc0c0c07398f", one.path)
            status = (await client.request(one.method, f"http://test{path}")).status_code
            assert (status == 401) != one.is_public, one.id


class TestEveryParameter:
    @pytest.mark.parametrize(("operation", "name"), PARAMETERS, ids=str)
    def test_has_a_sentence_and_an_example(self, operation, name):
        parameter = operation.parameters("path", "query", "header")[name]
        assert SENTENCE.fullmatch(parameter["description"])
        # A cursor is signed, and bound to its list and its caller: no example of one would be accepted.
        assert (example_of(parameter) is None) == (name == "cursor")

    def test_that_is_an_id_in_a_path_has_a_uuid7_as_its_example(self):
        for operation in OPERATIONS:
            for parameter in operation.parameters("path").values():
                if parameter["schema"].get("format") == "uuid":
                    assert UUID7.fullmatch(parameter["example"])


class TestEverySchema:
    @pytest.mark.parametrize(("name", "field"), FIELDS, ids=str)
    def test_has_a_sentence_for_each_field(self, name, field):
        assert SENTENCE.fullmatch(SCHEMAS[name]["properties"][field].get("description", ""))

    @pytest.mark.parametrize("name", SCHEMAS)
    def test_has_a_name_of_its_own_and_a_sentence(self, name):
        """Generators make classes of names and titles, so two of the same one would be one class."""
        assert re.fullmatch("[A-Z][A-Za-z0-9]*", name)
        assert SCHEMAS[name]["title"] == name
        assert SENTENCE.fullmatch(SCHEMAS[name]["description"])

    @pytest.mark.parametrize("name", SCHEMAS)
    def test_has_no_title_within(self, name):
        assert "'title': '" not in str({**SCHEMAS[name], "title": None})

    @pytest.mark.needs("projects")
    def test_names_an_enumeration_of_a_module_after_it(self):
        """So that its name stays when another module has one of the same name."""
        assert SCHEMAS["UsersRole"]["enum"] == ["user", "admin"]
        assert SCHEMAS["ProjectsRole"]["enum"] == ["viewer", "editor", "owner"]


class TestTheDocument:
    def test_names_the_server(self):
        assert DOCUMENT["servers"] == [{"url": "/", "description": "This server."}]

    def test_describes_each_header_once(self):
        for name, header in DOCUMENT["components"]["headers"].items():
            assert SENTENCE.fullmatch(header["description"]), name

    def test_has_no_password_of_asterisks(self):
        """Swagger makes one up for a password that has no example, and so registers somebody with it."""
        assert "*****" not in str(DOCUMENT)
        for schema in SCHEMAS.values():
            for field in schema.get("properties", {}).values():
                assert field.get("format") != "password" or field["examples"]
