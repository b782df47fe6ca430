"""What is wrong with a file that a template gave: names that two things would have, or that hide what is needed."""

import ast
from collections.abc import Iterator
from pathlib import Path


class Clash(Exception):
    """A module cannot be made with these names; the message says why."""


_WITH_FIELDS = {"models.py", "schemas.py", "factories.py"}


def demand_clear(path: Path, source: str) -> None:
    """Raises Clash for source that is no Python, for a name that two things of the file have, and for a field that
    hides what it or a later one needs.
    """
    try:
        compile(source, str(path), "exec")
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise Clash(f"It would have the line `{line}`, which is no Python: choose other names.") from None
    tree = ast.parse(source)
    for name in _twice(tree.body):
        raise Clash(f"Two things in its {path.name} would be called {name}: choose other names, or a --singular.")
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef) and path.name in _WITH_FIELDS):
        for name in _hiding(kind.body):
            raise Clash(f"A field cannot be called '{name}': its {path.name} has to have that name for something else.")


def _twice(body: list[ast.stmt]) -> Iterator[str]:
    """Names that are given to more than one thing."""
    given: dict[str, object] = {}
    for node in body:
        for name, thing in _given(node):
            if given.setdefault(name, thing) != thing:
                yield name


def _given(node: ast.stmt) -> Iterator[tuple[str, object]]:
    """The names that a statement gives, and to what."""
    match node:
        case ast.ImportFrom(module=module, names=names):
            yield from ((one.asname or one.name, (module, one.name)) for one in names)
        case ast.Import(names=names):
            yield from ((one.asname or one.name, one.name) for one in names)
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, node
        case ast.Assign(targets=[ast.Name(id=name)]):
            yield name, node


def _hiding(body: list[ast.stmt]) -> Iterator[str]:
    """Members whose names are needed after they have been given a value. A value is there before its annotation."""
    hidden: set[str] = set()
    for node in body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                yield from hidden & _needed(value)
                hidden |= {name} if value is not None else set()
                yield from hidden & _needed(annotation)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield from hidden & _needed(value)
                hidden.add(name)


def _needed(node: ast.AST | None) -> set[str]:
    if node is None:
        return set()
    parts = [*ast.walk(node)]
    arguments = {part.arg for part in parts if isinstance(part, ast.arg)}
    return {part.id for part in parts if isinstance(part, ast.Name)} - arguments
