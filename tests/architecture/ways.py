"""The ways of four requests through the code: the functions that they pass, as docs/architecture.md lists them.

`python -m tests.architecture.ways` prints all that they pass, for an author to pick from. Each way is that of a second
request: the first one compiles its statements, and makes what is made once.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from pydantic import SecretStr

from app.asgi import create_app
from app.container import compose
from shared.manifest import discover
from shared.settings import Settings
from tests.callers import anonymous
from tests.database import TEMPLATE, clone, template
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
OURS = ("app", "modules", "shared")
_HEADING = re.compile(r"^### (.+)$")
_LISTED = re.compile(r"^ *\d+\. `([\w.]+)`")

Ways = Mapping[str, Sequence[str]]
"""By the heading of each: functions as `module.Class.function`, in the order in which they were first called."""


def ways_in(text: str) -> Ways:
    """The ways that a document lists: below a heading of the third degree, each function a numbered line."""
    ways: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if found := _HEADING.match(line):
            heading = found[1]
        elif found := _LISTED.match(line):
            ways.setdefault(heading, []).append(found[1])
    return ways


def printed(ways: Ways) -> str:
    """The ways as `ways_in` reads them."""
    numbered = ["\n".join([f"### {way}", "", *(f"1. `{name}`" for name in names), ""]) for way, names in ways.items()]
    return "\n".join(numbered)


def flaw(listed: Sequence[str], passed: Sequence[str]) -> str | None:
    """What is wrong with a way that lists these functions, when a request passed those; None when it is right."""
    last = ""
    for name in listed:
        if name not in passed:
            return f"The request does not pass {name}." if is_known(name) else f"There is no {name}."
        if last and passed.index(name) < passed.index(last):
            return f"The request passes {name} before {last}."
        last = name
    return None


@cache
def is_known(name: str) -> bool:
    """Whether a package, a module, a class or a function of this name is in the source."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return count == len(parts) or ".".join(parts[count:]) in _names_in(_source(file))
    return False


def _source(file: Path) -> CodeType:
    return compile(file.read_text(), str(file), "exec")


def _names_in(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return {name_of(code)}.union(*(_names_in(one) for one in inner))


@contextmanager
def passed() -> Iterator[list[str]]:
    """The functions of ours that are called inside by this thread, each once."""
    names: dict[CodeType, str] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        # What a coroutine does when it goes on is told as a call, too; the first one counts.
        if event == "call" and frame.f_code not in names:
            module = frame.f_globals.get("__name__", "")
            if module.partition(".")[0] in OURS:
                names[frame.f_code] = f"{module}.{name_of(frame.f_code)}"

    functions: list[str] = []
    sys.setprofile(note)
    try:
        yield functions
    finally:
        sys.setprofile(None)
        # Not those without a name, nor those that a dataclass makes.
        functions += [name for name in dict.fromkeys(names.values()) if is_known(name)]


def name_of(code: CodeType) -> str:
    """`Class.function`, and `function.inner` for one that is made inside of another."""
    return code.co_qualname.replace(".<locals>", "")


async def ways() -> Ways:
    """The ways as they are, on a database of their own, with real transactions."""
    with clone("ways") as url:
        async with _signed_in(url) as client:
            tag = await _tag(client, "First")
            cursor = (await client.get("/changes", params={"after": "latest"})).json()["next_cursor"]
            path, etag = tag.headers["location"].removeprefix("/api/v1"), tag.headers["etag"]
            known = {}
            for _ in range(2):
                with passed() as known["A read"]:
                    read = await client.get(path)
                with passed() as known["A create"]:
                    created = await _tag(client, "Another")
                with passed() as known["A patch"]:
                    patched = await client.patch(path, json={"color": "#336699"}, headers={"If-Match": etag})
                with passed() as known["A poll of the change feed"]:
                    polled = await client.get("/changes", params={"after": cursor})
                etag = patched.headers["etag"]
                await client.delete(created.headers["location"].removeprefix("/api/v1"))
                assert [answer.status_code for answer in (read, created, patched, polled)] == [200, 201, 200, 200]
    return known


async def _tag(client: AsyncClient, name: str) -> Response:
    return await client.post("/tags", json={"name": name})


@asynccontextmanager
async def _signed_in(url: str) -> AsyncIterator[AsyncClient]:
    """A caller of an application as it runs in production, without a server."""
    settings = Settings(
        DATABASE_URL=url,
        environment="development",
        secret=SecretStr("a secret for tests, 32 bytes or more"),
        argon2_memory_kib=8,
        argon2_iterations=1,
        pool_wait_seconds=PATIENCE,
        statement_seconds=PATIENCE,
    )
    application = compose(settings, discover())
    app: FastAPI = create_app(application)
    async with app.router.lifespan_context(app), anonymous(app) as client:
        account = {"email": "ann@example.com", "password": "correct horse battery"}
        await client.post("/users", json=account | {"full_name": "Ann"})
        body = {"email": account["email"], "password": account["password"]}
        token = (await client.post("/auth/sessions", json=body)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


if __name__ == "__main__":
    with contextlib.nullcontext() if TEMPLATE in os.environ else template() as url:
        os.environ.setdefault(TEMPLATE, url or "")
        print(printed(asyncio.run(ways())))  # noqa: T201 (what it is for)
