"""Problems: which ones each operation can answer."""

from typing import Any

from shared.http.edge import Problem

_REFERENCE = "#/components/schemas/{model}"


def add_problem_schemas(document: dict[str, Any]) -> None:
    """Add the schema of problem documents."""
    problem = Problem.model_json_schema(ref_template=_REFERENCE, mode="serialization")
    document["components"]["schemas"] |= problem.pop("$defs") | {"Problem": problem}
