"""The files that pages load: our own, and those of Swagger UI, which fastapi-offline brings along."""

import hashlib
from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from shared.http.reads import Content

_OWN = Path(__file__).parent / "static"
SWAGGER_UI = Path(fastapi_offline.__file__).parent / "static"
_FILES = {
    **{file.name: file for file in _OWN.iterdir()},
    **{name: SWAGGER_UI / name for name in ("swagger-ui-bundle.js", "swagger-ui.css")},
}
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_A_YEAR = "public, max-age=31536000, immutable"


def asset_url(name: str) -> str:
    """Where a page finds the file. The URL changes with the content, so the file may be kept for long."""
    return f"/static/{name}?v={_digest(name)}"


async def asset(request: Request) -> Response:
    """`GET /static/{name}`."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise HTTPException(404)
    # Another release's page asks for another version: what it gets instead is not kept in that one's place.
    is_known = request.query_params.get("v") == _digest(name)
    return _content(name, _FOR_A_YEAR if is_known else "no-cache").answer(request)


@cache
def _content(name: str, caching: str) -> Content:
    file = _FILES[name]
    media_type = f"{_MEDIA_TYPES[file.suffix]}; charset=utf-8"
    return Content(file.read_bytes(), media_type, {"Cache-Control": caching})


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_FILES[name].read_bytes()).hexdigest()[:12]
