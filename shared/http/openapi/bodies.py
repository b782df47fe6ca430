"""The bodies of requests."""

from typing import Any

from shared.http.edge import JSON, MERGE_PATCH


def describe_bodies(method: str, operation: dict[str, Any]) -> None:
    """A JSON Merge Patch (RFC 7396) has a media type of its own; JSON's is taken, too."""
    content = operation.get("requestBody", {}).get("content", {})
    if method == "PATCH" and JSON in content:
        content[MERGE_PATCH] = content[JSON]
