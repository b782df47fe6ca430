"""How an endpoint takes a collection's or a document's parameters from the query, and tells of them."""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from fastapi import Request

from shared.errors import InvalidInput
from shared.reads import Collection, Document, ListQuery, Parameter, View, parameters_in, view_in, view_parameters


def list_query(collection: Collection) -> Callable[[Request], Awaitable[ListQuery]]:
    """The dependency of a list: `query: Annotated[ListQuery, Depends(list_query(TAGS))]`."""

    async def query(request: Request) -> ListQuery:
        return collection.parse(request.scope["query_string"])

    return query


def document_view(document: type[Document]) -> Callable[[Request], Awaitable[View]]:
    """The dependency of a single read: `view: Annotated[View, Depends(document_view(TagRead))]`."""

    @lru_cache(maxsize=1000)
    def parse(raw: bytes) -> View:
        given = parameters_in(raw)
        view = view_in(given, document)
        for name in given:
            raise InvalidInput("There is no such parameter.", parameter=name)
        return view

    async def view(request: Request) -> View:
        return parse(request.scope["query_string"])

    return view


def described(of: Collection | type[Document]) -> dict[str, Any]:
    """What of it the OpenAPI document says: the `openapi_extra` of the endpoint."""
    told: dict[str, Any] = {"parameters": [_described(parameter) for parameter in _parameters(of)]}
    if isinstance(of, Collection) and not of.paged:  # An export is streamed, so it has no ETag.
        return told
    return told | {
        "responses": {
            "200": {"headers": {"ETag": {"schema": {"type": "string"}, "description": "For `If-None-Match`."}}},
            "304": {"description": "Not modified: the copy that `If-None-Match` names is good."},
        }
    }


def _parameters(of: Collection | type[Document]) -> Sequence[Parameter]:
    return of.parameters() if isinstance(of, Collection) else view_parameters(of)


def _described(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": dict(parameter.schema),
        "style": "form",
        "explode": not parameter.by_comma,
    }
