"""Answers made of documents that are JSON already."""

from typing import Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, Field

from shared.persistence.listing import Page

D = TypeVar("D", bound=BaseModel)


class PageOf(BaseModel, Generic[D]):
    """A page of a list."""

    items: list[D]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


PRIVATE = {"Cache-Control": "private, no-cache"}
"""A document depends on who asks, so no shared cache keeps it."""


def document_response(document: bytes) -> Response:
    """200 with a document."""
    return Response(document, headers=PRIVATE, media_type="application/json")


def created_response(document: bytes, location: str) -> Response:
    """201 with the new document and where it is from now on (RFC 9110 §15.3.2)."""
    return Response(document, 201, PRIVATE | {"Location": location}, "application/json")


def page_response(request: Request, page: Page) -> Response:
    """200 with a page, and a link to the next one (RFC 8288)."""
    headers = dict(PRIVATE)
    if page.next_cursor is not None:
        following = request.url.include_query_params(cursor=page.next_cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return Response(page.to_json(), headers=headers, media_type="application/json")
