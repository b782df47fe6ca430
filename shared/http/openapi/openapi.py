"""The OpenAPI document of an application: the framework's, with what it leaves out."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.http.openapi.bodies import describe_bodies
from shared.http.openapi.problems import add_problem_schemas

Json = dict[str, Any]
"""A JSON object of the document. Each step below completes it in place."""


def install_openapi(app: FastAPI) -> None:
    """Have the application answer with the completed document. It is made at the first request for it."""
    generate = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = generate()
            add_problem_schemas(document)
            for _, method, operation in operations(app, document):
                describe_bodies(method, operation)
        return generate()

    app.openapi = openapi  # type: ignore[method-assign]  # As FastAPI's documentation has it.


def operations(app: FastAPI, document: Json) -> Iterator[tuple[APIRoute, str, Json]]:
    """Each operation in the document, with its route and method."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                if (operation := document["paths"].get(route.path_format, {}).get(method.lower())) is not None:
                    yield route, method, operation
