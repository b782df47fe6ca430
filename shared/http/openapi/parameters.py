"""Parameters: those that every change takes, where they do something, and words for ids in paths."""

from collections.abc import Sequence
from typing import Any

from fastapi.routing import APIRoute

from shared.http.routes import DRY_RUN, IDEMPOTENCY_KEY, IF_MATCH, PREFER, SAFE_METHODS, Route
from shared.reads import Document

_ID = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
"""The UUIDv7 of RFC 9562 §A.6."""


def add_wishes(route: APIRoute, routes: Sequence[APIRoute], operation: dict[str, Any]) -> None:
    """Add the parameters of a change."""
    if not isinstance(route, Route) or not route.traits.repeatable or (route.methods or set()) <= SAFE_METHODS:
        return
    wishes = [IDEMPOTENCY_KEY, DRY_RUN]
    if _has_version(route, routes):
        wishes.insert(0, IF_MATCH)
    if is_document(route):  # Without one, the answer is minimal already.
        wishes.append(PREFER)
    parameters = operation.setdefault("parameters", [])
    parameters += [wish for wish in wishes if wish not in parameters]


def is_document(route: APIRoute) -> bool:
    """Whether it answers with the document of a row."""
    return isinstance(route.response_model, type) and issubclass(route.response_model, Document)


def _has_version(route: Route, routes: Sequence[APIRoute]) -> bool:
    """Whether it changes a row that there is: one that the path names, or the one that a GET of the path shows."""
    reads = (one for one in routes if one.path_format == route.path_format and "GET" in (one.methods or ()))
    return route.traits.about is not None or any(is_document(one) for one in reads)


def describe_parameters(operation: dict[str, Any]) -> None:
    """An id in a path is told by its name, and has an example."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "path":
            continue
        if parameter["schema"].get("format") == "uuid":
            parameter.setdefault("description", f"The id of the {parameter['name'].removesuffix('_id')}.")
            parameter.setdefault("example", _ID)
        for example in parameter["schema"].pop("examples", []):
            parameter.setdefault("example", example)  # From here, forms are filled in with it.
