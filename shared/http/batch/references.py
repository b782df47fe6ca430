"""References: an operation of a batch takes a value from an earlier result, by JSON Pointer (RFC 6901).

In a body, `{"$ref": "/0/id"}` stands for the `id` in the first operation's answer; in a path, `{/0/id}` does.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError

from shared.errors import TooLarge

Place = tuple[str | int, ...]
"""Where in the batch: the steps of a JSON Pointer into its body."""

Find = Callable[[object, Place], Any]
"""From a reference and its place to its value."""

DEEPEST = 64
"""How deep a value in a batch may be nested: far more than any schema needs."""

_POINTER = re.compile(r"/(0|[1-9][0-9]{0,3})((?:/(?:[^~/]|~[01])*)*)")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_IN_PATH = re.compile(r"\{([^{}]*)\}")


def invalid(place: Place, message: str, code: str = "invalid_reference") -> RequestValidationError:
    """The error for a value that the schema allows and the batch does not."""
    return RequestValidationError([{"type": code, "loc": ("body", *place), "msg": message}])


def filled(value: Any, find: Find, place: Place) -> Any:
    """A copy of a JSON value, with each reference replaced by its value."""
    if len(place) > DEEPEST:
        raise invalid(place, "Input should not be nested so deeply", "nested_too_deeply")
    if isinstance(value, dict):
        if value.keys() == {"$ref"}:
            return find(value["$ref"], place)
        return {name: filled(item, find, (*place, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, find, (*place, index)) for index, item in enumerate(value)]
    return value


def filled_path(path: str, find: Find, place: Place) -> str:
    """A path with its references replaced. Values are quoted, so that each stays within its segment."""

    def text(match: re.Match[str]) -> str:
        value = find(match[1], place)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise invalid(place, "A reference in a path should lead to a text or a number")
        return quote(str(value), safe="", errors="replace")

    return _IN_PATH.sub(text, path)


class Results:
    """The results of the operations so far."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes` limits the JSON that all references bring in: a few references can copy very much."""
        self._answers: list[Any] = []
        self._bytes_left = most_bytes

    def add(self, content: bytes) -> None:
        """The next operation's answer, as JSON."""
        self._answers.append(json.loads(content))

    def find(self, reference: object, place: Place) -> Any:
        """The value of a reference. Raises RequestValidationError when there is none, and TooLarge."""
        index, steps = parsed(reference, place, len(self._answers))
        value = self._answers[index]
        for step in steps:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
                value = value[int(step)]
            else:
                raise invalid(place, "There is nothing where this reference leads")
        self._bytes_left -= len(json.dumps(value))
        if self._bytes_left < 0:
            raise TooLarge
        return value


def parsed(reference: object, place: Place, position: int) -> tuple[int, Sequence[str]]:
    """The index of an earlier operation, and the steps into its answer. Raises RequestValidationError."""
    found = _POINTER.fullmatch(reference) if isinstance(reference, str) else None
    if found is None:
        raise invalid(place, "A reference should be a JSON Pointer such as /0/id, from the index of an operation on")
    if int(found[1]) >= position:
        raise invalid(place, "A reference should lead to an earlier operation")
    return int(found[1]), [step.replace("~1", "/").replace("~0", "~") for step in found[2].split("/")[1:]]
