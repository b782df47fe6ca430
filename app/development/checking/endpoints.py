"""What an endpoint says of itself."""

import ast
from collections.abc import Iterator

from app.development.checking.places import Place, is_within
from app.development.checking.sources import Finding, Source, last

READS = frozenset({"get", "head", "options"})
WRITES = frozenset({"post", "put", "patch", "delete"})
_CHANGES = frozenset({"CurrentChange", "PublicChange", "AdministratorsChange", "RecentChange", "Change"})
_SHAPELESS = frozenset({"dict", "Mapping", "MutableMapping", "Any", "object", "Json"})

Function = ast.FunctionDef | ast.AsyncFunctionDef
Endpoint = tuple[Function, str]
"""A function, and the method of the router that it is decorated with."""


def lets_anybody_change(place: Place) -> Iterator[Finding]:
    """Who may change something without an account is a decision: the line says why, where a reviewer sees it."""
    for function, method in _endpoints(place.source):
        for decorator in function.decorator_list:
            if method in WRITES and _is_public(place.source, decorator):
                yield place.source.finding(
                    decorator,
                    f"{function.name} lets anybody change something: ask who calls, or say here why not: `# check: …`.",
                )


def changes_by_a_read(place: Place) -> Iterator[Finding]:
    """A GET changes nothing: it has no unit of work, and clients, caches and crawlers repeat it as they like."""
    for function, method in _endpoints(place.source):
        for argument in _arguments(function):
            kinds = {last(place.source.dotted(node)) for node in ast.walk(argument.annotation or ast.Pass())}
            if method in READS and kinds & _CHANGES:
                yield place.source.finding(
                    argument,
                    f"{function.name} answers {method.upper()} and takes a change: take a POST, PUT, PATCH or DELETE.",
                )


def answers_with_a_table(place: Place) -> Iterator[Finding]:
    """A row has columns that are nobody's to see, and no policy judged it. A dictionary can hold anything."""
    for function, _ in _endpoints(place.source):
        for node in _answered(function):
            name = last(place.source.dotted(node))
            if name in place.tree.models:
                yield place.source.finding(
                    node, f"{function.name} answers with rows of {name}: answer with a Document of it."
                )
        shape = function.returns.value if isinstance(function.returns, ast.Subscript) else function.returns
        if shape is not None and last(place.source.dotted(shape)) in _SHAPELESS:
            yield place.source.finding(
                shape,
                f"{function.name} answers with what no schema describes: give it a Document, or a model of schemas.py.",
            )


def _endpoints(source: Source) -> Iterator[Endpoint]:
    for node in source.nodes:
        if isinstance(node, Function):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(called, ast.Attribute) and called.attr in READS | WRITES:
                    yield node, called.attr


def _is_public(source: Source, decorator: ast.expr) -> bool:
    """Whether this is `operation(public=True)`, or a name for it."""
    if isinstance(decorator, ast.Name):
        values = [
            node.value
            for node in source.tree.body
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == decorator.id for target in node.targets)
        ]
        return any(_is_public(source, value) for value in values)
    if not isinstance(decorator, ast.Call) or not is_within(
        source.dotted(decorator.func), "shared.http.routes.operation"
    ):
        return False
    public = next((word.value for word in decorator.keywords if word.arg == "public"), None)
    return public is not None and not (isinstance(public, ast.Constant) and not public.value)


def _arguments(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _answered(function: Function) -> Iterator[ast.AST]:
    """Where an endpoint says what it answers with."""
    if function.returns is not None:
        yield from ast.walk(function.returns)
    for decorator in function.decorator_list:
        for word in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if word.arg == "response_model":
                yield from ast.walk(word.value)


RULES = (lets_anybody_change, changes_by_a_read, answers_with_a_table)
"""Of routers."""
