"""How an endpoint takes the parameters of a list or a document from the query, and describes them."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from fastapi import Request

from shared.http.reads.exports import export_described
from shared.http.reads.lists import ListGrammar
from shared.http.reads.matching import MatchingGrammar
from shared.http.reads.parameters import Given, view_parameters
from shared.http.reads.totals import TotalsGrammar
from shared.reads import Collection, Document, ListQuery, View

MOST_KEPT = 1000
"""Query strings of an endpoint whose meaning is kept: clients send the same ones again and again."""


def list_query(collection: Collection) -> Callable[[Request], Awaitable[ListQuery]]:
    """The dependency of a list: `query: Annotated[ListQuery, Depends(list_query(TAGS))]`."""
    return _query(ListGrammar(collection).parse)


def totals_query(collection: Collection) -> Callable[[Request], Awaitable[ListQuery]]:
    """The dependency of totals."""
    return _query(TotalsGrammar(collection).parse)


def matching_query(collection: Collection) -> Callable[[Request], Awaitable[ListQuery]]:
    """The dependency of a change of all that match: `matching: Annotated[ListQuery, Depends(matching_query(TAGS))]`."""
    return _query(MatchingGrammar(collection).parse)


def _query(parse: Callable[[bytes], ListQuery]) -> Callable[[Request], Awaitable[ListQuery]]:
    kept = lru_cache(MOST_KEPT)(parse)

    async def query(request: Request) -> ListQuery:
        """Raises InvalidInput."""
        return kept(request.scope["query_string"])

    return query


def document_view(document: type[Document]) -> Callable[[Request], Awaitable[View]]:
    """The dependency of a single read: `view: Annotated[View, Depends(document_view(TagRead))]`."""

    @lru_cache(MOST_KEPT)
    def parse(raw: bytes) -> View:
        given = Given.of(raw)
        view = given.view(document)
        given.none_left()
        return view

    async def view(request: Request) -> View:
        """Raises InvalidInput."""
        return parse(request.scope["query_string"])

    return view


def described(of: Collection | type[Document]) -> dict[str, Any]:
    """What the OpenAPI document says about it: the `openapi_extra` of the endpoint."""
    parameters = ListGrammar(of).parameters() if isinstance(of, Collection) else view_parameters(of)
    if isinstance(of, Collection) and not of.paged:
        return {"parameters": parameters, "responses": {"200": export_described(of)}}
    return _conditional(parameters)


def totals_described(of: Collection) -> dict[str, Any]:
    """The same of its totals."""
    found = _conditional(TotalsGrammar(of).parameters())
    return {**found, "responses": {**found["responses"], "200": {"headers": {"ETag": {}, "Cache-Control": {}}}}}


def matching_described(of: Collection) -> dict[str, Any]:
    """The same of a change of all that match."""
    return {"parameters": MatchingGrammar(of).parameters()}


def _conditional(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {**CONDITIONAL, "parameters": [*parameters, *CONDITIONAL["parameters"]]}


_IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string", "examples": ['"3-5d41402abc4b2a76b9"']},
    "description": "The ETag of your copy: 304 while that is up to date.",
}
CONDITIONAL: dict[str, Any] = {
    "parameters": [_IF_NONE_MATCH],
    "responses": {
        "304": {
            "description": "Not modified: your copy, which `If-None-Match` names, is up to date.",
            "headers": {"ETag": {}, "Cache-Control": {}},
        },
    },
}
"""The `openapi_extra` of a read that answers 304."""
