"""The direct way to an endpoint: what takes it, and what stays with FastAPI."""

from typing import Annotated
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, Form, Header, Query, Request, Response, Security
from pydantic import BaseModel

from modules.projects.router import router as projects
from shared.auth.principal import Principal
from shared.http.routes.authentication import Administrator, Caller, CurrentPrincipal, current_principal
from shared.http.routes.routing import Route
from shared.http.routes.traits import Traits, operation
from tests.applications import client_of


class Filter(BaseModel):
    name: str = ""


async def view(request: Request) -> str:
    return request.url.path


def blocking(request: Request) -> str:
    return request.url.path


async def closing(request: Request):
    yield request.url.path


async def query(name: str) -> Response:
    raise NotImplementedError


async def id_in_the_query(id: UUID) -> Response:
    raise NotImplementedError


async def header(name: Annotated[str, Header()]) -> Response:
    raise NotImplementedError


async def model(filter: Annotated[Filter, Query()]) -> Response:
    raise NotImplementedError


async def form(data: Annotated[Filter, Form()]) -> Response:
    raise NotImplementedError


async def in_a_thread(path: Annotated[str, Depends(blocking)]) -> Response:
    raise NotImplementedError


async def that_closes(path: Annotated[str, Depends(closing)]) -> Response:
    raise NotImplementedError


async def anew(path: Annotated[str, Depends(view, use_cache=False)]) -> Response:
    raise NotImplementedError


async def few_at_once(path: Annotated[str, Depends(view, max_concurrency=1)]) -> Response:
    raise NotImplementedError


async def that_ends_early(path: Annotated[str, Depends(view, scope="function")]) -> Response:
    raise NotImplementedError


async def scoped(path: Annotated[str, Security(view, scopes=["a"])]) -> Response:
    raise NotImplementedError


async def two(data: Filter, more: Filter) -> Response:
    raise NotImplementedError


async def a_body_that_need_not_be_there(data: Filter | None = None) -> Response:
    raise NotImplementedError


async def deeper(principal: CurrentPrincipal, other: Annotated[str, Depends(query)]) -> Response:
    raise NotImplementedError


async def unwritten(request: Request) -> str:
    raise NotImplementedError


async def telling(response: Response) -> Response:
    raise NotImplementedError


def not_awaited() -> Response:
    raise NotImplementedError


ONLY_FASTAPIS = [
    *(query, id_in_the_query, header, model, form, in_a_thread, that_closes, anew),
    *(
        few_at_once,
        that_ends_early,
        scoped,
        two,
        a_body_that_need_not_be_there,
        deeper,
        unwritten,
        telling,
        not_awaited,
    ),
]


def is_direct(endpoint, path="/", **options) -> bool:
    return Route(path, endpoint, **options).direct is not None


@pytest.fixture
def read(database):
    """How a router answers a read that has a body."""

    async def answered(router, path, content, headers):
        async with client_of(router, database) as client:
            return await client.request("GET", path, content=content, headers=headers)

    return answered


class TestARoute:
    def test_has_what_its_endpoint_declares(self):
        @operation(public=True, slow=True, repeatable=False, about="id")
        async def special(id: UUID, other: UUID) -> Response:
            raise NotImplementedError

        assert Route("/{id}/{other}", special).traits == Traits(public=True, slow=True, repeatable=False, about="id")

    @pytest.mark.parametrize(
        ("path", "about"), [("/", None), ("/{name}", None), ("/{id}/{name}", "id"), ("/{id}/{other}", "other")]
    )
    def test_is_about_the_last_id_of_its_path(self, path, about):
        async def usual(id: UUID, other: UUID, name: str) -> Response:
            raise NotImplementedError

        assert Route(path, usual).traits == Traits(about=about)

    def test_knows_whether_it_asks_who_calls(self):
        async def nested(principal: CurrentPrincipal) -> str:
            raise NotImplementedError

        async def written(principal: "CurrentPrincipal") -> Response:
            """As under `from __future__ import annotations`."""
            raise NotImplementedError

        async def by_default(principal: Principal = Depends(current_principal)) -> Response:  # noqa: B008
            raise NotImplementedError

        async def within(found: Annotated[str, Depends(nested)]) -> Response:
            raise NotImplementedError

        async def direct(caller: Caller) -> Response:
            raise NotImplementedError

        async def other(view: Annotated[str, Depends(view)], names: list[str]) -> Response:
            raise NotImplementedError

        assert [Route("/", endpoint).wants_principal for endpoint in (by_default, within, direct, written)] == [
            True
        ] * 4
        assert not Route("/", other).wants_principal


class TestTheDirectWay:
    def test_is_open_to_ids_bodies_dependencies_and_the_request(self):
        async def get(request: Request, id: UUID, caller: Caller, view: Annotated[str, Depends(view)]) -> Response:
            return Response()

        async def change(id: UUID, data: Filter, admin: Administrator) -> Response:
            return Response()

        assert is_direct(get, "/{id}")
        assert is_direct(change, "/{id}")

    @pytest.mark.parametrize("endpoint", ONLY_FASTAPIS, ids=lambda endpoint: endpoint.__name__)
    def test_is_closed_to_what_only_fastapi_can_work_out(self, endpoint):
        assert not is_direct(endpoint)

    def test_is_taken_by_every_endpoint_of_projects_that_makes_its_answer_itself(self):
        routes = [route for route in projects.routes if isinstance(route, Route)]
        assert [route.name for route in routes if route.direct is None] == ["import", "update_all", "delete_all"]

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
        assert (await read(router, "/", b"{", {"Content-Type": "application/json"})).status_code == 400

    async def test_is_not_taken_past_a_dependency_of_the_route_itself(self, read):
        """`dependencies=[…]` stands in no signature. It is called first, as FastAPI does."""
        router, called = APIRouter(route_class=Route), []

        async def look(request: Request) -> None:
            called.append(request.url.path)

        @router.get("/", dependencies=[Depends(look)])
        async def get(request: Request) -> Response:
            return Response(str(called))

        assert (await read(router, "/", b"", {})).text == "['/']"

    async def test_is_not_taken_past_a_handler_of_a_subclass(self, read):
        class Own(Route):
            def get_route_handler(self):
                async def answer(request: Request) -> Response:
                    return Response("its own")

                return answer

        router = APIRouter(route_class=Own)

        @router.get("/")
        async def get(request: Request) -> Response:
            raise NotImplementedError

        assert (await read(router, "/", b"", {})).text == "its own"
