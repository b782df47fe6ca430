"""What the framework's OpenAPI document does not say by itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.http.edge.bodies import JSON, MERGE_PATCH
from shared.http.edge.problems import MEDIA_TYPE, Problem

_REFERENCE = "#/components/schemas/{model}"

ANY_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
}
"""The `responses` of every operation, in the place of the framework's own 422."""


def operation_id(route: APIRoute) -> str:
    """`projects_create`: what a generated client makes a method of."""
    return "_".join([*map(str, route.tags[:1]), route.name])


def install_openapi(app: FastAPI) -> None:
    """Add to the document what the framework has no media type for: the problem, and the merge patch."""
    problem = Problem.model_json_schema(ref_template=_REFERENCE, mode="serialization")
    schemas = problem.pop("$defs") | {"Problem": problem}
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()  # The one that it keeps, or a new one since there is another route.
        document["components"]["schemas"].update(schemas)
        for operations in document["paths"].values():
            content = operations.get("patch", {}).get("requestBody", {}).get("content", {})
            if JSON in content:
                content[MERGE_PATCH] = content[JSON]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # As FastAPI's documentation has it.
