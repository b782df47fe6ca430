"""Additions to the framework's OpenAPI document."""

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
"""The `responses` of every operation, instead of the framework's 422."""


def operation_id(route: APIRoute) -> str:
    """`projects_create`, which becomes the name of a method in a generated client."""
    return "_".join([*map(str, route.tags[:1]), route.name])


def install_openapi(app: FastAPI) -> None:
    """Add the schema of problems, and the media type of merge patches."""
    problem = Problem.model_json_schema(ref_template=_REFERENCE, mode="serialization")
    schemas = problem.pop("$defs") | {"Problem": problem}
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()  # The framework keeps it until a route is added.
        document["components"]["schemas"].update(schemas)
        for operations in document["paths"].values():
            content = operations.get("patch", {}).get("requestBody", {}).get("content", {})
            if JSON in content:
                content[MERGE_PATCH] = content[JSON]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # As FastAPI's documentation has it.
