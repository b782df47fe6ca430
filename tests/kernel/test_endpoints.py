"""The short way to an endpoint: what takes it, and what stays with FastAPI."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import BaseModel

from modules.projects.router import router as projects
from shared.http.authentication import Administrator, Caller, CurrentPrincipal
from shared.http.endpoints import short_way
from shared.http.routing import Route


class Filter(BaseModel):
    name: str = ""


async def view(request: Request) -> str:
    return request.url.path


def blocking(request: Request) -> str:
    return request.url.path


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

    def test_is_not_taken_past_a_dependency_of_the_route_itself(self):
        """`dependencies=[…]` stands in no signature."""
        router = APIRouter(route_class=Route)

        @router.get("/", dependencies=[Depends(view)])
        async def get(request: Request) -> Response:
            raise NotImplementedError

        (route,) = router.routes
        assert isinstance(route, Route)
        assert not getattr(route.app, "__qualname__", "").startswith("application")
