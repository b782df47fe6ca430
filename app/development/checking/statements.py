"""What a module's statements, relationships and containers touch: its own rows."""

import ast
import re
from collections.abc import Iterator

from app.development.checking.places import PUBLISHED, Place
from app.development.checking.sources import Finding, last

_WRITES = frozenset({"insert", "update", "delete"})


def reaches_tables_past_their_models(place: Place) -> Iterator[Finding]:
    """The metadata and an Api's repository lead to tables that the module does not own."""
    for node in place.source.nodes:
        if not isinstance(node, ast.Attribute):
            continue
        dotted = place.source.dotted(node)
        if node.attr in {"metadata", "registry"} and (isinstance(node.value, ast.Call) or _is_class(node.value, place)):
            way = "leads to every table: name your own by its model."
            yield place.source.finding(node, f"{dotted or f'.{node.attr}'} {way}")
        elif node.attr == "__subclasses__":
            yield place.source.finding(node, f"{dotted or '.__subclasses__'} leads into other modules: {PUBLISHED}")
        elif node.attr in {"resource", "provided"} or re.fullmatch(r"_[a-z]\w*", node.attr):
            origin = place.source.bindings.origin(node.value)
            if other := place.foreign(origin):
                yield place.source.finding(node, f"{origin}.{node.attr} leads into '{other}': {PUBLISHED}")


def _is_class(node: ast.expr, place: Place) -> bool:
    """Whether it is called as a class is, or is the table of one."""
    name = last(place.source.dotted(node))
    return name[:1].isupper() or name == "rows"


def makes_up_a_table(place: Place) -> Iterator[Finding]:
    """`table("users")` is another way to rows that the module does not own."""
    for call, name in place.source.calls():
        if last(name) in {"table", "Table", "TableClause"}:
            given = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "name")]
            for table in (text for node in given for text in place.source.values(node)):
                if owner := place.foreign_tables.get(table):
                    told = f"{last(name)}('{table}') is a table of '{owner}': {PUBLISHED}"
                    yield place.source.finding(call, told)


def reaches_into_another_container(place: Place) -> Iterator[Finding]:
    """Of another module a container gets the api, and of the kernel what is no other module's."""
    required = place.tree.requires.get(place.module, ())
    for node in place.source.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if (
                place.is_in("container") and name in required
            ):
                yield place.source.finding(
                    node, f"{name}.{attribute} is asked for: a container gets the api of '{name}', and passes it whole."
                )
            case ast.Attribute(value=value, attr="repositories" | "resources" as attribute) if (
                place.source.dotted(value).partition(".")[0] == "kernel"
            ):
                yield place.source.finding(
                    node,
                    f"kernel.{attribute} holds the repositories of all modules: ask the Api of the one that you need.",
                )
            case ast.Attribute(attr="containers") if not place.source.dotted(node).startswith("dependency_injector"):
                yield place.source.finding(
                    node, "The containers of an application are asked for: take the api as an argument."
                )


def writes_what_it_only_sees(place: Place) -> Iterator[Finding]:
    """A Summary is for reading: its rows are another module's."""
    for call, name in place.source.calls():
        if last(name).lower() not in _WRITES:
            continue
        for node in _written(call, name):
            origin = place.source.bindings.origin(node)
            if (other := place.foreign(origin)) and "rows" in origin.split("."):
                told = f"{last(name)}() is of rows of '{other}': have its Api do that."
                yield place.source.finding(call, told)


def _written(call: ast.Call, name: str) -> Iterator[ast.expr]:
    """The table that `update(table)`, `table.update()` or `update(…)` of what holds it is about."""
    if name.partition(".")[0] in {"sa", "sqlalchemy", "sqlmodel"}:
        yield from call.args[:1]
        yield from (word.value for word in call.keywords if word.arg in {"entity", "table"})
    elif isinstance(call.func, ast.Attribute):
        yield call.func.value


def relates_to_another(place: Place) -> Iterator[Finding]:
    """A relationship loads, and cascades into, the rows of another module."""
    foreign = {name: owner for name, (owner, _) in place.tree.models.items() if owner != place.module}
    for node in place.source.nodes:
        value = node.value if isinstance(node, ast.AnnAssign | ast.Assign) else None
        if not isinstance(value, ast.Call) or last(place.source.dotted(value.func)).lower() != "relationship":
            continue
        words = {word for part in ast.walk(node) for word in re.findall(r"\w+", _word(part))}
        for name in sorted(words & foreign.keys()):
            yield place.source.finding(
                node, f"A relationship leads to {name} of '{foreign[name]}': keep its id, and embed its Summary by One."
            )


def refers_to_what_it_does_not_require(place: Place) -> Iterator[Finding]:
    """A foreign key is a dependency like an import."""
    required = {place.module, *place.tree.requires.get(place.module, ())}
    for node, text in _targets(place):
        owner = place.foreign_tables.get(text.partition(".")[0], place.module)
        if owner not in required:
            way = f"name '{owner}' in `requires` of modules/{place.module}/module.py, or do without."
            yield place.source.finding(node, f"A foreign key refers to {text} of '{owner}': {way}")


def _targets(place: Place) -> Iterator[tuple[ast.AST, str]]:
    """What foreign keys name."""
    for call, name in place.source.calls():
        given = [word.value for word in call.keywords if word.arg == "foreign_key"]
        if last(name) in {"ForeignKey", "owned_by", "part_of", "shared_by"}:
            given += [*call.args[:1], *(word.value for word in call.keywords if word.arg in {"column", "resource"})]
        elif last(name) == "ForeignKeyConstraint":
            given += [part for argument in call.args[1:2] for part in getattr(argument, "elts", ())]
        yield from ((node, text) for node in given for text in place.source.values(node))


def _word(node: ast.AST) -> str:
    match node:
        case ast.Name(id=word) | ast.Constant(value=str(word)) | ast.Attribute(attr=word):
            return word
    return ""


RULES = (
    reaches_tables_past_their_models,
    makes_up_a_table,
    reaches_into_another_container,
    writes_what_it_only_sees,
    relates_to_another,
    refers_to_what_it_does_not_require,
)
"""Of files that are no tests."""
