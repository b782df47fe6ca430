"""The short way to an endpoint: what takes it, and what stays with FastAPI."""

from typing import Annotated
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import BaseModel

from modules.projects.router import router as projects
from shared.http.routes.authentication import Administrator, Caller, CurrentPrincipal
from shared.http.routes.endpoints import short_way
from shared.http.routes.routing import Route
from tests.applications import client_of


class Filter(BaseModel):
    name: str = ""


async def view(request: Request) -> str:
    return request.url.path


def blocking(request: Request) -> str:
    return request.url.path


@pytest.fixture
def read(database):
    """How a router answers a read that has a body."""

    async def answered(router, path, content, headers):
        async with client_of(router, database) as client:
            return await client.request("GET", path, content=content, headers=headers)

    return answered


class TestTheShortWay:
    def test_is_open_to_ids_bodies_dependencies_and_the_request(self):
        async def get(request: Request, id: UUID, caller: Caller, view: Annotated[str, Depends(view)]) -> Response:
            return Response()

        async def change(id: UUID, data: Filter, admin: Administrator) -> Response:
            return Response()

        assert short_way(get) is not None
        assert short_way(change) is not None

    def test_is_closed_to_what_only_fastapi_can_work_out(self):
        async def query(name: str) -> Response:
            raise NotImplementedError

        async def model(filter: Annotated[Filter, Query()]) -> Response:
            raise NotImplementedError

        async def form(data: Annotated[Filter, Form()]) -> Response:
            raise NotImplementedError

        async def in_a_thread(path: Annotated[str, Depends(blocking)]) -> Response:
            raise NotImplementedError

        async def two(data: Filter, more: Filter) -> Response:
            raise NotImplementedError

        async def deeper(principal: CurrentPrincipal, other: Annotated[str, Depends(query)]) -> Response:
            raise NotImplementedError

        async def unwritten(request: Request) -> str:
            raise NotImplementedError

        endpoints = (query, model, form, in_a_thread, two, deeper, unwritten)
        assert [short_way(endpoint) for endpoint in endpoints] == [None] * len(endpoints)

    def test_is_taken_by_every_endpoint_of_projects_but_the_upload(self):
        routes = [route for route in projects.routes if isinstance(route, Route)]
        long = [route.name for route in routes if not getattr(route.app, "__qualname__", "").startswith("application")]
        assert long == ["import"]

    @pytest.mark.parametrize(
        ("content", "kind", "status", "code"),
        [
            (b"{}", "application/json", 200, None),
            (b'{"name": "x"}', "application/json; charset=utf-8", 200, None),
            (b"{}", "text/plain", 415, "unsupported_media_type"),
            (b"{}", None, 415, "unsupported_media_type"),
            (b"{}", "application/json; charset*=utf-8''utf-8; charset*0=x", 200, None),
            (b"{", "application/json", 400, "malformed_body"),
            (b'{"name": NaN}', "application/json", 400, "malformed_body"),
            ("{}".encode("utf-16"), "application/json", 400, "malformed_body"),
            (b"", "application/json", 400, "malformed_body"),
            (b"", None, 422, "invalid_input"),
            (b"[]", "application/json", 422, "invalid_input"),
        ],
    )
    async def test_takes_json_and_refuses_it_as_the_long_way_does(self, read, content, kind, status, code):
        router = APIRouter(route_class=Route)

        @router.get("/short")
        async def short(data: Filter) -> Response:
            return Response(data.name)

        @router.get("/long")
        async def long(data: Filter, more: str = "") -> Response:
            return Response(data.name + more)

        headers = {} if kind is None else {"Content-Type": kind}
        answers = [await read(router, path, content, headers) for path in ("/short", "/long")]
        assert [answer.status_code for answer in answers] == [status] * 2, [answer.text for answer in answers]
        assert code is None or [answer.json()["code"] for answer in answers] == [code] * 2
        told = [{name: answer.headers.get(name) for name in ("Accept", "Accept-Patch")} for answer in answers]
        assert told[0] == told[1]

    async def test_leaves_a_body_that_need_not_be_there(self, read):
        router = APIRouter(route_class=Route)

        @router.get("/")
        async def get(data: Filter | None = None) -> Response:
            return Response("none" if data is None else data.name)

        assert (await read(router, "/", b"", {})).text == "none"
        assert (await read(router, "/", b'{"name": "x"}', {"Content-Type": "application/json"})).text == "x"

    def test_is_not_taken_past_a_dependency_of_the_route_itself(self):
        """`dependencies=[…]` stands in no signature."""
        router = APIRouter(route_class=Route)

        @router.get("/", dependencies=[Depends(view)])
        async def get(request: Request) -> Response:
            raise NotImplementedError

        (route,) = router.routes
        assert isinstance(route, Route)
        assert not getattr(route.app, "__qualname__", "").startswith("application")
