"""Answers made of documents that are JSON already."""

import hashlib
from typing import Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, Field

from shared.reads import Page, Representation
from shared.writes import tags_in

D = TypeVar("D", bound=BaseModel)


class PageOf(BaseModel, Generic[D]):
    """A page of a list."""

    items: list[D]
    next_cursor: str | None = Field(description="For the next page; null on the last.")
    count: int | None = Field(None, description="The number of rows on all pages, when it was asked for.")


PRIVATE = {"Cache-Control": "private, no-cache"}
"""A document depends on who asks, so no shared cache keeps it; one's own may, and asks whether it is still good."""


def document_response(request: Request, representation: Representation) -> Response:
    """200 with a document, or 304 when the client has it."""
    return _unless_known(request, representation.content, representation.etag, PRIVATE)


def created_response(representation: Representation, location: str) -> Response:
    """201 with the new document and where it is from now on (RFC 9110 §15.3.2)."""
    headers = PRIVATE | {"Location": location, "ETag": representation.etag}
    return Response(representation.content, 201, headers, "application/json")


def page_response(request: Request, page: Page) -> Response:
    """200 with a page and a link to the next one (RFC 8288), or 304 when the client has it.

    Its tag is weak: a page is no resource to make a change to.
    """
    content = page.to_json()
    headers = dict(PRIVATE)
    if page.next_cursor is not None:
        following = request.url.include_query_params(cursor=page.next_cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    etag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    return _unless_known(request, content, etag, headers)


def _unless_known(request: Request, content: bytes, etag: str, headers: dict[str, str]) -> Response:
    headers = headers | {"ETag": etag}
    known = request.headers.getlist("if-none-match") if request.method == "GET" else []
    if known and _matches(",".join(known), etag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _matches(known: str, etag: str) -> bool:
    """The weak comparison that RFC 9110 §13.1.2 asks for. What is no list of tags counts for nothing."""
    tags = [tag.removeprefix("W/") for tag in tags_in(known) or ()]
    return known.strip(" \t") == "*" or etag.removeprefix("W/") in tags
