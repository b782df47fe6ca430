"""Which operations answer which problem: read from any document that names codes, and told on the problem's page."""

from typing import Any

from fastapi import FastAPI

from app.pages.operations import operations_by_code
from app.pages.pages import Pages


def document(**answers):
    schemas = {
        "Gone": {"properties": {"code": {"const": "gone"}}},
        "Refused": {
            "properties": {
                "code": {"enum": ["forbidden", "not_found"]},
                "cause": {"$ref": "#/components/schemas/Refused"},
            }
        },
    }
    responses: dict[str, Any] = {
        "Busy": {"content": {"application/problem+json": {"examples": {"unavailable": {"value": {}}}}}}
    }
    operations = {
        name: {"operationId": name, "tags": ["a"], "summary": "Do.", "responses": found}
        for name, found in answers.items()
    }
    return {
        "paths": {f"/{name}": {"get": operation, "parameters": []} for name, operation in operations.items()},
        "components": {"schemas": schemas, "responses": responses},
    }


def answer(schema, **rest):
    return {"description": "No.", "content": {"application/problem+json": {"schema": schema, **rest}}}


def named(**answers):
    return {
        code: [operation.id for operation in found] for code, found in operations_by_code(document(**answers)).items()
    }


class TestACode:
    def test_is_found_in_enumerations_constants_and_references(self):
        """Also where a schema refers to itself."""
        gone, refused = ({"$ref": f"#/components/schemas/{name}"} for name in ("Gone", "Refused"))
        assert named(one={"404": answer({"oneOf": [gone, refused]})}, two={"410": answer(gone)}) == {
            "gone": ["one", "two"],
            "forbidden": ["one"],
            "not_found": ["one"],
        }

    def test_is_found_in_examples_and_in_answers_that_are_shared(self):
        example = {"example": {"code": "slug_taken", "detail": "Taken."}}
        assert named(one={"409": answer({}, **example), "503": {"$ref": "#/components/responses/Busy"}}) == {
            "slug_taken": ["one"],
            "unavailable": ["one"],
        }

    def test_is_none_of_what_a_success_has(self):
        assert named(one={"200": answer({"enum": ["active"]}), "304": answer({"const": "known"})}) == {}


def page(code, **answers):
    """The problem's page of an application with these operations."""

    class Documented(FastAPI):
        def openapi(self):
            return document(**answers)

    return Pages(Documented()).at(f"/problems/{code}").content.decode()


class TestThePage:
    TAKEN = answer({"const": "version_mismatch"})
    GONE = answer({"const": "gone"})

    def test_leads_to_each_operation_in_the_reference(self):
        text = page("version_mismatch", tags_update={"412": self.TAKEN}, tags_list={"410": self.GONE})
        assert '<a href="/docs#/a/tags_update"><b>GET</b> <code>/tags_update</code></a> Do.' in text
        assert "tags_list" not in text

    def test_says_when_it_is_every_operation(self):
        text = page("version_mismatch", one={"412": self.TAKEN}, two={"412": self.TAKEN})
        assert "Every operation can answer it." in text

    def test_says_when_it_is_none(self):
        text = page("version_mismatch", one={"410": self.GONE})
        assert "lists no operation with it" in text
