"""The table of routes: what it finds, and that it takes as many steps whatever else there is."""

import sys
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import Mount, Route

from shared.http.routes import table as tables
from shared.http.routes.table import RouteTable


async def first(request: Request) -> Response:
    raise NotImplementedError


async def second(request: Request) -> Response:
    raise NotImplementedError


def application(modules: int) -> FastAPI:
    """One with as many resources."""
    app = FastAPI(openapi_url=None)
    for number in range(modules):
        for path in ("", "/{id}", "/{id}/history", "/me"):
            app.get(f"/api/v1/r{number}{path}")(first)
            app.post(f"/api/v1/r{number}{path}")(second)
    return app


def scope_of(path: str, method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": []}


def steps(table: RouteTable, path: str, method: str = "GET") -> int:
    """How many lines of the table's code are run."""
    lines = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        lines += event == "line" and frame.f_code.co_filename == tables.__file__
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        table.find(scope_of(path, method))
    finally:
        sys.settrace(before)
    return lines


class TestAWalk:
    @pytest.mark.parametrize(
        ("path", "method"), [("", "GET"), ("/1", "POST"), ("/1/history", "GET"), ("/1", "PATCH"), ("/1/unknown", "GET")]
    )
    def test_takes_as_many_steps_to_the_last_of_53_modules_as_to_the_first_of_3(self, path, method):
        few, many = (RouteTable(application(modules).routes) for modules in (3, 53))
        for table in (few, many):
            table.find(scope_of("/"))  # Builds it.
        taken = {
            steps(few, f"/api/v1/r0{path}", method),
            steps(many, f"/api/v1/r0{path}", method),
            steps(many, f"/api/v1/r52{path}", method),
        }
        assert len(taken) == 1

    @pytest.mark.parametrize("path", ["/", "/unknown", "/api/v1/unknown/1", "/api/v1/r2x/1"])
    def test_to_nowhere_takes_as_many(self, path):
        few, many = (RouteTable(application(modules).routes) for modules in (3, 53))
        for table in (few, many):
            assert table.find(scope_of("/")).entry is None
        assert steps(few, path) == steps(many, path)


class TestTheTable:
    def found(self, app: FastAPI, path: str, method: str = "GET") -> Any:
        entry = RouteTable(app.router.routes).find(scope_of(path, method)).entry
        return None if entry is None else entry.route

    def test_finds_the_first_of_two_that_match(self):
        app = FastAPI(openapi_url=None)
        app.get("/{id}")(first)
        app.get("/me")(second)
        assert self.found(app, "/me") is app.routes[0]

    def test_prefers_the_method_to_the_order(self):
        app = FastAPI(openapi_url=None)
        app.get("/{id}")(first)
        app.post("/me")(second)
        assert self.found(app, "/me", "POST") is app.routes[1]

    def test_names_every_method_that_the_path_has(self):
        app = FastAPI(openapi_url=None)
        app.get("/{id}")(first)
        app.post("/me")(second)
        router = APIRouter()
        router.put("/me")(second)
        app.include_router(router)
        found = RouteTable(app.router.routes).find(scope_of("/me", "PATCH"))
        assert dict(found.refusal().headers or {}) == {"Allow": "POST, PUT"}
        found = RouteTable(app.router.routes).find(scope_of("/1", "PATCH"))
        assert dict(found.refusal().headers or {}) == {"Allow": "GET, HEAD"}
        assert RouteTable(app.router.routes).find(scope_of("/me/x", "PATCH")).refusal().status_code == 404

    def test_takes_a_path_without_parameters_for_no_value_of_one(self):
        app = FastAPI(openapi_url=None)
        app.post("/projects/import")(first)
        app.patch("/projects/{id}")(second)
        found = RouteTable(app.router.routes).find(scope_of("/projects/import", "PATCH"))
        assert found.entry is None
        assert found.allowed == {"POST"}

    def test_knows_mounts_routers_and_other_parameters_by_how_they_begin(self):
        app, router = FastAPI(openapi_url=None), APIRouter()
        router.get("/{id}")(first)
        app.include_router(router, prefix="/in")
        app.router.routes += [Mount("/files", app=FastAPI()), Route("/plain", first)]
        app.get("/a/{rest:path}")(first)
        app.get("/a/b")(second)
        expected = {"/in/1": 0, "/files": None, "/files/": 1, "/files/x/y": 1, "/plain": 2, "/a/b": 3, "/a/": 3}
        for path, place in expected.items():
            assert self.found(app, path) is (None if place is None else app.routes[place]), path

    def test_has_what_is_added_later(self):
        app = FastAPI(openapi_url=None)
        app.get("/a")(first)
        table = RouteTable(app.router.routes)
        assert table.find(scope_of("/b")).entry is None
        for endpoint in (first, second):
            app.get("/b")(endpoint)
            entry = table.find(scope_of("/b")).entry
            assert entry is not None
            assert entry.endpoint is endpoint
            app.router.routes.pop()
        assert table.find(scope_of("/b")).entry is None
