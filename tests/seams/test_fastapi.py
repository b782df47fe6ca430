"""What shared/http/routes/fastapi_seam.py, injection.py and table.py rely on and FastAPI and Starlette do not promise.

When one of these fails after an upgrade, those files are to be read again beside theirs:

- the fields of `Dependant`, and of the `ModelField`s in it, and that the endpoint's own one has a scope;
- `Depends` is a dataclass that can be replaced in part;
- a wrapper is looked through to tell whether it is to be awaited, and its `__signature__` is what counts;
- `iter_route_contexts`, of an included router as well, and what a context has;
- `AsyncExitStackMiddleware`, without which a route does not answer;
- `_native_telemetry.enabled()`;
- `exception_handlers`;
- a router gives its route class everything by keyword, and `openapi_extra` is read when the document is made;
- the routes are tried in the order of `router.routes`, any `BaseRoute` among them;
- what a route adds to the scope; how a path matches.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from httpx2 import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from shared.http.routes.fastapi_seam import answer_to, handled, is_traced, methods_of, operations_in, paths_of
from shared.http.routes.table import route_path


class Body(BaseModel):
    name: str


async def dependency(request: Request) -> str:
    return request.url.path


async def endpoint(id: UUID, body: Body, path: Annotated[str, Depends(dependency)]) -> Response:
    return Response(path)


def scope_of(path: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", **more}


async def get(app: FastAPI, path: str) -> Any:
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
        return await client.get(path)


class TestADependant:
    def test_has_these_fields_and_no_other(self):
        told = "FastAPI's Dependant has other fields: look at `_is_plain`, which decides what can be served directly."
        assert {field.name for field in fields(Dependant)} == {
            *("path_params", "query_params", "header_params", "cookie_params", "body_params", "dependencies", "name"),
            *("call", "request_param_name", "websocket_param_name", "http_connection_param_name", "scope", "path"),
            *("response_param_name", "background_tasks_param_name", "security_scopes_param_name", "use_cache"),
            *("own_oauth_scopes", "parent_oauth_scopes", "concurrency"),
        }, told

    def test_tells_of_a_parameter_what_it_is(self):
        route = APIRoute("/{id}", endpoint)
        (id,), (body,), (depends,) = (
            route.dependant.path_params,
            route.dependant.body_params,
            route.dependant.dependencies,
        )
        assert (id.name, id.field_info.annotation, id.field_info.alias, id.field_info.metadata) == (
            "id",
            UUID,
            "id",
            [],
        )
        assert (body.name, body.field_info.annotation, body.field_info.is_required()) == ("body", Body, True)
        info: Any = body.field_info
        assert (info.embed, info.discriminator, info.metadata, info.media_type) == (None, None, [], "application/json")
        assert (depends.call, depends.name, depends.use_cache, depends.scope) == (dependency, "path", True, None)
        assert depends.request_param_name == "request"
        assert route.dependant.scope == "function", "The endpoint's own scope is looked at now: see `_needs`."


class TestDepends:
    def test_is_a_dataclass_of_these_fields(self):
        marked = Depends(dependency, use_cache=False, max_concurrency=3)
        other = replace(marked, dependency=endpoint)
        assert other == replace(other, dependency=endpoint)
        assert (other.dependency, other.use_cache, other.max_concurrency) == (endpoint, False, 3)
        assert {field.name for field in fields(marked)} == {
            *("dependency", "use_cache", "scope", "max_concurrency", "_concurrency")
        }, "FastAPI's Depends has other fields: does one that is replaced keep them?"


class TestAWrapper:
    async def test_is_called_as_what_it_wraps(self):
        @functools.wraps(dependency)
        def wrapper(**values: Any) -> Any:
            return dependency(**values)

        @functools.wraps(endpoint)
        def outer(path: Annotated[str, Depends(wrapper)]) -> Any:
            return endpoint(UUID(int=0), Body(name=""), path)

        signature = inspect.Signature(
            [inspect.signature(outer).parameters["path"].replace(annotation=Annotated[str, Depends(wrapper)])]
        )
        outer.__signature__ = signature  # type: ignore[attr-defined]
        app = FastAPI()
        app.get("/here", response_model=None)(outer)
        assert (await get(app, "/here")).text == "/here", "FastAPI does not look through functools.wraps any more."


class TestRoutes:
    def test_are_listed_with_those_of_included_routers(self):
        app, router = FastAPI(openapi_url=None), APIRouter()
        router.post("/{id}")(endpoint)
        app.include_router(router, prefix="/in")
        assert list(operations_in(app.routes)) == [("POST", "/in/{id}", endpoint)]
        (included,) = app.routes
        assert paths_of(included) == ["/in/{id}"]
        assert methods_of(included, scope_of("/in/1")) == {"POST"}
        assert methods_of(included, scope_of("/out/1")) == set()
        (context,) = iter_route_contexts(app.routes)
        assert context.original_route is router.routes[0]

    async def test_are_tried_in_their_order_whatever_they_are(self):
        class First(BaseRoute):
            def matches(self, scope: Any) -> Any:
                return (Match.FULL, {"seen": True}) if scope["path"] == "/a" else (Match.NONE, {})

            async def handle(self, scope: Any, receive: Any, send: Any) -> None:
                await Response(str(scope["seen"]))(scope, receive, send)

        app = FastAPI()
        app.get("/a")(dependency)
        app.router.routes.insert(0, First())
        assert (await get(app, "/a")).text == "True"
        assert app.openapi()["paths"].keys() == {"/a"}

    async def test_answer_behind_what_closes_files(self):
        async def show(id: int) -> int:
            return id

        route, sent = APIRoute("/{id}", show), []
        scope = scope_of("/1", path_params={"id": "1"})

        async def receive() -> Any:
            raise NotImplementedError

        async def send(message: Any) -> None:
            sent.append(message)

        await handled(route, scope, receive, send)
        assert sent[-1]["body"] == b"1"

    def test_are_given_everything_by_keyword(self):
        given = {}

        class Own(APIRoute):
            def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
                given.update(options)
                super().__init__(path, endpoint, **options)

        APIRouter(prefix="/a", route_class=Own).get("/{id}", status_code=201)(endpoint)
        assert given["status_code"] == 201
        assert {"dependency_overrides_provider", "dependencies", "methods", "openapi_extra", "name"} <= given.keys()

    def test_are_described_by_what_openapi_extra_is_now(self):
        app = FastAPI()
        app.get("/a")(dependency)
        (route,) = [route for route in app.routes if isinstance(route, APIRoute)]
        route.openapi_extra = {"x-told": 1}
        assert app.openapi()["paths"]["/a"]["get"]["x-told"] == 1

    @pytest.mark.parametrize("kind", [APIRoute, Route])
    def test_add_to_the_scope_what_the_table_does(self, kind):
        match, found = kind("/a/{id}", endpoint, methods=["GET"]).matches(scope_of("/a/1"))
        assert match is Match.FULL
        assert found.keys() - {"route"} == {"endpoint", "path_params"}
        assert found["path_params"] == {"id": "1"}

    @pytest.mark.parametrize(
        ("path", "is_matched"), [("/a/x\n", True), ("/a/\n", True), ("/a/", False), ("/a//", False)]
    )
    def test_match_by_a_regular_expression(self, path, is_matched):
        assert (APIRoute("/a/{id}", endpoint).matches(scope_of(path))[0] is Match.FULL) == is_matched

    @given(st.text("/ab"), st.text("/ab"))
    def test_are_looked_up_by_the_path_below_the_root(self, path, root):
        scope = {"path": f"/{path}", "root_path": root}
        assert route_path(scope) == get_route_path(scope)


class TestAnApplication:
    def test_is_traced_only_when_it_is_told_to(self):
        assert is_traced(FastAPI()) is False, "FastAPI traces by default now: is everything served by it?"

    async def test_has_handlers_by_status_and_by_class(self):
        app, request = FastAPI(), Request(scope_of("/"))
        assert (await answer_to(app, request, HTTPException(418))).status_code == 418

        @app.exception_handler(418)
        async def teapot(_request: Request, _error: Exception) -> Response:
            return Response("tea")

        assert (await answer_to(app, request, HTTPException(418))).body == b"tea"
        with pytest.raises(ZeroDivisionError):
            await answer_to(app, request, ZeroDivisionError())
