"""The line of a request in the log, and its count in the metrics."""

from starlette.types import Scope

from shared.observing import OTHER, Activity, Lines, Tallies

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE", "CONNECT"))
LONGEST_PATH = 200  # characters
LEAST_TOLD = 0.001
"""Seconds in the queue: whoever finds a place at once has less."""


def write_line(lines: Lines, scope: Scope, activity: Activity, seconds: float) -> None:
    """Tell of a request that has ended. Of its query string, whose values may be secrets, the line only says that there
    was one.
    """
    client = scope.get("client")
    path = scope.get("raw_path", b"")[:LONGEST_PATH].decode("ascii", "replace")
    method = scope["method"]
    rarely: dict[str, object] = {}
    if activity.queue_seconds >= LEAST_TOLD:
        rarely["queue_ms"] = round(activity.queue_seconds * 1000, 3)
    if activity.wait_seconds:
        rarely["wait_ms"] = round(activity.wait_seconds * 1000, 3)
    if activity.retries:
        rarely["retries"] = activity.retries
    if activity.sqlstates:
        rarely["sqlstates"] = activity.sqlstates
    if activity.span is not None:
        rarely["trace_id"] = activity.span.trace_id
    lines.info(
        f"{method} {activity.name} {activity.status}",
        request_id=activity.id,
        principal=None if activity.principal is None else str(activity.principal),
        client=client[0] if client else None,
        method=method,
        route=activity.name,
        path=f"{path}?REDACTED" if scope["query_string"] else path,
        status=activity.status,
        duration_ms=round(seconds * 1000, 3),
        statements=activity.statements,
        statements_ms=round(activity.statement_seconds * 1000, 3),
        bytes=activity.bytes,
        **rarely,
    )


def count(tallies: Tallies, scope: Scope, activity: Activity, seconds: float) -> None:
    """Count a request that has ended, by method, template of the route, and status."""
    tallies.add((known_method(scope), activity.name, str(activity.status)), activity, seconds)


def known_method(scope: Scope) -> str:
    """Its method, or the one word for all that clients invent."""
    method: str = scope["method"]
    return method if method in METHODS else OTHER
