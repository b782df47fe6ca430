"""Clients' own keys in a path: `/{external_id:key}` takes every character, slashes included."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.convertors import Convertor, register_url_convertor

from shared.errors import InvalidInput
from shared.schemas import Key

_KEY: TypeAdapter[str] = TypeAdapter(Key)


class _KeyConvertor(Convertor[str]):
    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("key", _KeyConvertor())


def path_key(name: str) -> Callable[[Request], Awaitable[str]]:
    """The dependency of an endpoint that takes such a key. Raises InvalidInput and RequestValidationError."""

    async def key(request: Request) -> str:
        try:
            # Servers replace all bytes that are not UTF-8 by one character, which would make one key of two.
            unquote_to_bytes(request.scope.get("raw_path") or b"").decode()
            return _KEY.validate_python(request.path_params[name])
        except UnicodeDecodeError:
            raise InvalidInput("This is not UTF-8.", parameter=name) from None
        except ValidationError as error:
            raise RequestValidationError([{**found, "loc": ("path", name)} for found in error.errors()]) from error

    return key


def key_parameter(name: str) -> dict[str, Any]:
    """The parameter for the OpenAPI document, which does not look into dependencies."""
    words = "Your own key: 1 to 200 characters, slashes included."
    schema = _KEY.json_schema()
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": words, "example": "crm/42"}
