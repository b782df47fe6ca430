"""The direct way and FastAPI's own: the same answer to every request, of applications whose endpoints take anything."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from uuid import UUID

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, Request, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from shared.container import KernelContainer
from shared.errors import Forbidden
from shared.http.container import HttpContainer
from shared.http.edge.middleware import RequestContext
from shared.http.edge.problems import install_problems
from shared.http.routes.dispatch import Dispatch
from shared.http.routes.injection import Binder
from shared.http.routes.routing import Route

ID, OTHER = "0192f0c1-2d3e-7a4b-8c5d-6e7f8a9b0c1d", "not-an-id"
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")

called: list[str] = []
"""The dependencies that were called for the request, in this order."""
refusing: set[str] = set()
"""Those that refuse it."""


class Body(BaseModel):
    """The body of a request."""

    number: int
    name: str = "x"


class Own(containers.DeclarativeContainer):
    """A module's container."""

    given = providers.Object("injected")


class Mutations:
    """No unit of work: nothing is changed here."""

    async def run(self, request: Request, handle: Callable[[Request], Any], *_: object, **__: object) -> Any:
        return await handle(request)


LEAVES = {
    "request": inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request),
    "connection": inspect.Parameter("connection", inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
    "id": inspect.Parameter("id", inspect.Parameter.KEYWORD_ONLY, annotation=UUID),
    "other": inspect.Parameter("other", inspect.Parameter.KEYWORD_ONLY, annotation=UUID),
    "text": inspect.Parameter("text", inspect.Parameter.KEYWORD_ONLY, annotation=str),
    "limit": inspect.Parameter("limit", inspect.Parameter.KEYWORD_ONLY, annotation=int, default=10),
    "since": inspect.Parameter("since", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[int | None, Header()]),
    "kept": inspect.Parameter("kept", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, Cookie()], default=""),
    "given": inspect.Parameter("given", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str, Provide["given"]]),
    "body": inspect.Parameter("body", inspect.Parameter.KEYWORD_ONLY, annotation=Body),
    "maybe": inspect.Parameter("maybe", inspect.Parameter.KEYWORD_ONLY, annotation=Body | None, default=None),
    "answer": inspect.Parameter("answer", inspect.Parameter.KEYWORD_ONLY, annotation=Response),
}


@dataclass(frozen=True)
class Taking:
    """A function: what it takes, and which of the dependencies before it, each with `use_cache` or not."""

    leaves: tuple[str, ...]
    depends: tuple[tuple[int, bool], ...] = ()
    kind: str = "async"
    beside: tuple[int, ...] = ()
    """Of an endpoint: its `dependencies=[…]`."""


@dataclass(frozen=True)
class Served:
    """A route: where it is, what it takes."""

    method: str
    path: str
    taking: Taking
    gives: str = "response"
    where: str = "here"


@dataclass(frozen=True)
class Spec:
    """An application."""

    dependencies: tuple[Taking, ...]
    routes: tuple[Served, ...]
    redirects: bool = False
    overridden: bool = False


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    root: str = ""
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    refusing: frozenset[str] = field(default_factory=frozenset)


def shown(value: Any) -> Any:
    """What tells that an argument was the same."""
    if isinstance(value, Request | HTTPConnection):
        return [str(value.url), value.path_params, dict(value.query_params), value.scope.get("endpoint") is not None]
    if isinstance(value, Response):
        return "a response"
    return value.model_dump() if isinstance(value, BaseModel) else str(value)


def made(name: str, taking: Taking, before: list[Callable[..., Any]]) -> Callable[..., Any]:
    """A function that gives all that it got."""

    def call(values: dict[str, Any]) -> Any:
        called.append(name)
        if name in refusing:
            raise Forbidden if taking.depends else HTTPException(418)
        return json.dumps({key: shown(value) for key, value in sorted(values.items())})

    async def asynchronous(**values: Any) -> Any:
        return call(values)

    def synchronous(**values: Any) -> Any:
        return call(values)

    async def closing(**values: Any) -> Any:
        yield call(values)
        called.append(f"end of {name}")

    function: Any = {"async": asynchronous, "sync": synchronous, "closing": closing}[taking.kind]
    function.__name__ = name
    parameters = [LEAVES[leaf] for leaf in taking.leaves] + [
        inspect.Parameter(
            f"dependency_{place}_{number}",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[str, Depends(before[place % len(before)], use_cache=use_cache)],
        )
        for number, (place, use_cache) in enumerate(taking.depends)
        if before
    ]
    function.__signature__ = inspect.Signature(parameters)
    return function  # type: ignore[no-any-return]


