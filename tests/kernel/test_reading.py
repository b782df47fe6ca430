"""The short way to a read: what takes it, and what stays with FastAPI."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Form, Query, Request, Response
from pydantic import BaseModel

from modules.projects.router import router as projects
from shared.http.authentication import Administrator, Caller, CurrentPrincipal
from shared.http.reading import short_way
from shared.http.routing import Route


class Filter(BaseModel):
    name: str = ""


async def view(request: Request) -> str:
    return request.url.path


def blocking(request: Request) -> str:
    return request.url.path


class TestTheShortWay:
    def test_is_open_to_ids_dependencies_and_the_request(self):
        async def get(
            request: Request, id: UUID, caller: Caller, admin: Administrator, view: Annotated[str, Depends(view)]
        ) -> Response:
            return Response()

        assert short_way(get) is not None

    def test_is_closed_to_what_only_fastapi_can_work_out(self):
        async def query(name: str) -> Response:
            raise NotImplementedError

        async def model(filter: Annotated[Filter, Query()]) -> Response:
            raise NotImplementedError

        async def form(data: Annotated[Filter, Form()]) -> Response:
            raise NotImplementedError

        async def in_a_thread(path: Annotated[str, Depends(blocking)]) -> Response:
            raise NotImplementedError

        async def deeper(principal: CurrentPrincipal, other: Annotated[str, Depends(query)]) -> Response:
            raise NotImplementedError

        async def unwritten(request: Request) -> str:
            raise NotImplementedError

        endpoints = (query, model, form, in_a_thread, deeper, unwritten)
        assert [short_way(endpoint) for endpoint in endpoints] == [None] * len(endpoints)

    def test_is_taken_by_every_read_of_projects(self):
        reads = [route for route in projects.routes if isinstance(route, Route) and route.methods == {"GET"}]
        assert reads
        assert all(getattr(route.app, "__qualname__", "").startswith("short_way") for route in reads)
