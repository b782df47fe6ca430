"""Problems: which ones each operation can answer, by status and code.

They are what its functions raise (raises.py): the endpoint with all that it calls, its dependencies, and the functions
of the kernel that every request of its kind passes.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi.params import Form
from fastapi.routing import APIRoute

from shared.auth import InsufficientScope, InvalidToken, KeyRefused
from shared.errors import DomainError, InvalidInput, NotFound
from shared.http.batch import BatchFailed, is_batchable
from shared.http.edge import MEDIA_TYPE, Problem, QuotaExceeded, RequestContext, headers_of, json_body, status_of
from shared.http.openapi.raises import Errors, Raises
from shared.http.routes import Mutations, Route, Wishes, as_get, functions_of
from shared.writes import Change, Idempotency, PreconditionFailed, PreconditionRequired, TooMuchKept, VersionMismatch

REFERENCE = "#/components/schemas/{model}"

Json = dict[str, Any]


class Problems:
    """Finds and describes the problems of an application's operations."""

    def __init__(self, raises: Raises, routes: Sequence[APIRoute]) -> None:
        self._raises = raises
        self._routes = routes

    def of(self, route: APIRoute) -> Errors:
        """Every error that an operation of the route can answer."""
        found = self._own(route) | self._raises.errors_of(RequestContext.__call__, RequestContext)
        if route.body_field is not None and not isinstance(route.body_field.field_info, Form):
            found |= self._raises.errors_of(json_body)
        if isinstance(route, Route) and route.changes:
            found |= self._raises.errors_of(Mutations.run, Mutations)
        if _is_never_refused(route):
            found -= {QuotaExceeded}
        if isinstance(route, Route) and route.needed is None:
            return found - {InsufficientScope}
        return found - {KeyRefused} - ({InsufficientScope} if isinstance(route, Route) and not route.needed else set())

    def describe(self, operation: Json, route: APIRoute) -> Errors:
        """Describe them as answers of the operation. What was described: its components are to be added."""
        found = self.of(route)
        within = self._statuses_within_batches() if BatchFailed in found else set()
        answers = {status: answer for status, answer in operation["responses"].items() if status < "400"}
        operation["responses"] = answers | problem_responses(found, within)
        return found

    def of_query(self, route: APIRoute) -> Errors:
        """Those of a list that is asked by QUERY."""
        return self.of(route) | self._raises.errors_of(as_get)

    def _own(self, route: APIRoute) -> Errors:
        """Those that an operation of the route can answer within a batch, too."""
        kind: Any = type(route)
        found = self._raises.errors_of(route.endpoint)
        for function, taken in functions_of(route):
            found |= self._raises.errors_of(function) | ({InvalidInput} if taken - {str} else set())
        if not isinstance(route, Route):
            return found
        if kind.get_route_handler is not Route.get_route_handler:
            found |= self._raises.errors_of(kind.get_route_handler, kind)
        if route.changes:
            found |= self._raises.errors_of(Wishes.of if route.traits.repeatable else Wishes.none_in, Wishes)
        # What is made is compared with nothing, though what it is part of may be locked for it; and what takes no
        # precondition fails none.
        if route.status_code == 201 or (route.changes and not route.traits.repeatable):
            never = (PreconditionFailed, PreconditionRequired)
            found = frozenset(error for error in found if not issubclass(error, never))
        if route.changes and route.traits.repeatable:
            found |= self._raises.errors_of(Idempotency.begin, Idempotency)
            found |= self._raises.errors_of(Idempotency.keep, Idempotency)
            if VersionMismatch not in found:  # There is no row that a precondition could be compared with.
                found |= self._raises.errors_of(Change.demand_settled, Change)
        # A public operation goes on without a caller.
        return found - set(route.traits.never) - ({InvalidToken} if route.traits.public else set())

    def _statuses_within_batches(self) -> set[int]:
        """The statuses of refusals that make a batch fail, and of an operation that there is not."""
        batchable = [one for one in self._routes if isinstance(one, Route) and is_batchable(one)]
        # A batch's answer is kept as a whole.
        refusals = (error for route in batchable for error in self._own(route) - {TooMuchKept})
        return {status for status in map(status_of, refusals) if 400 < status < 500} | {405}


