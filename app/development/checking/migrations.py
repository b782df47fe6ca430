"""What a migration may do: to the tables of its own module, and back again."""

import ast
from collections.abc import Iterator

from app.development.checking.places import Place
from app.development.checking.sources import KERNEL, Finding, last, text_of
from app.migrations import tables_named, tables_read


def changes_another(place: Place) -> Iterator[Finding]:
    """A table is changed by the migrations of its own module. Others read its rows in SQL, to fill rows of their own,
    and only after the migrations that made them.

    The journal is every module's: the entries of rows that are gone go with them.
    """
    foreign = {table: owner for table, owner in place.foreign_tables.items() if owner != KERNEL}
    for node, text, is_sql in _operated(place):
        read = tables_read(text, foreign) if is_sql else set()
        for table in sorted(tables_named(text, foreign)):
            advice = "that one's own migration changes it; depend on it by depends_on."
            if table in read:
                if foreign[table] in place.tree.depended_on(place.source):
                    continue
                advice = "to read its rows, name the newest migration of that one in depends_on."
            yield place.source.finding(node, f"{table} is a table of '{foreign[table]}': {advice}")


def _operated(place: Place) -> Iterator[tuple[ast.expr, str, bool]]:
    """The strings that operations get, and whether they are SQL; but for those that only refer: a foreign key's
    targets.
    """
    for call, name in place.source.calls():
        if last(name) in {"ForeignKeyConstraint", "ForeignKey", "create_foreign_key"}:
            continue
        if not (name.startswith(("op.", "alembic.op.")) or last(name) in {"text", "table", "Table", "execute", "SQL"}):
            continue
        for node in [*call.args, *(word.value for word in call.keywords)]:
            if (text := text_of(node)) is not None:
                yield node, text, last(name) in {"execute", "text", "SQL"}
    for call, name in place.source.calls():
        if last(name) == "create_foreign_key":  # name, source, referent, …
            yield from ((node, text, False) for node in call.args[1:2] if (text := text_of(node)))


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
        steps = [node for node in function.body if not _is_nothing(node)]
        if not steps or isinstance(steps[0], ast.Raise):
            yield place.source.finding(function, "downgrade() undoes nothing: write what undoes the upgrade.")


def imports_what_changes(place: Place) -> Iterator[Finding]:
    """A migration is frozen in time, and modules go on."""
    for node, module, _ in place.source.imports:
        if module == "modules" or module.startswith("modules."):
            yield place.source.finding(
                node, f"{module} is imported, and will change: write out what this migration needs of it."
            )


def _assigned(node: ast.stmt) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
        if isinstance(target, ast.Name):
            yield target.id


def _is_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


RULES = (changes_another, has_no_way_down, imports_what_changes)
