"""The reads that every resource has: its list, its totals, a document, and the history of a row."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from shared.http.reads.journal import HistoryQuery
from shared.http.reads.queries import described, document_view, list_query, totals_described, totals_query
from shared.http.reads.responses import PageOf, document_response, page_response, unversioned_response
from shared.http.reads.totals import totals_of
from shared.http.routes import Caller
from shared.reads import HISTORY, Collection, HistoryRead, ListQuery, View

Endpoint = Callable[..., Any]


def reads(router: APIRouter, of: Collection, repository: Any, listed: str = "") -> None:
    """Give a resource's router `GET /`, `GET /{…_id}` and `GET /{…_id}/history`; and `GET /summary`, if its collection
    declares groups or sums.

    `repository` is the parameter by which endpoints take the repository, `Annotated[TagRepository, Provide[…]]`.
    `listed` says what the list shows, "your own tags, and those on your projects". The name of a row, and of the
    path's parameter, is that of the docstring of its document: "A tag.", so `tag_id`.
    """
    a_row = inspect.cleandoc(of.document.__doc__ or "").partition(".")[0]
    a_row = a_row[:1].lower() + a_row[1:]
    name = re.sub(r"\W+", "_", re.sub(r"^(an?|the) ", "", a_row)) + "_id"
    query: Any = Annotated[ListQuery, Depends(list_query(of))]
    asked: Any = Annotated[ListQuery, Depends(totals_query(of))]
    view: Any = Annotated[View, Depends(document_view(of.document))]

    async def list(
        request: Request,
        caller: Caller,
        query: query,
        repository: repository,
    ) -> Response:
        return page_response(request, await repository.list(caller, query))

    async def summary(
        request: Request,
        caller: Caller,
        query: asked,
        repository: repository,
    ) -> Response:
        return unversioned_response(request, await repository.totals(caller, query))

    async def get(
        request: Request,
        caller: Caller,
        view: view,
        repository: repository,
        **path: UUID,
    ) -> Response:
        return document_response(request, await repository.get(path[name], caller, view))

    async def history(
        request: Request, caller: Caller, query: HistoryQuery, repository: repository, **path: UUID
    ) -> Response:
        return page_response(request, await repository.history(path[name], caller, query))

    page: Any = PageOf
    plural = str(router.tags[0]).replace("-", " ")
    which = listed or f"your {plural}"
    found: Sequence[tuple[str, Endpoint, Any, dict[str, Any], str]] = (
        ("", list, page[of.document], described(of), f"List {which}, newest first."),
        ("/summary", summary, totals_of(of), totals_described(of), f"Count {'and add up ' if of.sums else ''}{which}."),
        (f"/{{{name}}}", get, of.document, described(of.document), f"Get {a_row}."),
        (
            f"/{{{name}}}/history",
            history,
            page[HistoryRead],
            described(HISTORY),
            f"List the changes of {a_row}, newest first.",
        ),
    )
    for path, endpoint, model, extra, told in found:
        if endpoint is summary and not of.has_totals:
            continue
        endpoint.__doc__ = told
        endpoint.__qualname__ = f"reads[{router.tags[0]}].{endpoint.__name__}"
        router.get(path, response_model=model, openapi_extra=extra)(_with_parameter(name, endpoint))


def _with_parameter(name: str, endpoint: Endpoint) -> Endpoint:
    """The endpoint as FastAPI is to see it: with a parameter of the path in the place of `**path`."""
    *parameters, last = inspect.signature(endpoint).parameters.values()
    if last.kind is last.VAR_KEYWORD:
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=UUID))
        endpoint.__signature__ = inspect.Signature(parameters, return_annotation=Response)  # type: ignore[attr-defined]
    return endpoint