def _is_never_refused(route: APIRoute) -> bool:
    """Whether it is served however much its client has asked."""
    return route.traits.urgent if isinstance(route, Route) else "health" in route.tags


def problem_responses(errors: Errors, within_batches: Iterable[int] = ()) -> Json:
    """The answers with these problems, by status. BatchFailed has the status of the operation that failed."""
    by_status: dict[int, set[type[DomainError]]] = defaultdict(set)
    for error in errors - {BatchFailed}:
        by_status[status_of(error)].add(error)
    for status in within_batches:
        by_status[status].add(BatchFailed)
    return {
        str(status): _response(sorted(by_status[status], key=lambda error: error.code)) for status in sorted(by_status)
    }


def components_of(errors: Iterable[type[DomainError]]) -> tuple[Json, Json]:
    """The schemas and the examples of problems, by name."""
    base = Problem.model_json_schema(ref_template=REFERENCE, mode="serialization")
    schemas: Json = {}
    examples: Json = {}
    for error in sorted(errors, key=lambda error: error.code):
        schema, definitions = _schema(error, base)
        schemas |= definitions | {error.__name__: schema}
        examples[error.code] = {"summary": error.title, "value": _example(error, schema["properties"])}
    return schemas, examples


def _response(errors: list[type[DomainError]]) -> Json:
    references = {error.code: REFERENCE.format(model=error.__name__) for error in errors}
    schema: Json = {"$ref": references[errors[0].code]}
    if len(errors) > 1:
        one_of = [{"$ref": reference} for reference in references.values()]
        schema = {"oneOf": one_of, "discriminator": {"propertyName": "code", "mapping": references}}
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in references}
    names = {name for error in errors for name in headers_of(error)}
    return {
        "description": " ".join(f"`{error.code}`: {error.describe()}" for error in errors),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)},
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def _schema(error: type[DomainError], base: Json) -> tuple[Json, Json]:
    """The schema of the error's problem, and those that it refers to."""
    extra: Json = {"properties": {}, "required": [*error.members]}
    if error.document is not None:
        extra |= error.document.model_json_schema(ref_template=REFERENCE, mode="serialization")
    properties = {**base["properties"], **extra["properties"]}
    for name, value in _constants(error).items():
        said = properties.get(name, {}).get("description", f"Always `{value}`.")
        properties[name] = {"type": "string", "description": said, "enum": [value]}
    schema = {
        "title": error.__name__,
        "type": "object",
        "description": error.describe(),
        "properties": properties,
        "required": [*dict.fromkeys([*base["required"], *extra.get("required", [])])],
    }
    return schema, {**base.get("$defs", {}), **extra.get("$defs", {})}


def _constants(error: type[DomainError]) -> Json:
    """What programs decide by. A constant `status` or `title` becomes an enumeration in generated clients, a constant
    boolean code that does not work.
    """
    return {"code": error.code, **error.members}


def _example(error: type[DomainError], properties: Json) -> Json:
    by_name = {name: found["examples"][0] for name, found in properties.items() if found.get("examples")}
    by_name |= {"type": f"/problems/{error.code}", "title": error.title, "detail": error.describe()}
    by_name |= {"status": int(status_of(error)), "retryable": error.retryable}
    by_name |= {"instance": "/api/v1/projects", "request_id": "019c2f4e-0000-7000-8000-000000000000"}
    if error is BatchFailed:
        by_name["problem"] = _example(NotFound, {name: {} for name in Problem.model_fields})
    return {name: value for name, value in (by_name | _constants(error)).items() if name in properties}
