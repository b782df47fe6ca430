"""Exports: a collection of any size, as NDJSON or CSV, streamed in bounded memory."""

import csv
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from io import StringIO
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.auth import Principal
from shared.errors import TooManyRequests
from shared.http.edge import NotAcceptable, charge_more, preferred
from shared.http.reads.responses import PRIVATE
from shared.reads import Collection, Documents
from shared.settings import Settings
from shared.turns import Turns

NDJSON = "application/x-ndjson"
CSV = "text/csv"


class ExportResponse(StreamingResponse):
    """Streams the batches. However it ends, it releases the connection that they come from."""

    def __init__(self, lines: AsyncGenerator[bytes, None], media_type: str, filename: str) -> None:
        self._lines = lines
        headers = PRIVATE | {"Vary": "Accept", "Content-Disposition": f'attachment; filename="{filename}"'}
        super().__init__(lines, headers=headers, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._lines.aclose()


async def export_response(
    request: Request, caller: Principal, batches: Documents, columns: Sequence[str], name: str
) -> ExportResponse:
    """200 with every document, as NDJSON or CSV, whichever `Accept` prefers. Raises NotAcceptable, TooManyRequests.

    The first batch is read before the answer begins, so that an error in the statement is answered as a problem.
    """
    media_type = preferred(request.headers.getlist("accept"), (NDJSON, CSV))
    if media_type is None:
        raise NotAcceptable(f"An export is {NDJSON} or {CSV}.")
    turns: Turns = request.scope["route"].provided("exports")
    as_csv = media_type == CSV
    header, write = (_rows([columns]), partial(_csv, columns)) if as_csv else (b"", _ndjson)
    state = request.scope["state"]
    lines = _written(turns.of(caller.user_id), header, batches, write, lambda: charge_more(state, 1))
    await anext(lines)
    return ExportResponse(lines, media_type, f"{name}.{'csv' if as_csv else 'ndjson'}")


def export_described(of: Collection) -> dict[str, Any]:
    """What the OpenAPI document says about the answer. It is streamed, so it has no ETag."""
    name = of.document.__name__
    lines = f"A `{name}` a line, or what `fields` and `include` make of it."
    rows = f"A header with the names of the members, then a `{name}` a line (RFC 4180). Lists and objects are JSON."
    return {
        "description": "All that match, in the order of their ids, in the media type that `Accept` prefers.",
        "content": {
            NDJSON: {"schema": {"type": "string", "format": "binary", "description": lines}},
            CSV: {"schema": {"type": "string", "format": "binary", "description": rows}},
        },
        "headers": {"Content-Disposition": {}, "Vary": {}, "Cache-Control": {}},
    }


def export_turns(settings: Settings) -> Turns:
    """Of the exports of one account. An export lasts as long as its reader takes: no account may have all places. All
    exports together have at most half of the read lane.
    """
    refusal = partial(TooManyRequests, "You have as many exports running as one may.", retry_after=5)
    return Turns(settings.exports_per_account, 0, refusal)


async def _written(
    turn: AbstractAsyncContextManager[None],
    header: bytes,
    batches: Documents,
    write: Callable[[list[bytes]], bytes],
    charge: Callable[[], None],
) -> AsyncGenerator[bytes, None]:
    """Each batch is charged, as it costs as much as some pages do."""
    async with turn, aclosing(batches):
        first: list[bytes] = await anext(batches, [])
        yield b""  # From here on, nothing is refused.
        yield header + write(first)
        async for batch in batches:
            charge()
            yield write(batch)


def _ndjson(documents: Sequence[bytes]) -> bytes:
    """A document a line."""
    return b"".join(document + b"\n" for document in documents)


def _csv(columns: Sequence[str], documents: Sequence[bytes]) -> bytes:
    """A document a line (RFC 4180). Null is empty; embedded documents, arrays and booleans are JSON."""
    parsed = (json.loads(document) for document in documents)
    return _rows([[_cell(document[column]) for column in columns] for document in parsed])


def _rows(rows: Sequence[Sequence[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else value
