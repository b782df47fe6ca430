"""Answers made of documents that are JSON already."""

from typing import Generic, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from shared.http.edge import JSON, document_tag, page_tag, tags_in
from shared.http.routes import Route
from shared.reads import Page, Representation

D = TypeVar("D", bound=BaseModel)


class PageOf(BaseModel, Generic[D]):
    """A page of a list."""

    items: list[D] = Field(description="The rows of this page, in the order asked for.")
    next_cursor: str | None = Field(description="The `cursor` of the next page; null on the last page.")
    count: int | None = Field(None, description="The number of rows on all pages; only if the request asked for it.")


PRIVATE = {"Cache-Control": "private, no-cache"}
"""A document depends on who asks: no shared cache stores it; the client's own may, and revalidates it each time."""

_PATH = "/-._~!$&'()*+,;=:@"
"""What stands in a path as it is (RFC 3986 §3.3), beside letters and digits."""


def document_response(request: Request, representation: Representation) -> Response:
    """200 with a document, or 304 when the client has it."""
    tag = document_tag(representation.version, representation.content)
    return unless_known(request, representation.content, {**PRIVATE, "ETag": tag})


def created_response(request: Request, representation: Representation, of: APIRouter | None = None) -> Response:
    """201 with the new document and its location, which is that of its resource (RFC 9110 §15.3.2). `of` is the router
    of the resource, where that is not the route's own.
    """
    tag = document_tag(representation.version, representation.content)
    route: Route = request.scope["route"]
    headers = {**PRIVATE, "Location": route.location(representation.id, of), "ETag": tag}
    return Response(representation.content, 201, headers, "application/json")


def page_response(request: Request, page: Page) -> Response:
    """200 with a page and a link to the next one (RFC 8288), or 304 when the client has it."""
    content = page.to_json()
    headers = {**PRIVATE, "ETag": page_tag(content)}
    if page.next_cursor is not None:
        headers["Link"] = f'<{_following(request, page.next_cursor)}>; rel="next"'
    return unless_known(request, content, headers)


def unversioned_response(request: Request, content: bytes) -> Response:
    """200 with what has no version, such as the totals of a collection, or 304 when the client has it."""
    return unless_known(request, content, {**PRIVATE, "ETag": page_tag(content)})


def _following(request: Request, cursor: str) -> str:
    """The same path and query with this cursor."""
    given = request.scope["query_string"].decode()
    # Most lists are asked for without parameters, and parsing them costs as much as the rest of the answer.
    kept = [pair for pair in parse_qsl(given, keep_blank_values=True) if pair[0] != "cursor"] if given else []
    return f"{quote(request.scope['path'], safe=_PATH)}?{urlencode([*kept, ('cursor', cursor)])}"


def unless_known(request: Request, content: bytes, headers: dict[str, str], media_type: str = JSON) -> Response:
    """200 with the content and these headers, an ETag among them, or 304 when the client has it."""
    known = request.headers.getlist("if-none-match") if request.method == "GET" else []
    if known and _matches(",".join(known), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)


def _matches(known: str, etag: str) -> bool:
    """The weak comparison of RFC 9110 §13.1.2. What is not a list of tags matches nothing."""
    tags = [tag.removeprefix("W/") for tag in tags_in(known) or ()]
    return known.strip(" \t") == "*" or etag.removeprefix("W/") in tags
