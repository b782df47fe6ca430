"""What routers say for the OpenAPI document; shared/http/openapi makes it."""

from typing import Any

from fastapi.routing import APIRoute

from shared.http.edge.problems import MEDIA_TYPE

ANY_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""The `responses` of every operation, instead of the framework's 422."""


def operation_id(route: APIRoute) -> str:
    """`projects_create`, which becomes the name of a method in a generated client."""
    return "_".join([*map(str, route.tags[:1]), route.name])
