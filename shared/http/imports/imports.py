"""Imports: `POST …/import` receives an upload of any size before it opens the unit of work."""

import asyncio
import csv
import hashlib
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import IO, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query, Request, Response

from shared.auth import Authenticator
from shared.errors import TooManyRequests, Unauthenticated, Unavailable
from shared.http.edge import bearer_token, charge_more, kind_of, leave
from shared.http.imports.lines import I, batches, json_fields
from shared.http.reads import CSV, NDJSON
from shared.http.routes import Route, needed
from shared.schemas import Input
from shared.turns import Turns, turn
from shared.writes import Import, Imported

E = TypeVar("E", bound=Callable[..., Any])

Mode = Annotated[
    Literal["atomic", "partial"],
    Query(
        description="`atomic` imports all lines, or none if any is wrong. `partial` imports the good ones.",
        examples=["partial"],
    ),
]

IN_MEMORY = 1 << 20
"""Bytes up to which an upload is kept in memory."""

LONGEST_WAIT = 30.0
"""Seconds that an upload waits for its turn: long, since to send it again would cost more."""

_TOO_MANY_OF_ONE = partial(TooManyRequests, "You have as many imports running as one may.", retry_after=5)
_TOO_MANY_AT_WORK = partial(Unavailable, "Too many imports are running just now.")

log = logging.getLogger("trellis")


def importing(router: APIRouter, schema: type[Input], example: Mapping[str, Any]) -> Callable[[E], E]:
    """The decorator of an endpoint that imports: at `/import` of the router, each line an input of the schema.

    The endpoint takes `Annotated[Import[ProjectCreate], Depends(lines_of(ProjectCreate))]`, and gives its outcome.
    """

    def add(endpoint: E) -> E:
        router.add_api_route(
            "/import",
            endpoint,
            methods=["POST"],
            name="import",
            response_model=Imported,
            route_class_override=ImportRoute,
            openapi_extra={"requestBody": {"required": True, "content": _described(schema, example)}},
        )
        return endpoint

    return add


def lines_of(schema: type[I]) -> Callable[..., Awaitable[Import[I]]]:
    """The dependency that gives the lines of the upload."""

    async def lines(request: Request, mode: Mode = "atomic") -> Import[I]:
        upload: Upload = request.state.upload
        upload.file.seek(0)  # Another attempt starts at the beginning.
        return Import(batches(upload.file, upload.media_type, schema), partial=mode == "partial")

    return lines


class ImportRoute(Route):
    """Receives the upload first, so that a slow client holds neither a transaction nor a connection."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def receive(request: Request) -> Response:
            imports: Imports = self.provided("imports")
            async with imports.received(request) as upload:
                request.state.upload, request.state.content_digest = upload, upload.digest.digest()
                return await handle(request)

        return receive


@dataclass
class Upload:
    """A received upload."""

    file: IO[bytes]
    media_type: str
    digest: Any
    """Of all of it, for the fingerprint of an idempotency key."""
    lines: int = 0

    def add(self, chunk: bytes) -> None:
        """Append a received chunk."""
        self.file.write(chunk)
        self.lines += chunk.count(b"\n")
        self.digest.update(chunk)


class Imports:
    """Receives uploads, a few at once of each account, and limits how many imports run at once.

    An upload waits on disk. One that stalls is dropped when the time for a body is over.
    """

    def __init__(self, authenticator: Authenticator, most_at_work: int, most_of_one: int) -> None:
        """So many are at work at once, and so many of one account are there, including those that are still being
        received.
        """
        self._authenticator = authenticator
        self._turns = Turns(most_of_one, 0, _TOO_MANY_OF_ONE)
        self._at_work = asyncio.Semaphore(most_at_work)

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[Upload]:
        """The whole upload, kept until its import ends.

        Raises Unauthenticated, InsufficientScope, KeyRefused, UnsupportedMediaType, TooManyRequests and Unavailable.
        """
        token = bearer_token(request.headers)
        if token is None:
            raise Unauthenticated
        principal = await self._authenticator.principal(token, needed(request))
        media_type = kind_of(request, (NDJSON, CSV))
        async with self._turns.of(principal.user_id):
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
                upload = Upload(file, media_type, hashlib.sha256(media_type.encode() + b"\n"))
                async for chunk in request.stream():
                    await _added(upload, chunk)
                charge_more(request.scope["state"], upload.lines)
                leave(request.scope["state"])  # It has turns of its own, and takes as long as it is large.
                async with turn(self._at_work, LONGEST_WAIT, _TOO_MANY_AT_WORK):
                    yield upload


async def _added(upload: Upload, chunk: bytes) -> None:
    try:
        await asyncio.to_thread(upload.add, chunk)
    except OSError as error:
        log.exception("An upload could not be kept.")
        raise Unavailable("There is no room for an upload just now.") from error


def _described(schema: type[Input], example: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the request's body for the OpenAPI document."""
    cells = [value if isinstance(value, str) else json.dumps(value) for value in example.values()]
    rows = StringIO()
    csv.writer(rows).writerows([example, cells])
    is_plain = frozenset[str]().union(*json_fields(schema).values()) <= {"array", "null"}
    of_json = "a list" if is_plain else "what is no text"
    told = {
        NDJSON: f"A `{schema.__name__}` a line; blank lines count for nothing.",
        CSV: f"A header that names members of `{schema.__name__}`, then one a line. An empty cell is an absent member, "
        f"that of {of_json} is JSON (RFC 4180).",
    }
    examples = {NDJSON: f"{json.dumps(example)}\n", CSV: rows.getvalue()}
    return {
        media_type: {
            "schema": {"type": "string", "format": "binary", "description": told[media_type]},
            "example": examples[media_type],
        }
        for media_type in (NDJSON, CSV)
    }