def endpoint_of(name: str, served: Served, dependencies: list[Callable[..., Any]]) -> Callable[..., Any]:
    function = made(name, served.taking, dependencies)
    parameters = [*inspect.signature(function).parameters.values()]

    async def endpoint(**values: Any) -> Any:
        content = await function(**values)
        return None if served.gives == "nothing" else Response(content, headers={"X-Called": " ".join(called)})

    endpoint.__name__ = name
    annotation = None if served.gives == "nothing" else Response
    endpoint.__signature__ = inspect.Signature(parameters, return_annotation=annotation)  # type: ignore[attr-defined]
    return endpoint


def application(spec: Spec, *, is_direct: bool) -> Any:
    """The application, as ASGI."""
    app = FastAPI(redirect_slashes=spec.redirects, openapi_url=None)
    http = HttpContainer()
    http.mutations.override(providers.Object(Mutations()))
    binder = Binder(Own(), KernelContainer(), http, app)
    dependencies: list[Callable[..., Any]] = []
    for number, taking in enumerate(spec.dependencies):
        dependencies.append(made(f"d{number}", taking, dependencies))
    for number, served in enumerate(spec.routes):
        endpoint = endpoint_of(f"e{number}", served, dependencies)
        beside = [Depends(dependencies[place % len(dependencies)]) for place in served.taking.beside if dependencies]
        status = 204 if served.gives == "nothing" else None
        options = {"methods": [served.method], "status_code": status, "dependencies": beside}
        route = Route(served.path, endpoint, **options).bound(binder)
        if served.where == "here":
            app.router.routes.append(route)
        elif served.where == "mounted":
            inner = FastAPI(redirect_slashes=False, openapi_url=None)
            inner.router.routes.append(route)
            install_problems(inner)
            app.mount("/a", inner)
        else:
            app.include_router(APIRouter(routes=[route]), prefix="/b")
    if spec.overridden and dependencies:
        app.dependency_overrides[dependencies[0]] = lambda: "overridden"
    install_problems(app)
    return RequestContext(Dispatch(app, app) if is_direct else app, max_body_bytes=1000)


async def answered(app: Any, asked: Asked) -> tuple[int, dict[str, str], bytes]:
    """Status, headers, body."""
    called.clear()
    refusing.clear()
    refusing.update(asked.refusing)
    raw = asked.path.encode("latin-1")
    headers = [(b"host", b"test"), (b"x-request-id", b"same")]
    headers += [(name.encode(), value.encode()) for name, value in asked.headers]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "method": asked.method,
        "root_path": asked.root,
        "path": raw.decode("utf-8", "replace"),
        "raw_path": raw,
        "query_string": asked.query.encode(),
        "headers": headers,
        "state": {},
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": asked.content, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])


PATHS = [
    *(
        "/a",
        "/me",
        "/{id}",
        "/{id}",
        "/a/{id}",
        "/a/{id}",
        "/a/me",
        "/{other}/a",
        "/{id}/{other}",
        "/a/{id:str}/b",
        "/a/",
    ),
    *("/{id}/", "/a/{rest:path}", "/{external:key}", "/a/{id:int}", "/{text}.json", "/a/{id}/{external:key}"),
]
OF_PATH = {"id", "other"}
LEAF_NAMES = st.sampled_from([*["request", "given", "id", "body"] * 4, *LEAVES])


@st.composite
def takings(draw: st.DrawFn, kinds: list[str], path: str = "/{id}", most: int = 2) -> Taking:
    """A function, that most often could be served directly at the path."""
    leaves = draw(st.lists(LEAF_NAMES, max_size=most, unique=True))
    elsewhere = {name for name in OF_PATH if f"{{{name}" not in path}
    if draw(st.integers(0, 5)):
        leaves = [name for name in leaves if name not in elsewhere and (name != "body" or most > 2)]
    depends = draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([True] * 12 + [False])), max_size=3))
    beside = draw(st.lists(st.integers(0, 3), max_size=1)) if most > 2 else []
    return Taking(tuple(leaves), tuple(depends), draw(st.sampled_from(kinds)), tuple(beside))


@st.composite
def routes(draw: st.DrawFn) -> Served:
    path = draw(st.sampled_from(PATHS))
    gives = draw(st.sampled_from(["response"] * 4 + ["nothing"]))
    where = draw(st.sampled_from(["here"] * 8 + ["mounted", "included"]))
    return Served(draw(st.sampled_from(METHODS)), path, draw(takings(["async"], path, most=3)), gives, where)


SPECS = st.builds(
    Spec,
    dependencies=st.lists(takings(["async"] * 16 + ["sync", "closing"]), max_size=4).map(tuple),
    routes=st.lists(routes(), min_size=1, max_size=5).map(tuple),
    redirects=st.sampled_from([False] * 4 + [True]),
    overridden=st.sampled_from([False] * 8 + [True]),
)
VALUES = st.sampled_from([*[ID] * 12, OTHER, "me", "a", "", "\n", "é", "\xff", "a.json", "7", f"{ID}\n"])
BODIES = st.sampled_from(
    [b"", *[b'{"number": 1}'] * 5, b'{"number": "x"}', b"[]", b"null", b"{", b'{"number": NaN}', b"\xff"]
)
HEADERS = st.sampled_from(
    [
        *[("content-type", "application/json")] * 4,
        ("since", "1"),
        ("since", "x"),
        ("cookie", "kept=1"),
        ("accept", "*/*"),
    ]
)


