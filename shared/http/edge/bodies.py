"""The body of a request: of which kind it may be, and JSON as RFC 8259 has it."""

import codecs
import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from shared.http.edge.complexity import MESSAGE, TOO_COMPLEX, is_too_complex
from shared.http.edge.headers import elements, sole
from shared.http.edge.media_types import media_type
from shared.http.edge.problems import MalformedBody, UnsupportedMediaType

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

_UTF_8 = {"utf-8", "utf8", "us-ascii"}
_BEYOND_JSON = re.compile(r'"[^"]*"?|(NaN|-?Infinity|-?[0-9]{4301,})|[0-9]+')
"""What Python's parser takes, or stumbles upon, outside of strings: names of numbers, and integers of too many digits.
Strings and other integers are matched whole, so that no character of them is the start of another look.
"""


def kind_of(request: Request, taken: Sequence[str]) -> str:
    """The media type of the body, which is one of those taken, in UTF-8 and not compressed.

    Raises UnsupportedMediaType, which names them in `Accept` (RFC 9110 §15.5.16) and `Accept-Patch` (RFC 5789 §3.1),
    or in `Accept-Encoding` (RFC 9110 §12.5.3).
    """
    codings = elements(request.headers.getlist("content-encoding"))
    if {coding.lower() for coding in codings} - {"identity"}:
        raise UnsupportedMediaType("The body is to come as it is, without a coding.", {"Accept-Encoding": "identity"})
    found = media_type(sole(request.headers, "content-type"))
    charset = "utf-8" if found is None else found.parameters.get("charset", "utf-8")
    if found is None or found.name not in taken or charset.lower() not in _UTF_8:
        fields = ("Accept", "Accept-Patch") if request.method == "PATCH" else ("Accept",)
        detail = f"The body is to be {' or '.join(taken)}, in UTF-8, and its Content-Type is to say so."
        raise UnsupportedMediaType(detail, dict.fromkeys(fields, ", ".join(taken)))
    return found.name


async def json_body(request: Request) -> Any:
    """The body of a request that has to have one. Raises UnsupportedMediaType, MalformedBody, and
    RequestValidationError where there is none.
    """
    content = await request.body()
    if not content and "content-type" not in request.headers:
        raise RequestValidationError([{"type": "missing", "loc": ("body",), "msg": "Field required"}])
    kind_of(request, (MERGE_PATCH, JSON) if request.method == "PATCH" else (JSON,))
    if is_too_complex(content):
        raise RequestValidationError([{"type": TOO_COMPLEX, "loc": ("body",), "msg": MESSAGE}])
    try:
        # A byte order mark may be ignored (RFC 8259 §8.1), and some programs cannot but write one.
        text = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise _malformed(f"This is no UTF-8 (byte {error.start})") from None
    return read_json(text)


def read_json(text: str) -> Any:
    """What a JSON text says: of a member that is there twice, the last. Raises MalformedBody, which tells where it is
    wrong.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"This is no JSON: {error}") from None
    except RecursionError:
        raise _malformed("This is nested too deeply") from None
    except ValueError:
        at = next((match.start(1) for match in _BEYOND_JSON.finditer(_without_escapes(text)) if match[1]), 0)
        found = json.JSONDecodeError("No number, or one of too many digits", text, at)
        raise _malformed(f"This is no JSON: {found}") from None


def _without_escapes(text: str) -> str:
    """The text with as many characters, of whose quotes each begins or ends a string."""
    return text.replace(r"\\", "__").replace(r"\"", "__")


def _no_number(_: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _malformed(detail: str) -> MalformedBody:
    return MalformedBody(f"{detail}.", pointer="")
