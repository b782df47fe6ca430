"""The OpenAPI document of an application: the framework's, with what it leaves out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from shared.errors import DomainError
from shared.http.openapi.answers import add_headers, describe_answers
from shared.http.openapi.bodies import describe_bodies
from shared.http.openapi.documents import Documents
from shared.http.openapi.names import name_enumerations, tidy
from shared.http.openapi.parameters import add_wishes, describe_parameters
from shared.http.openapi.problems import Problems, components_of
from shared.http.openapi.queries import PATH, with_queries
from shared.http.openapi.raises import Handlers, Raises
from shared.http.openapi.serving import MAKING, Served, serve_document
from shared.http.openapi.words import describe_keys, describe_operation, describe_tags
from shared.writes import Repository

Json = dict[str, Any]
"""A JSON object of the document. Each step below completes it in place."""


def install_openapi(
    app: FastAPI, handlers: Handlers, repositories: Sequence[type[Repository[Any]]]
) -> Callable[[], object]:
    """Have the application answer with the completed document. It is made at the first request for it, or by what this
    gives, whichever comes first.

    `handlers` are those of the modules' events, `repositories` those of their resources.
    """
    generate = app.openapi

    def routes_and_problems(document: Json) -> tuple[list[tuple[APIRoute, str, Json]], Problems]:
        found = [*operations(app, document)]
        return found, Problems(Raises(handlers), [route for route, _, _ in found])

    complete: Json = {}

    def openapi() -> Json:
        nonlocal complete
        with MAKING:
            document = generate()  # Another one, when routes have come or gone.
            if document is not complete:
                _complete(document, *routes_and_problems(document), repositories)
                document["servers"] = [{"url": app.root_path or "/", "description": "This server."}]
                complete = document
            return complete

    def openapi_3_2() -> Json:
        document = app.openapi()
        found, problems = routes_and_problems(document)
        return with_queries(document, [route for route, _, _ in found], problems)

    app.openapi = openapi  # type: ignore[method-assign]  # As FastAPI's documentation has it.
    served = Served(openapi)
    if app.openapi_url is not None:
        serve_document(app, app.openapi_url, served)
        serve_document(app, PATH, Served(openapi_3_2))
    return served.make


def _complete(
    document: Json,
    found: Sequence[tuple[APIRoute, str, Json]],
    problems: Problems,
    repositories: Sequence[type[Repository[Any]]],
) -> None:
    routes = [route for route, _, _ in found]
    described: set[type[DomainError]] = set()
    describe_tags(document, routes)
    describe_keys(document)
    documents = Documents(document, routes, repositories)
    for route, method, operation in found:
        describe_operation(route, operation, routes)
        documents.describe(route, operation)
        add_wishes(route, routes, operation)
        describe_answers(route, operation)
        describe_bodies(method, operation, document)
        describe_parameters(operation)
        described |= problems.describe(operation, route)
    schemas, examples = components_of(described)
    document["components"] |= {"schemas": document["components"]["schemas"] | schemas, "examples": examples}
    name_enumerations(document, routes)
    tidy(document)
    add_headers(document)


def operations(app: FastAPI, document: Json) -> Iterator[tuple[APIRoute, str, Json]]:
    """Each operation in the document, with its route and method."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                if (operation := document["paths"].get(route.path_format, {}).get(method.lower())) is not None:
                    yield route, method, operation
