"""The HTTP side of the journal: the history of a row, all of it for administrators, and the change feed."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from shared.errors import InvalidInput
from shared.feed import ChangeRead, Changes
from shared.http.reads.queries import described, list_query
from shared.http.reads.responses import PageOf, page_response
from shared.http.routes import Administrator, Caller, resource_router
from shared.reads import (
    DEFAULT_ROWS,
    HISTORY,
    JOURNAL,
    Journal,
    JournalRead,
    ListQuery,
    limit_in,
    parameters_in,
    text_in,
)

HistoryQuery = Annotated[ListQuery, Depends(list_query(HISTORY))]
"""What a module's `GET /…/{id}/history` takes."""

JournalQuery = Annotated[ListQuery, Depends(list_query(JOURNAL))]


class ChangesRead(BaseModel):
    """Some of the changes."""

    items: list[ChangeRead]
    next_cursor: str = Field(description="To follow with, now or later: there always is one.")
    has_more: bool = Field(description="Whether there is more to be had at once.")


@dataclass(frozen=True)
class ChangesQuery:
    """What a poll asks for."""

    after: str | None
    limit: int


_PARAMETERS = [
    {
        "name": "after",
        "in": "query",
        "schema": {"type": "string"},
        "description": "`next_cursor` of the poll before; `latest` for a cursor of now; none for all that is kept.",
    },
    {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_ROWS},
        "description": "More than 100 is 100.",
    },
]


async def _changes_query(request: Request) -> ChangesQuery:
    given = parameters_in(request.scope["query_string"])
    query = ChangesQuery(text_in(given, "after", most=16_000), limit_in(given))
    for name in given:
        raise InvalidInput("There is no such parameter.", parameter=name)
    return query


def journal_router(journal: Journal, changes: Changes) -> APIRouter:
    """`GET /journal` and `GET /changes`."""
    administration, feed = resource_router("/journal"), resource_router("/changes")

    @administration.get("", response_model=PageOf[JournalRead], openapi_extra=described(JOURNAL))
    async def list(request: Request, principal: Administrator, query: JournalQuery) -> Response:
        """Who changed what, newest first."""
        return page_response(request, await journal.page(principal, query))

    @feed.get("", response_model=ChangesRead, openapi_extra={"parameters": _PARAMETERS})
    async def follow(caller: Caller, query: Annotated[ChangesQuery, Depends(_changes_query)]) -> Response:
        """What changed of all that you see in your lists, each change once, and none before one it depends on.

        To mirror it: take a cursor with `after=latest`, list, then follow. An entry tells that something changed, not
        what it is now. What you see through something else, such as the tags of a project, comes and goes with that.
        """
        page = await changes.page(caller, query.after, query.limit)
        return Response(page.to_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")

    return APIRouter(routes=[*administration.routes, *feed.routes])
