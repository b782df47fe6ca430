"""Answers that succeed: what they are, the shorter ones that a request may prefer, and the headers that they have."""

from typing import Any

from fastapi.routing import APIRoute

from shared.http.openapi.parameters import is_document
from shared.http.reads import PageOf

_DEFAULT = "Successful Response"
_HEADERS: dict[str, tuple[str, str]] = {
    "X-Request-ID": ("The id of the request: yours if it was a sane one. Quote it when you report a fault.", "019b-7f"),
    "ETag": ("The version of what is here, for `If-Match` and `If-None-Match`.", '"3-5d41402abc4b2a76b9"'),
    "Cache-Control": ("Who may keep the answer.", "private, no-cache"),
    "Deprecation": ("Since when this use of the operation is deprecated (RFC 9745).", "@1795651200"),
    "Link": (
        "What belongs to it (RFC 8288): the next page, if there is one.",
        '</api/v1/projects?cursor=eyJ>; rel="next"',
    ),
    "Location": ("Where the new one is.", "/api/v1/projects/017f22e2-79b0-7cc3-98c4-dc0c0c07398f"),
    "Idempotency-Replayed": ("`true` if this is the kept answer to an earlier request with the same key.", "true"),
    "Preference-Applied": ("The preference that was followed.", "return=minimal"),
    "Vary": ("The headers of the request that decided what is sent.", "Accept"),
    "Content-Encoding": ("How it is compressed, for those who take it so.", "gzip"),
    "Content-Disposition": ("The name to save it under.", 'attachment; filename="export.ndjson"'),
    "RateLimit-Policy": (
        "Your quota, as units and a window in seconds (draft-ietf-httpapi-ratelimit-headers-11), if there is one.",
        '"credential";q=1000;w=10',
    ),
    "RateLimit": (
        "How many units you have left, and the seconds for which they last at the pace at which they come back.",
        '"credential";r=997;t=10',
    ),
    "Retry-After": ("Seconds to wait before the next attempt.", "5"),
    "WWW-Authenticate": ("How to sign in (RFC 6750).", 'Bearer realm="trellis"'),
}


_OF_ALL = ("X-Request-ID", "RateLimit", "RateLimit-Policy")


def describe_answers(route: APIRoute, operation: dict[str, Any]) -> None:
    """Complete the answers below 400 with their words and headers."""
    answers, names = operation["responses"], {parameter["name"] for parameter in operation.get("parameters", ())}
    if "Prefer" in names and "200" in answers:
        answers["204"] = {"description": "Done. `Prefer: return=minimal` leaves the document out.", "headers": {}}
    for status, answer in answers.items():
        if status < "4":
            headers = [*answer.get("headers", ()), *_headers(route, status, names)]
            if answer["description"] == _DEFAULT:
                answer["description"] = _words(route, status, names)
            answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in dict.fromkeys(headers)}


def _headers(route: APIRoute, status: str, wishes: set[str]) -> list[str]:
    found = ["ETag", "Cache-Control"] if is_document(route) or _is_page(route) else []
    if _is_page(route) and status == "200":
        found.append("Link")
    if status == "201":
        found.append("Location")
    if "Prefer" in wishes and status in {"201", "204"}:
        found.append("Preference-Applied")
    if "Idempotency-Key" in wishes:
        found.append("Idempotency-Replayed")
    return found


def _words(route: APIRoute, status: str, wishes: set[str]) -> str:
    model = route.response_model
    kind = " ".join((model.__doc__ or "").split()) if isinstance(model, type) else ""
    if status == "204":
        return "Done."
    if status == "201":
        return f"It is made. {kind}" + " `Prefer: return=minimal` leaves the body empty." * ("Prefer" in wishes)
    return "A page of the list." if _is_page(route) else kind or "Done."


def _is_page(route: APIRoute) -> bool:
    return isinstance(route.response_model, type) and issubclass(route.response_model, PageOf)


def add_headers(document: dict[str, Any]) -> None:
    """Describe the headers, and those that each answer of a status has."""
    used = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                of_all = {name: {"$ref": f"#/components/headers/{name}"} for name in _OF_ALL}
                answer["headers"] = answer.get("headers", {}) | of_all
                used |= answer["headers"].keys()
    document["components"]["headers"] = {
        name: {"description": words, "schema": {"type": "string"}, "example": example}
        for name, (words, example) in _HEADERS.items()
        if name in used
    }
