"""The HTTP side of the journal: the history of a row, all of it for administrators, and the change feed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from shared.feed import ChangeRead, Changes
from shared.http.reads.parameters import LIMIT, Given, parameter
from shared.http.reads.queries import described, list_query
from shared.http.reads.responses import PageOf, page_response
from shared.http.routes import Administrator, Caller, resource_router
from shared.reads import HISTORY, JOURNAL, Journal, JournalRead, ListQuery

HistoryQuery = Annotated[ListQuery, Depends(list_query(HISTORY))]
"""What a module's `GET /…/{id}/history` takes."""

JournalQuery = Annotated[ListQuery, Depends(list_query(JOURNAL))]


class ChangesRead(BaseModel):
    """A page of changes."""

    items: list[ChangeRead]
    next_cursor: str = Field(description="Where to go on, now or later. There always is one.")
    has_more: bool = Field(description="Whether more changes can be read right now.")


_AFTER = parameter(
    "after",
    {"type": "string"},
    "`next_cursor` of the previous poll; `latest` for a cursor of now; leave it out for all changes that are kept.",
)


def journal_router(journal: Journal, changes: Changes) -> APIRouter:
    """`GET /journal` and `GET /changes`."""
    administration, feed = resource_router("/journal"), resource_router("/changes")

    @administration.get("", response_model=PageOf[JournalRead], openapi_extra=described(JOURNAL))
    async def list(request: Request, principal: Administrator, query: JournalQuery) -> Response:
        """Who changed what, newest first."""
        return page_response(request, await journal.page(principal, query))

    @feed.get("", response_model=ChangesRead, openapi_extra={"parameters": [_AFTER, LIMIT]})
    async def follow(request: Request, caller: Caller) -> Response:
        """The changes of everything in your lists: each change once, after the changes it depends on.

        To keep a copy, take a cursor with `after=latest`, list everything, then follow. An entry says that a resource
        changed; read the resource to see what it is now. A resource that you see only through another one comes and
        goes with that one, without an entry of its own.
        """
        given = Given.of(request.scope["query_string"])
        after, limit = given.text("after", most=16_000), given.limit()
        given.none_left()
        page = await changes.page(caller, after, limit)
        return Response(page.to_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")

    return APIRouter(routes=[*administration.routes, *feed.routes])
