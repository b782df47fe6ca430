"""What a module says in SQL: it names tables of its own, is not made of parts, and ends no transaction."""

import ast
import re
from collections.abc import Iterator

from app.development.checking.bindings import UNKNOWN
from app.development.checking.places import PUBLISHED, Place
from app.development.checking.sources import Finding, Source, last
from app.migrations import tables_named

_LIBRARIES = frozenset({"alembic", "psycopg", "sa", "sqlalchemy", "sqlmodel"})
_FUNCTIONS = frozenset({"DDL", "SQL", "Table", "TableClause", "TextClause", "literal_column", "table", "text"})
"""Of these libraries: functions of SQL's words."""
_METHODS = frozenset({"command", "exec", "exec_driver_sql", "execute", "run", "scalar", "scalars", "stream"})
"""Methods that may take SQL, whatever it looks like."""
_CONNECTIONS = frozenset(
    {"conn", "connection", "cursor", "database", "db", "engine", "orm", "sess", "session", "transaction", "tx", "unit"}
)
"""What values are called on which such a method does."""
_UNSAID = r"(?:\s|\(|/\*.*?\*/|--[^\n]*\n|explain\b(?:\s*\([^)]*\)|\s+analy[sz]e|\s+verbose)*)*"
_SQL = re.compile(
    rf"(?is:^{_UNSAID}(?:select\b|insert\s+into\b|delete\s+from\b|update\s+(?:only\s+)?\S+\s+(?:as\s+)?(?:\w+\s+)?set\b"
    r"|with\s+(?:recursive\s+)?\w+\s*(?:\([^)]*\)\s*)?as\b|truncate\s|alter\s+table\b|drop\s+table\b|lock\s+table\b"
    r"|create\s+(?:table|index|trigger)\b|copy\s+\S+\s+(?:\([^)]*\)\s*)?(?:from|to)\b|merge\s+into\b|table\s+\w+\s*;?\s*$))"
    r"|\b(?:SELECT|FROM|JOIN|INSERT INTO|UPDATE|DELETE FROM)\s"
)
_SENTENCE = re.compile(r"[a-z][.!?…]\s*$")
"""Text for people ends so, and SQL does not."""
_TRANSACTION = re.compile(
    rf"(?is:(?:^|;){_UNSAID}(begin|commit|end|rollback|abort|savepoint|release|(?:start|set|prepare)\s+transaction)\b)"
)
_ENDS = frozenset({"begin", "begin_nested", "commit", "rollback"})
_PROSE = frozenset({"description", "epilog", "help", "short_help", "summary", "title"})
"""Arguments that are for people."""


def names_a_table_of_another(place: Place) -> Iterator[Finding]:
    """SQL text that names a table of another module, or the kernel's."""
    for node, text in sql_in(place):
        for table in sorted(tables_named(text, place.foreign_tables)):
            owner = place.foreign_tables[table]
            yield place.source.finding(node, f"SQL names {table}, a table of '{owner}': {PUBLISHED}")


def sql_in(place: Place) -> Iterator[tuple[ast.expr, str]]:
    """The texts that are SQL: what is executed as such, and what looks like it and is not for people."""
    executed = {id(part) for argument in _executed(place.source) for part in ast.walk(argument)}
    words = (node.value for node in place.source.nodes if isinstance(node, ast.keyword) and node.arg in _PROSE)
    prose = {id(part) for value in words for part in ast.walk(value)}
    for node, text in place.source.texts:
        if id(node) in executed or (_SQL.search(text) and id(node) not in prose and not _SENTENCE.search(text)):
            yield node, text


def is_made_of_parts(place: Place) -> Iterator[Finding]:
    """SQL of which the file does not tell all says to no check which tables it is about, and may hold what a client
    sent.
    """
    for call, name in place.source.calls():
        if not (_is_function(name) or last(name) == "exec_driver_sql"):
            continue
        for given in _first(call):
            if any(UNKNOWN in text for text in place.source.values(given)):
                advice = "write a statement over the models, with bindparam for values."
                yield place.source.finding(call, f"{last(name)}() gets SQL made of parts: {advice}")


def ends_the_transaction(place: Place) -> Iterator[Finding]:
    """The edge opens one unit of work a request, and ends it. Nobody within commits, or opens one beside it."""
    advice = "the edge does, once all of the request is done; raise an error to undo it."
    source = place.source
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _is_of_connection(source, node.value):
            is_unit = last(source.bindings.origin(node.value)).strip("_") == "unit"
            if node.attr in _ENDS or (is_unit and (node.attr in {"close", "end"} or node.attr.startswith("_"))):
                yield source.finding(node, f".{node.attr}() is called: no module ends a transaction, {advice}")
    for call, name in source.calls():
        if last(name) in {"unit_of_work", "UnitOfWork"}:
            begun = f"{last(name)}() begins a transaction beside the request's: take the change that the endpoint gets."
            yield source.finding(call, begun)
    for argument in _executed(source, surely=True):
        for text in source.values(argument):
            if found := _TRANSACTION.search(re.sub(r"(?s)\$(\w*)\$.*?\$\1\$", "", text)):
                yield source.finding(argument, f"{found[1]} is executed: no module ends a transaction, {advice}")


def _executed(source: Source, *, surely: bool = False) -> Iterator[ast.expr]:
    """What functions of SQL get, and methods that may execute SQL; surely, those of connections alone."""
    for call, name in source.calls():
        func, is_executed = call.func, _is_function(name)
        if isinstance(func, ast.Attribute) and func.attr in _METHODS and not source.begun(func):
            is_executed = not surely or _is_of_connection(source, func.value)
        if is_executed:
            yield from _first(call)


def _first(call: ast.Call) -> Iterator[ast.expr]:
    """The argument that is SQL: what comes after it are parameters, or columns."""
    yield from call.args[:1]
    yield from (word.value for word in call.keywords if word.arg in {"name", "sql", "sqltext", "statement", "text"})


def _is_function(name: str) -> bool:
    root, *rest = name.split(".")
    return root in _LIBRARIES and last(name) in _FUNCTIONS and "func" not in rest


def _is_of_connection(source: Source, node: ast.expr) -> bool:
    return any(part.strip("_") in _CONNECTIONS for part in source.bindings.origin(node).lower().split("."))


RULES = (names_a_table_of_another, is_made_of_parts, ends_the_transaction)
"""Of files that are no tests."""
