"""The bodies of requests: their media types, and an example of each that the server accepts."""

from typing import Any

from shared.http.edge import JSON, MERGE_PATCH


def describe_bodies(method: str, operation: dict[str, Any], document: dict[str, Any]) -> None:
    """A JSON Merge Patch (RFC 7396) has a media type of its own; JSON's is taken, too."""
    content = operation.get("requestBody", {}).get("content", {})
    for body in content.values():
        reference = body.get("schema", {}).get("$ref", "")
        schema = document["components"]["schemas"].get(reference.rpartition("/")[2])
        if schema is not None and "example" not in body:
            body["example"] = _example(schema, document["components"]["schemas"])
    if method == "PATCH" and JSON in content:
        content[MERGE_PATCH] = content[JSON]


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The schema's own example, or else an object of those of its properties."""
    if "examples" in schema:
        return schema["examples"][0]
    given = {name: _of_property(one, schemas) for name, one in schema.get("properties", {}).items()}
    return {name: examples[0] for name, examples in given.items() if examples}


def _of_property(schema: dict[str, Any], schemas: dict[str, Any]) -> list[Any]:
    """The examples of a property: of what it refers to, its only value, its own, or of its other type than null."""
    referred = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    if "properties" in referred:
        return [_example(referred, schemas)]
    if "const" in schema:
        return [schema["const"]]
    return schema.get("examples") or next((one["examples"] for one in schema.get("anyOf", ()) if "examples" in one), [])
