"""The HTTP side of the journal: the history of a row, all of it for administrators, and the change feed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from shared.auth import READS, scope_of
from shared.feed import ChangeRead, Changes
from shared.http.edge import NEVER_STORED
from shared.http.reads.parameters import LIMIT, Given, cursor_of, parameter
from shared.http.reads.queries import described, list_query
from shared.http.reads.responses import PageOf, page_response
from shared.http.routes import Administrator, Caller, resource_router
from shared.reads import HISTORY, JOURNAL, Journal, JournalRead, ListQuery

HistoryQuery = Annotated[ListQuery, Depends(list_query(HISTORY))]
"""What a module's `GET /…/{id}/history` takes."""

JournalQuery = Annotated[ListQuery, Depends(list_query(JOURNAL))]


class ChangesRead(BaseModel):
    """A page of changes."""

    items: list[ChangeRead] = Field(description="The changes, in an order in which a copy can apply them.")
    next_cursor: str = Field(description="Where to go on, now or later. There always is one.")
    has_more: bool = Field(description="Whether more can be read right now, also when this page is empty.")


LONGEST_CURSOR = 16_000
_AFTER = parameter(
    "after",
    cursor_of(LONGEST_CURSOR),
    "`next_cursor` of the previous poll; `latest` for a cursor of now; leave it out for all changes that are kept.",
    "latest",
)


JOURNAL_SCOPE = scope_of("journal", writes=False)
"""The one scope that no module's routes need."""

_JOURNAL = "Who changed what, and from which session and request: the audit trail of everything, for administrators."
_CHANGES = "The change feed: what changed in your lists since you last asked, so that a copy can follow."


def journal_router(journal: Journal, changes: Changes) -> APIRouter:
    """`GET /journal` and `GET /changes`."""
    administration = resource_router("/journal", about=_JOURNAL, keys=(READS,))
    feed = resource_router("/changes", about=_CHANGES, keys=None)

    @administration.get("", response_model=PageOf[JournalRead], openapi_extra=described(JOURNAL))
    async def list(request: Request, principal: Administrator, query: JournalQuery) -> Response:
        """List who changed what, newest first. For administrators."""
        return page_response(request, await journal.page(principal, query))

    @feed.get("", response_model=ChangesRead, responses=NEVER_STORED, openapi_extra={"parameters": [_AFTER, LIMIT]})
    async def follow(request: Request, caller: Caller) -> Response:
        """Follow the changes of everything in your lists: each change once, after the changes it depends on.

        To keep a copy, take a cursor with `after=latest`, list everything, then follow: an item says that a resource
        changed; read it to see what it is now, and drop it when it is in the list no more. When a change of one
        resource changes the documents of others, such as the projects that carry a tag, these are told, too. An item
        with `id: null` says that any of the resource may have changed: list it anew. Empty pages with `has_more`
        happen: a poll examines so many changes at the most, whoever sees them. A key follows what its scopes let it
        read.
        """
        given = Given.of(request.scope["query_string"])
        after, limit = given.text("after", most=LONGEST_CURSOR), given.limit()
        given.none_left()
        page = await changes.page(caller, after, limit)
        return Response(page.to_json(), headers={"Cache-Control": "no-store"}, media_type="application/json")

    return APIRouter(routes=[*administration.routes, *feed.routes])
