"""What a migration may do: to the tables of its own module, and back again."""

import ast
import re
from collections.abc import Iterator

from app.development.checking.places import Place
from app.development.checking.sources import Finding, last
from app.development.checking.tree import KERNEL
from app.migrations import tables_named, tables_read

_REFERS = frozenset({"ForeignKey", "ForeignKeyConstraint", "Column", "column", "Enum", "ENUM", "bindparam", "literal"})
"""What takes names that are no table's to change: a foreign key's targets, columns, values."""
_TABLE_WORDS = frozenset({"name", "old_table_name", "source_table", "table", "table_name"})
_RULE = re.compile(r"\b(?:ck|fk|ix|pk|uq)_(\w+)")
"""The name of an index or a constraint, which begins with its table's."""
_JOURNALLED = re.compile(r"\btrellis_\w+\('(\w+)'")
"""Functions of the kernel's that write triggers of a table."""
_FORGOTTEN = re.compile(r"\s*DELETE\s+FROM\s+journal\b", re.IGNORECASE)
_ALL = re.compile(r"\b(?:DROP|ALTER)\s+(?:SCHEMA|DATABASE)\b|\b(?:DROP|REASSIGN)\s+OWNED\b", re.IGNORECASE)


def changes_another(place: Place) -> Iterator[Finding]:
    """A table is changed by the migrations of its own module. Others read its rows in SQL, to fill rows of their own,
    and only after the migrations that made them.

    Every string is looked at. The journal is every module's: the entries of rows that are gone go with them.
    """
    for node, text in _sql(place):
        named = {*tables_named(text, place.foreign_tables), *_by_rules(place, text), *_JOURNALLED.findall(text)}
        read = tables_read(text, place.foreign_tables)
        for table in sorted(named & place.foreign_tables.keys()):
            owner = place.foreign_tables[table]
            advice = "that one's own migration changes it; depend on it by depends_on."
            if table == "journal" and _FORGOTTEN.match(text):
                continue
            if table in read:
                if owner in place.tree.depended_on(place.source):
                    continue
                advice = "to read its rows, name the newest migration of that one in depends_on."
            yield place.source.finding(node, f"{table} is a table of '{owner}': {advice}")
        if _ALL.search(text):
            yield place.source.finding(node, "This is about every table, also those of others: name your own.")
    for node, table in _operated(place):
        advice = "that one's own migration changes it; depend on it by depends_on."
        yield place.source.finding(node, f"{table} is a table of '{place.foreign_tables[table]}': {advice}")


def _sql(place: Place) -> Iterator[tuple[ast.AST, str]]:
    """The strings that may be SQL: of more than a word, and neither comments nor what an exception says."""
    prose: set[int] = set()
    for node in place.source.nodes:
        if isinstance(node, ast.Raise) or (isinstance(node, ast.keyword) and "comment" in (node.arg or "")):
            prose |= {id(part) for part in ast.walk(node)}
        elif isinstance(node, ast.Call) and last(place.source.dotted(node.func)).endswith("_comment"):
            prose |= {id(part) for argument in node.args[1:] for part in ast.walk(argument)}
    for node, text in place.source.texts:
        if id(node) not in prose and re.search(r"\s", text.strip()):
            yield node, text


def _operated(place: Place) -> Iterator[tuple[ast.AST, str]]:
    """The tables of others that operations get by name, or by the name of an index or a constraint."""
    own = _functions(place)
    for call, name in place.source.calls():
        is_operation = name in own or name.partition(".")[0] in {"alembic", "op", "sa", "sqlalchemy"}
        if not is_operation or last(name) in _REFERS:
            continue
        named = 1 if last(name).endswith("_column") else 2  # Then the second name is the column's.
        given = [*call.args[:named], *(word.value for word in call.keywords if word.arg in _TABLE_WORDS)]
        for node in given:
            for text in place.source.values(node):
                tables = () if re.search(r"\s", text) else {text.removeprefix("public."), *_by_rules(place, text)}
                yield from ((node, table) for table in sorted(place.foreign_tables.keys() & tables))


def _functions(place: Place) -> set[str]:
    return {node.name for node in place.source.nodes if isinstance(node, ast.FunctionDef)}


def _by_rules(place: Place, text: str) -> Iterator[str]:
    """The tables whose indexes and constraints a text names, by the convention of names."""
    for name in _RULE.findall(text):
        yield max((table for table in place.tree.tables if f"{name}_".startswith(f"{table}_")), key=len, default="")


def has_no_way_down(place: Place) -> Iterator[Finding]:
    """An upgrade can be taken back, also a year later."""
    defined = [
        node for node in place.source.tree.body if isinstance(node, ast.FunctionDef) and node.name == "downgrade"
    ]
    if "revision" not in {name for node in place.source.tree.body for name in _assigned(node)}:
        return
    if not defined:
        yield place.source.finding(place.source.tree, "There is no downgrade(): write what undoes the upgrade.")
    for function in defined:
        if any(isinstance(step, ast.Raise) for step in function.body) or not _operates(place, function):
            yield place.source.finding(function, "downgrade() undoes nothing: write what undoes the upgrade.")


def _operates(place: Place, function: ast.FunctionDef) -> bool:
    """Whether a function, or one of the file's that it calls, asks Alembic for anything."""
    own = _functions(place)
    called = {place.source.dotted(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    return any(name in own or name.startswith(("alembic.", "op.")) for name in called)


def imports_what_changes(place: Place) -> Iterator[Finding]:
    """A migration is frozen in time, and modules, the kernel and the migrations of others go on."""
    frozen = {"app", "migrations", "modules", "tests", *(() if place.module == KERNEL else ("shared",))}
    advice = "and will change: write out what this migration needs of it."
    for node, module, _ in place.source.imports:
        if module.partition(".")[0] in frozen:
            yield place.source.finding(node, f"{module} is imported, {advice}")
    for call, name in place.source.calls():
        if name in {"__import__", "importlib.import_module"}:
            yield place.source.finding(call, f"{name} is called: what it loads is imported, {advice}")


def _assigned(node: ast.stmt) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
        if isinstance(target, ast.Name):
            yield target.id


RULES = (changes_another, has_no_way_down, imports_what_changes)
