"""An example of each operation, taken from the examples, defaults and types of the document."""

import json
import shlex
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from urllib.parse import quote, urlencode

from tests.openapi.alternatives import ANYTHING, Json, Schema, alternatives, of_the_whole
from tests.openapi.operations import Operation, resolved

OF_FORMAT = {
    "uuid": "019c2f4e-0000-7000-8000-000000000000",
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "ada@example.com",
    "password": "correct horse battery staple",
}


@dataclass
class Example:
    """A request that the document allows. `body` is a JSON value, or text of another media type."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def target(self) -> str:
        """Path and query."""
        return self.path + (f"?{urlencode(self.query)}" if self.query else "")

    @property
    def content(self) -> str | None:
        """The body as it is sent."""
        kind = self.headers.get("Content-Type", "")
        if self.body is None:
            return None
        if kind.endswith("x-www-form-urlencoded"):
            return urlencode(self.body)
        return self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)


def example(operation: Operation) -> Example:
    """With what is required, and what the document has an example for in the body."""
    document = operation.document
    found = Example(operation.method.upper(), operation.path)
    for parameter in operation.parameters.values():
        if parameter.get("required"):
            value = _of(document, parameter)
            text = value if isinstance(value, str) else json.dumps(value)
            if parameter["in"] == "path":
                found.path = found.path.replace(f"{{{parameter['name']}}}", quote(text, safe=""))
            elif parameter["in"] == "query":
                found.query.append((parameter["name"], text))
            elif parameter["in"] == "header":
                found.headers[parameter["name"]] = text
    found.query += operation.node.get("x-example-query", {}).items()
    body = resolved(document, operation.node.get("requestBody", {}))
    for kind, media in list(body.get("content", {}).items())[:1]:
        found.headers["Content-Type"] = kind
        found.body = _of(document, media)
    return found


def curl(operation: Operation) -> str:
    """The example as a command. `$URL` is the server, `$TOKEN` an access token."""
    request = example(operation)
    lines = [f'"$URL{request.target}"']
    lines += ['-H "Authorization: Bearer $TOKEN"'] if all(operation.ways_in) else []
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    if request.content is not None:
        lines.append(f"--data-binary {shlex.quote(request.content)}")
    method = "" if request.method == "GET" else f"-X {request.method} "
    return f"curl {method}" + " \\\n  ".join(lines)


def _of(document: Json, node: Json) -> Any:
    """That of a parameter or media type: what it gives, or else what its schema gives."""
    given = [node["example"]] if "example" in node else []
    given += [resolved(document, each).get("value") for each in node.get("examples", {}).values()]
    return given[0] if given else value_of(document, node.get("schema", True))


def value_of(document: Json, schema: Schema) -> Any:
    """A value that fits the schema: an example, the default, or one made of types and bounds."""
    for keyword in ("example", "examples", "default"):
        given = of_the_whole(document, schema, keyword)
        if given is not None:
            return given[0] if keyword == "examples" else given
    found = alternatives(document, schema)
    kind = next((each for each in found if each.kind != "null"), None)
    if kind is None:
        return None
    if kind.values:
        return json.loads(min(value.json for value in kind.values))
    return _made(document, kind.kind, kind.keywords)


def _made(document: Json, kind: str, keywords: Json) -> Any:
    if kind == "object":
        properties = keywords.get("properties", {})
        required = [name for name in keywords.get("required", ()) if name in properties]
        told = [name for name in properties if of_the_whole(document, properties[name], "examples")]
        return {name: value_of(document, properties[name]) for name in dict.fromkeys(chain(required, told))}
    if kind == "array":
        return [value_of(document, keywords.get("items", True)) for _ in range(keywords.get("minItems", 0))]
    if kind == "string":
        made = OF_FORMAT.get(keywords.get("format", ""), "example")
        return made.ljust(keywords.get("minLength", 0), "e")[: keywords.get("maxLength")]
    made_of: dict[str, Any] = {"boolean": True, "integer": keywords.get("minimum", 1), ANYTHING: "example"}
    return made_of.get(kind, keywords.get("minimum", 1))
