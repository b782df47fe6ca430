"""OpenAPI 3.2, which knows the method QUERY: the document of 3.1 with an operation more for each list."""

from collections.abc import Iterable
from copy import deepcopy

from fastapi.routing import APIRoute

from shared.http.edge import JSON
from shared.http.openapi.problems import Json, Problems, problem_responses
from shared.http.openapi.raises import Errors
from shared.http.routes import Route

PATH = "/openapi-3.2.json"


def with_queries(document: Json, routes: Iterable[APIRoute], problems: Problems) -> Json:
    """The document in OpenAPI 3.2."""
    found = {**deepcopy(document), "openapi": "3.2.0"}
    for route in routes:
        if isinstance(route, Route) and route.takes_query:
            path = found["paths"][route.path_format]
            path["query"] = _query(path["get"], problems.of_query(route))
    return found


def _query(get: Json, errors: Errors) -> Json:
    parameters = get.get("parameters", [])
    taken = [parameter for parameter in parameters if parameter["in"] == "query"]
    schema = {
        "type": "object",
        "properties": {one["name"]: one["schema"] | {"description": one["description"]} for one in taken},
        "additionalProperties": False,
    }
    return {
        **get,
        "operationId": f"{get['operationId']}_query",
        "summary": f"{get['summary']}, by QUERY",
        "parameters": [parameter for parameter in parameters if parameter["in"] != "query"],
        "requestBody": {"required": True, "content": {JSON: {"schema": schema, "example": {}}}},
        "responses": {
            **{status: answer for status, answer in get["responses"].items() if status < "400"},
            **problem_responses(errors),
        },
    }
