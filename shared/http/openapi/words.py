"""Words: a paragraph for each group of operations, a summary of each operation, and who may call it."""

from collections.abc import Iterable
from typing import Any

from fastapi.routing import APIRoute

from shared.auth import PATTERN
from shared.http.batch import BatchResults, is_batchable
from shared.http.edge import Tag
from shared.http.routes import API_PREFIX, SAFE_METHODS, Route

API_KEY = "ApiKey"
"""The name of the security scheme of keys. A security requirement names the scopes that a key needs."""


def describe_keys(document: dict[str, Any]) -> None:
    """What a key is."""
    words = (
        f"An API key, made at `{API_PREFIX}/auth/keys`: it matches `{PATTERN}`. It may do what its scopes name, of "
        "what its account may. An operation that does not name this scheme is not for keys."
    )
    document["components"].setdefault("securitySchemes", {})[API_KEY] = {
        "type": "http",
        "scheme": "bearer",
        "description": words,
    }


def describe_tags(document: dict[str, Any], routes: Iterable[APIRoute]) -> None:
    """The groups, in the order of the routes, each with the paragraph that one of its routers gives."""
    tags: dict[str, str] = {}
    for tag in (tag for route in routes for tag in route.tags if isinstance(tag, Tag)):
        tags[str(tag)] = tag.about or tags.get(str(tag), "")
    document["tags"] = [{"name": name, "description": about} for name, about in tags.items()]


def describe_operation(route: APIRoute, operation: dict[str, Any], routes: Iterable[APIRoute]) -> None:
    """The summary is the first sentence of the endpoint's docstring. Without a token, anybody may call it. A batch
    tells what can be part of it.
    """
    words = " ".join(route.description.split("\n\n")[0].split())
    if words:
        operation["summary"] = words.partition(". ")[0].rstrip(".")
    operation.setdefault("security", [])
    if operation["security"] and isinstance(route, Route) and route.needed is not None:
        operation["security"] = [*operation["security"], {API_KEY: sorted(route.needed)}]
    if route.response_model is BatchResults:
        operation["description"] += "\n\nWhat can be part of one:\n\n" + "\n".join(
            f"- `{method} {one.path_format.removeprefix(API_PREFIX)}`{_body(one)}"
            for one in routes
            for method in sorted((one.methods or set()) - SAFE_METHODS)
            if isinstance(one, Route) and one is not route and is_batchable(one)
        )


def _body(route: APIRoute) -> str:
    kind = route.body_field.field_info.annotation if route.body_field is not None else None
    return f", whose body is a `{kind.__name__}`" if isinstance(kind, type) else ""
