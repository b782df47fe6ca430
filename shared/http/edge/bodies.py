"""The body of a request: its media type, and strict JSON (RFC 8259)."""

import codecs
import json
import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from shared.http.edge.complexity import TOO_COMPLEX, is_too_complex
from shared.http.edge.headers import elements, sole
from shared.http.edge.media_types import media_type
from shared.http.edge.problems import MalformedBody, UnsupportedMediaType

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

_ACCEPT_OF = {"PATCH": ("Accept-Patch",), "QUERY": ("Accept-Query",)}
_UTF_8 = {"utf-8", "utf8", "us-ascii"}
_BEYOND_JSON = re.compile(r'"[^"]*"?|(NaN|-?Infinity|-?[0-9]{4301,})|[0-9]+')
"""Finds, outside of strings, what Python's parser takes beyond JSON or fails on: names of numbers, and integers of too
many digits. Strings and other integers are matched whole, so that the search never begins within one.
"""


_DECODER = json.JSONDecoder(parse_constant=int)
"""Fails with a ValueError at NaN and Infinity, as `int` does."""


def kind_of(request: Request, taken: Sequence[str]) -> str:
    """The media type of the body: one of those taken, in UTF-8 and not compressed.

    Raises UnsupportedMediaType, which names them in `Accept` (RFC 9110 §15.5.16) and `Accept-Patch` (RFC 5789 §3.1),
    or in `Accept-Encoding` (RFC 9110 §12.5.3).
    """
    codings = elements(request.headers.getlist("content-encoding"))
    if {coding.lower() for coding in codings} - {"identity"}:
        raise UnsupportedMediaType("Send the body without a content coding.", {"Accept-Encoding": "identity"})
    found = media_type(sole(request.headers, "content-type"))
    charset = "utf-8" if found is None else found.parameters.get("charset", "utf-8")
    if found is None or found.name not in taken or charset.lower() not in _UTF_8:
        fields = ("Accept", *_ACCEPT_OF.get(request.method, ()))
        detail = f"Send {' or '.join(taken)} in UTF-8, with a Content-Type that says so."
        raise UnsupportedMediaType(detail, dict.fromkeys(fields, ", ".join(taken)))
    return found.name


async def json_body(request: Request) -> Any:
    """The parsed body of a request that needs one. Raises UnsupportedMediaType, MalformedBody, and
    RequestValidationError when the body is missing.
    """
    content = await request.body()
    if not content and "content-type" not in request.headers:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    kind_of(request, (MERGE_PATCH, JSON) if request.method == "PATCH" else (JSON,))
    if is_too_complex(content):
        raise RequestValidationError([TOO_COMPLEX])
    try:
        # A byte order mark may be ignored (RFC 8259 §8.1), and some programs always write one.
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise _malformed(f"This is not UTF-8 (byte {error.start})") from None
    return read_json(text)


def read_json(text: str) -> Any:
    """The value of a JSON text; the last one of a repeated member. Raises MalformedBody, which tells where the text is
    wrong.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"This is not JSON: {error}") from None
    except RecursionError:
        raise _malformed("This is nested too deeply") from None
    except ValueError:
        outline = text.replace(r"\\", "__").replace(r"\"", "__")  # As long; each quote begins or ends a string.
        at = next((match.start(1) for match in _BEYOND_JSON.finditer(outline) if match[1]), 0)
        found = json.JSONDecodeError("Not a number, or one of too many digits", text, at)
        raise _malformed(f"This is not JSON: {found}") from None


def _malformed(detail: str) -> MalformedBody:
    return MalformedBody(f"{detail}.", pointer="")
