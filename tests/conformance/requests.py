"""Requests that promises are about, and what is looked at afterwards: answers, refusals, rows, statements."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from httpx2 import AsyncClient, Response
from sqlalchemy import text

from shared.rows import Model
from shared.wire.wire import Wire

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Write:
    """A request that changes something."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None

    async def by(self, caller: AsyncClient, *, dry_run: bool = False, **headers: str) -> Response:
        """Its answer to a caller; `Idempotency_Key="x"` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        params = {"dry_run": "true"} if dry_run else None
        return await caller.request(self.method, self.path, json=self.body, params=params, headers=named)

    def about(self, id: object, instead_of: object) -> "Write":
        """The same about another row."""
        return replace(self, path=self.path.replace(str(instead_of), str(id)))

    def in_batch(self, **more: Any) -> dict[str, Any]:
        """The same as an operation of a batch."""
        body = {} if self.body is None else {"body": self.body}
        return {"method": self.method, "path": self.path, **body, **more}


def done(answer: Response) -> Response:
    """The answer, which has to be a success."""
    assert answer.is_success, f"{_told(answer)} should have succeeded."
    return answer


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, which has to be this refusal (docs/guide/errors.md)."""
    assert answer.status_code == status, f"{_told(answer)} should have been {status} {code}."
    assert answer.headers["Content-Type"] == PROBLEM, f"{_told(answer)} should have been a problem document."
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code, f"{_told(answer)} should have been {code}."
    return problem


def pointers(answer: Response) -> list[str]:
    """Where in the body the input is wrong, of an answer that says so."""
    return [error["pointer"] for error in refused(answer, 422, "invalid_input")["errors"]]


def parameters(answer: Response) -> list[str]:
    """Which parameters are wrong, of an answer that says so."""
    return [error["parameter"] for error in refused(answer, 422, "invalid_input")["errors"]]


def message(answer: Response, parameter: str) -> str:
    """What is told of the one parameter that is wrong, of an answer that says so."""
    assert parameters(answer) == [parameter]
    return str(answer.json()["errors"][0]["message"])


def items(answer: Response) -> list[dict[str, Any]]:
    """The documents on a page."""
    assert answer.status_code == 200, f"{_told(answer)} should have been a page."
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def ids(answer: Response) -> list[str]:
    """The ids on a page."""
    return [item["id"] for item in items(answer)]


async def walk(caller: AsyncClient, path: str, /, **params: Any) -> list[dict[str, Any]]:
    """The items of all pages, each found by the cursor of the one before."""
    found: list[dict[str, Any]] = []
    while True:
        page = await caller.get(path, params=params)
        found += items(page)
        assert len(items(page)) <= int(params.get("limit", 20)), "A page has at most as many rows as `limit` says."
        assert len(found) < 2000, "The pages never end."
        params["cursor"] = page.json()["next_cursor"]
        if params["cursor"] is None:
            return found


async def contents(database: Any, *but: str) -> dict[str, str]:
    """A digest of all rows of each table, but for those that are written whatever becomes of the request."""
    digest = "SELECT '{0}', md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {0} AS t"
    apart = {name for name, table in Model.metadata.tables.items() if table.info.get("written_apart")}
    tables = sorted(Model.metadata.tables.keys() - set(but) - apart)
    return dict([*await database.sql(text(" UNION ALL ".join(map(digest.format, tables))))])


@contextmanager
def executed() -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    noted: list[str] = []
    rows = Wire.rows

    async def note(self: Wire, statement: Any, *rest: Any) -> Any:
        noted.append(str(statement.text))
        return await rows(self, statement, *rest)

    Wire.rows = note  # type: ignore[assignment, method-assign]
    try:
        yield noted
    finally:
        Wire.rows = rows  # type: ignore[method-assign]


def as_json(value: Any) -> bytes:
    """JSON in ASCII, in which half a surrogate pair can be spelled."""
    return json.dumps(value).encode()


def _told(answer: Response) -> str:
    request = answer.request
    return f"{request.method} {request.url.raw_path.decode()}: {answer.status_code} {answer.text[:300]}"