def asked_of(spec: Spec) -> st.SearchStrategy[Asked]:
    """Requests for its paths, and for what is close to them."""
    prefixes = {"here": "", "mounted": "/a", "included": "/b"}
    templates = [(prefixes[served.where] + served.path, served.method) for served in spec.routes]

    def asked(template: tuple[str, str], values: list[str], method: str, **more: Any) -> Asked:
        path, own = template
        for number, part in enumerate(path.split("/")):
            if "{" in part:
                path = path.replace(part, values[number % len(values)], 1)
        path = more.pop("start") + more["root"] * more.pop("is_below") + path + more.pop("end")
        return Asked(method=method or own, path=path, **more)

    return st.builds(
        asked,
        st.sampled_from([*templates * 4, ("/unknown", "GET"), ("/", "GET")]),
        st.lists(VALUES, min_size=1, max_size=3),
        st.sampled_from([""] * 14 + [*METHODS, "OPTIONS", "HEAD"]),
        start=st.sampled_from([""] * 20 + ["x", "/"]),
        end=st.sampled_from([""] * 20 + ["/", "//", "\n", "/x"]),
        root=st.sampled_from(["", "", "/root", "/a"]),
        is_below=st.booleans(),
        query=st.lists(st.sampled_from(["text=1", "limit=5", "limit=x", f"id={ID}", "id=1", f"other={ID}"])).map(
            "&".join
        ),
        headers=st.lists(HEADERS, max_size=3, unique_by=lambda pair: pair[0]).map(tuple),
        content=BODIES,
        refusing=st.frozensets(st.sampled_from(["d0", "d1", "d2", "e0"]), max_size=1),
    )


CASES = SPECS.flatmap(lambda spec: st.tuples(st.just(spec), st.lists(asked_of(spec), min_size=1, max_size=8)))


class TestTheTwoWays:
    @given(CASES)
    @settings(max_examples=200, suppress_health_check=[*HealthCheck])
    async def test_give_the_same_answers(self, case):
        spec, requests = case
        ways = [application(spec, is_direct=is_direct) for is_direct in (True, False)]
        for asked in requests:
            direct, general = [await answered(way, asked) for way in ways]
            own = methods_of_its_own(spec, asked)
            if own and direct[0] == 405 and own <= set(direct[1]["allow"].split(", ")):
                continue  # FastAPI would take the path for one that has parameters. A mounted one answers for itself.
            if direct[0] == general[0] == 405:
                # FastAPI names the methods of one route; a mounted application answers for itself.
                told, of_one = direct[1].pop("allow"), general[1].pop("allow")
                is_mounted = any(served.where == "mounted" for served in spec.routes)
                assert told == await allowed(ways[1], asked) or (is_mounted and told == of_one), (spec, asked)
            assert direct == general, (spec, asked)

    async def test_call_what_is_shared_once(self):
        """A diamond. It is served directly, so that the comparison above does compare something."""
        shared, two = Taking(("id",)), Taking((), ((0, True),))
        spec = Spec((shared, two, two), (Served("GET", "/{id}", Taking((), ((1, True), (2, True), (0, True)))),))
        ways = [application(spec, is_direct=is_direct) for is_direct in (True, False)]
        for way in ways:
            status, headers, _ = await answered(way, Asked("GET", f"/{ID}"))
            assert (status, headers["x-called"]) == (200, "d0 d1 d2 e0")
        (route,) = [route for route in ways[1]._app.routes if isinstance(route, Route)]
        assert route.direct is not None

    @pytest.mark.parametrize("root", ["", "/root"])
    async def test_serve_an_application_below_another_path(self, root):
        spec = Spec((), (Served("GET", "/a/{id}", Taking(("id", "request"))),))
        ways = [application(spec, is_direct=is_direct) for is_direct in (True, False)]
        answers = [await answered(way, Asked("GET", f"{root}/a/{ID}", root)) for way in ways]
        assert answers[0] == answers[1]
        assert answers[0][0] == 200


def methods_of_its_own(spec: Spec, asked: Asked) -> set[str]:
    """The methods of the routes with just this path, and no parameter in it."""
    path = asked.path.removeprefix(asked.root)
    return {one.method for one in spec.routes if one.where == "here" and "{" not in one.path and one.path == path}


async def allowed(app: Any, asked: Asked) -> str:
    """The methods that are not refused."""
    answers = {method: (await answered(app, replace(asked, method=method)))[0] for method in METHODS}
    methods = {method for method, status in answers.items() if status != 405}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
