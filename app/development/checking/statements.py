"""What a module's statements touch: its own tables, in the request's transaction."""

import ast
import re
from collections.abc import Iterator

from app.development.checking.places import Place
from app.development.checking.sources import Finding, last, text_of
from app.migrations import tables_named

SQL_CALLS = frozenset({"text", "SQL", "execute", "exec_driver_sql", "literal_column", "command", "DDL", "run"})
"""Functions whose string is SQL, whatever it looks like."""
_SQL = re.compile(
    r"(?i:^\s*(?:select\b|insert\s+into\b|delete\s+from\b|update\s+\S+\s+set\b|with\s+\w+\s+as\b|truncate\s|alter\s+table\b"
    r"|drop\s+table\b|create\s+(?:table|index|trigger)\b|lock\s+table\b|copy\s+\w|merge\s+into\b))"
    r"|\b(?:SELECT|FROM|JOIN|INSERT INTO|UPDATE|DELETE FROM)\s"
)
_TRANSACTION = re.compile(
    r"^\s*(?:begin|commit|rollback|savepoint|release|start\s+transaction|set\s+transaction)\b", re.IGNORECASE
)
_WRITES = frozenset({"insert", "update", "delete"})
_PUBLISHED = "take what it shows from its Summary, ask its Api for the rest, or have it publish what you need."


def writes_sql_about_another(place: Place) -> Iterator[Finding]:
    """SQL text that names a table of another module, or the kernel's."""
    own = place.tree.attributes(place.module)
    foreign = place.foreign_tables.keys() - own
    inside = {id(part) for call, name in place.source.calls() if last(name) in SQL_CALLS for part in ast.walk(call)}
    for node, text in place.source.texts:
        if id(node) in inside or _SQL.search(text):
            for table in sorted(tables_named(text, foreign)):
                owner = place.foreign_tables[table]
                yield place.source.finding(node, f"SQL names {table}, a table of '{owner}': {_PUBLISHED}")


def makes_sql_of_parts(place: Place) -> Iterator[Finding]:
    """SQL that is put together says to no check which tables it is about, and may hold what a client sent."""
    for call, name in place.source.calls():
        if last(name) not in {"text", "SQL", "exec_driver_sql", "literal_column"} or not call.args:
            continue
        made = call.args[0]
        if isinstance(made, ast.BinOp | ast.Call) or (
            isinstance(made, ast.JoinedStr) and "{}" in (text_of(made) or "")
        ):
            yield place.source.finding(
                call,
                f"{last(name)}() gets SQL made of parts: write a statement over the models, with bindparam for values.",
            )


def ends_the_transaction(place: Place) -> Iterator[Finding]:
    """The edge opens one unit of work a request, and ends it. Nobody within commits, or opens one beside it."""
    advice = "the edge does, once all of the request is done; raise an error to undo it."
    for call, name in place.source.calls():
        if last(name) in {"commit", "rollback"}:
            yield place.source.finding(call, f".{last(name)}() is called: no module ends a transaction, {advice}")
        elif last(name) in {"unit_of_work", "UnitOfWork"}:
            yield place.source.finding(
                call,
                f"{last(name)}() begins a transaction beside the request's: take the change that the endpoint gets.",
            )
    for node, text in place.source.texts:
        inside = _TRANSACTION.search(text) and any(
            node in ast.walk(call) for call, name in place.source.calls() if last(name) in SQL_CALLS
        )
        if inside:
            yield place.source.finding(node, f"{text.split()[0]} is executed: no module ends a transaction, {advice}")


def reaches_tables_past_their_models(place: Place) -> Iterator[Finding]:
    """The metadata, `table("users")` and an Api's repository lead to tables that the module does not own."""
    for node in place.source.nodes:
        if not isinstance(node, ast.Attribute):
            continue
        dotted = place.source.dotted(node)
        if node.attr == "metadata":
            yield place.source.finding(
                node, f"{dotted or '.metadata'} leads to every table: name your own by its model."
            )
        elif node.attr == "__subclasses__":
            yield place.source.finding(node, f"{dotted or '.__subclasses__'} leads into other modules: {_PUBLISHED}")
        elif node.attr in {"resource", "provided"} and (other := place.foreign(dotted)):
            yield place.source.finding(node, f"{dotted} leads into '{other}': {_PUBLISHED}")
    for call, name in place.source.calls():
        table = text_of(call.args[0]) if call.args and last(name) in {"table", "Table", "TableClause"} else None
        if table in place.foreign_tables:
            owner = place.foreign_tables[table]
            yield place.source.finding(call, f"{last(name)}('{table}') is a table of '{owner}': {_PUBLISHED}")


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
            case ast.Attribute(value=ast.Name(id="kernel"), attr="repositories" | "resources" as attribute):
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
        if last(name) not in _WRITES or ("sqlalchemy" not in name and "sqlmodel" not in name):
            continue
        for node in ast.walk(call):
            if other := place.foreign(place.source.dotted(node)):
                yield place.source.finding(call, f"{last(name)}() is of rows of '{other}': have its Api do that.")
                break


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
        if last(name) in {"ForeignKey", "owned_by", "part_of"}:
            given += call.args[:1]
        elif last(name) == "ForeignKeyConstraint":
            given += [
                part for argument in call.args[1:2] for part in ast.walk(argument) if isinstance(part, ast.Constant)
            ]
        yield from ((node, text) for node in given if (text := text_of(node)))


def _word(node: ast.AST) -> str:
    match node:
        case ast.Name(id=word) | ast.Constant(value=str(word)) | ast.Attribute(attr=word):
            return word
    return ""


RULES = (
    writes_sql_about_another,
    makes_sql_of_parts,
    ends_the_transaction,
    reaches_tables_past_their_models,
    reaches_into_another_container,
    writes_what_it_only_sees,
    relates_to_another,
    refers_to_what_it_does_not_require,
)
"""Of files that are no tests."""
