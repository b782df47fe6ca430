"""The method QUERY (RFC 10008): what a list takes in its query string may come as JSON in the body instead, which has
room for more and stays out of logs. From here on it is the GET that means the same.
"""

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.types import Scope

from shared.errors import InvalidInput
from shared.http.edge import json_body

QUERY = "QUERY"


async def as_get(request: Request) -> Scope:
    """The request as a GET: each member of the body is a parameter; its value is a string, a number, a boolean, or an
    array of these. Raises UnsupportedMediaType, MalformedBody, InvalidInput and RequestValidationError.
    """
    if request.scope["query_string"]:
        raise InvalidInput("A QUERY has its parameters in the body.", parameter="query")
    body = await json_body(request)
    if not isinstance(body, dict):
        found = {"type": "dict_type", "loc": ("body",), "msg": "Input should be a valid dictionary"}
        raise RequestValidationError([found])
    pairs = [(name, _text(name, value)) for name, values in body.items() for value in _several(name, values)]
    return {**request.scope, "method": "GET", "query_string": urlencode(pairs).encode()}


def _several(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list):
        return [values]
    if any(isinstance(value, str) and "," in value for value in values):
        raise InvalidInput("Commas separate the values of an array: none can have one.", parameter=name)
    return values or [""]


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidInput("This is a string, a number, a boolean, or an array of these.", parameter=name)
