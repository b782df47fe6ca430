"""The routes of the pages."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route

from app.pages.assets import asset
from app.pages.pages import Pages
from shared.http.edge import JSON, preferred
from shared.http.reads import CONDITIONAL, Content

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


def install_pages(app: FastAPI) -> type[APIRoute]:
    """Add the pages that are no operations. The class of routes that answer browsers with the page of their path, and
    programs as they do anyway.
    """
    pages = Pages(app)
    app.router.routes += [
        Route("/", _entry(pages)),
        *(Route(path, _page(pages)) for path in ("/docs", "/docs/guide", "/docs/guide/{name}", "/changelog")),
        Route("/static/{name}", asset),
    ]

    class RouteWithPage(APIRoute):
        """Its path is in the document, which says that there is HTML, too."""

        def __init__(self, *arguments: Any, responses: dict[int | str, Any] | None = None, **options: Any) -> None:
            headers: dict[str, Any] = {"ETag": {}, "Cache-Control": {}, "Vary": {}}
            page = {
                "content": {"text/html": {"schema": {"type": "string"}}},
                "headers": headers | {"Content-Encoding": {}},
            }
            described = {
                "responses": {**(responses or {}), 200: page, 304: {"headers": headers}},
                "openapi_extra": CONDITIONAL,
            }
            super().__init__(*arguments, **options | described)

        def get_route_handler(self) -> Handle:
            handle = super().get_route_handler()

            async def negotiate(request: Request) -> Response:
                if _prefers_html(request):
                    return _found(pages.at(request.scope["path"])).answer(request)
                document = bytes((await handle(request)).body)
                return Content(document, JSON, {"Cache-Control": "no-cache", "Vary": "Accept"}).answer(request)

            return negotiate

    return RouteWithPage


def _entry(pages: Pages) -> Handle:
    """`GET /`: a page for browsers, links for programs."""

    async def entry(request: Request) -> Response:
        return (_found(pages.at("/")) if _prefers_html(request) else pages.links).answer(request)

    return entry


def _page(pages: Pages) -> Handle:
    async def page(request: Request) -> Response:
        return _found(pages.at(request.scope["path"])).answer(request)

    return page


def _found(content: Content | None) -> Content:
    if content is None:
        raise HTTPException(404)
    return content


def _prefers_html(request: Request) -> bool:
    """Whether a person asks, with a browser: it names HTML, while a program that says nothing gets JSON."""
    return preferred(request.headers.getlist("accept"), [JSON, "text/html"]) == "text/html"
