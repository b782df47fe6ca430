"""The parameters of a query string, taken one at a time, and described for the OpenAPI document."""

import re
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidInput
from shared.reads import DEFAULT_ROWS, Document, View
from shared.schemas import Text

MOST_ROWS = 100
MOST_VALUES = 100
"""Of an array, whether separated by commas or repeated."""

_MOST_PARAMETERS = 200
_ANY_TEXT: TypeAdapter[str] = TypeAdapter(Text)


class Given(dict[str, list[str]]):
    """The values of each parameter, in the order given.

    Each method takes its parameter out, so what is left at the end is unknown. Each raises InvalidInput, which names
    the parameter.
    """

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """The parameters of a raw query string."""
        try:
            # Bytes that are not UTF-8 become halves of surrogate pairs, which no parameter accepts.
            text = raw.decode(errors="surrogateescape")
            pairs = parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            raise InvalidInput("There are too many parameters.", parameter="query") from None
        given = cls()
        for name, value in pairs:
            readable = name.encode(errors="surrogateescape").decode(errors="replace")
            given.setdefault(readable, []).append(value)
        return given

    def none_left(self) -> None:
        """Refuses what no method has taken."""
        for name in self:
            raise InvalidInput("There is no such parameter.", parameter=name)

    def several(self, name: str) -> list[str]:
        """The values of an array that is there: separated by commas, repeated, or both."""
        texts = ",".join(self.pop(name)).split(",")
        if len(texts) > MOST_VALUES:
            raise InvalidInput(f"At most {MOST_VALUES} values can be given.", parameter=name)
        return texts

    def once(self, name: str, default: str = "") -> str:
        """The value of a parameter; the default when it is not given."""
        texts = self.pop(name, [default])
        if len(texts) > 1:
            raise InvalidInput("This is given more than once.", parameter=name)
        return texts[0]

    def text(self, name: str, most: int) -> str | None:
        """A text of at most so many characters; None when it is not given."""
        if name not in self:
            return None
        text = self.once(name)
        if len(text) > most:
            raise InvalidInput(f"This is longer than {most} characters.", parameter=name)
        valid(_ANY_TEXT, text, name)
        return text

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices; the first when the parameter is not given."""
        text = self.once(name, choices[0])
        if text not in choices:
            raise InvalidInput(f"This is one of: {', '.join(choices)}.", parameter=name)
        return text

    def view(self, document: type[Document]) -> View:
        """Which members of the document `fields` and `include` ask for."""
        fields = self._names("fields", document.selectable())
        return View(fields, self._names("include", document.includable()) or frozenset())

    def _names(self, name: str, allowed: list[str]) -> frozenset[str] | None:
        names = frozenset(self.several(name)) if name in self else None
        if names is not None and not names <= set(allowed):
            raise InvalidInput(f"These can be named: {', '.join(allowed) or 'none'}.", parameter=name)
        return names

    def limit(self, default: int = DEFAULT_ROWS, most: int = MOST_ROWS) -> int:
        """How many rows `limit` asks for."""
        text = self.once("limit", str(default))
        if not re.fullmatch("0*[1-9][0-9]*", text):
            message = f"This is a whole number from 1 on; more than {most} is taken as {most}."
            raise InvalidInput(message, parameter="limit")
        # Four digits tell whether it is too large; Python refuses to convert thousands of them.
        return min(int(text.lstrip("0")[:4]), most)


def valid(adapter: TypeAdapter[Any], text: str, name: str) -> Any:
    """The value that a parameter's text stands for. Raises InvalidInput."""
    try:
        return adapter.validate_strings(text)
    except ValidationError as error:
        found = error.errors()[0]
        # Pydantic's message about a UUID quotes the input.
        message = "Input should be a valid UUID" if found["type"] == "uuid_parsing" else found["msg"]
        raise InvalidInput(f"{message}.", parameter=name) from None


def parameter(
    name: str, schema: Mapping[str, Any], description: str, example: Any = None, *, by_comma: bool = False
) -> dict[str, Any]:
    """A query parameter as an object of the OpenAPI document (OpenAPI 3.1 §4.8.12). The example stands in the schema,
    from where no form is filled in with it.

    `by_comma` documents an array with commas; else the parameter is repeated. Both are accepted.
    """
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema if example is None else {**schema, "examples": [example]},
        "style": "form",
        "explode": not by_comma,
    }


def choice_of(choices: tuple[str, ...]) -> dict[str, Any]:
    """The schema of one of these, of which the first is the default."""
    return {"type": "string", "enum": [*choices], "default": choices[0], "examples": [choices[-1]]}


def cursor_of(most: int) -> dict[str, Any]:
    """The schema of a cursor. It has no example: it is signed, and bound to list and caller."""
    return {"type": "string", "minLength": 1, "maxLength": most}


def several_of(items: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an array that is not empty. `several` takes no more."""
    return {"type": "array", "items": items, "minItems": 1, "maxItems": MOST_VALUES}


def names_of(names: list[str]) -> dict[str, Any]:
    """The schema of some of these names."""
    return several_of({"type": "string", "enum": names}) | {"examples": [names[:2]]}


def view_parameters(document: type[Document]) -> list[dict[str, Any]]:
    """The parameters that `Given.view` takes."""
    found = [parameter("fields", names_of(document.selectable()), "Return only these members.", by_comma=True)]
    if includable := document.includable():
        found.append(parameter("include", names_of(includable), "Embed these as well.", by_comma=True))
    return found


def limit_of(default: int, most: int, meaning: str) -> dict[str, Any]:
    """The parameter that `Given.limit` takes."""
    schema = {"type": "integer", "minimum": 1, "default": default}
    return parameter("limit", schema, f"{meaning}; above {most} counts as {most}.", 50)


LIMIT = limit_of(DEFAULT_ROWS, MOST_ROWS, "The most rows to return")
