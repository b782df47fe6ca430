"""Keys of the clients' own in a path: `/{external_id:key}` takes every character that there is, slashes included."""

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
    """The dependency of an endpoint that takes such a key. Raises InvalidInput and RequestValidationError, by name."""

    async def key(request: Request) -> str:
        try:
            # Servers put one character in the place of all bytes that are no UTF-8, and two keys would become one.
            unquote_to_bytes(request.scope.get("raw_path") or b"").decode()
            return _KEY.validate_python(request.path_params[name])
        except UnicodeDecodeError:
            raise InvalidInput("This is no UTF-8.", parameter=name) from None
        except ValidationError as error:
            raise RequestValidationError([{**found, "loc": ("path", name)} for found in error.errors()]) from error

    return key


def key_parameter(name: str) -> dict[str, Any]:
    """What the OpenAPI document says of it, which does not look into dependencies."""
    return {"name": name, "in": "path", "required": True, "schema": _KEY.json_schema()}
