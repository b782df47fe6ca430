"""What a module publishes in its `api.py`, one line a name: what others rely on, and what breaks them.

It is read from the source, so the types stand there as their author wrote them.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.development.checking import Tree
from app.development.checking.sources import Source, text_of

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign


class Difference(NamedTuple):
    """A change of what a module publishes."""

    sentence: str
    is_breaking: bool


def interface(tree: Tree, module: str) -> list[str]:
    """The names of a module's `api.py`, each with its signature or its fields; none if it has no such file."""
    source = tree.sources.get(f"modules/{module}/api.py")
    return [] if source is None else [line for name in _published(source) for line in _lines(tree, source, name)]


def differences(module: str, old: Sequence[str], new: Sequence[str]) -> list[Difference]:
    """What changed, with what breaks others first."""
    was, now = ({_name(line): line for line in lines} for lines in (old, new))
    found = [Difference(f"removed: `{was[name]}` of {module}", True) for name in was if name not in now]
    for name in was.keys() & now.keys():
        if was[name] != now[name]:
            fits = _still_fits(was[name], now[name])
            found.append(Difference(f"changed: `{was[name]}` → `{now[name]}` of {module}", not fits))
    found += [Difference(f"added: `{now[name]}` of {module}", False) for name in now if name not in was]
    return sorted(found, key=lambda each: (not each.is_breaking, each.sentence))


def _published(source: Source) -> list[str]:
    """The names in `__all__`, or else those that the file defines."""
    for node in source.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)):
                return sorted(text for name in names if (text := text_of(name)))
    return sorted(name for node in source.tree.body for name in _defined(node) if not name.startswith("_"))


def _lines(tree: Tree, source: Source, name: str) -> Iterator[str]:
    found = _definition(tree, source, name)
    if found is None:
        yield name
        return
    source, node = found
    match node:
        case ast.ClassDef():
            version = (f"version={ast.unparse(word.value)}" for word in node.keywords if word.arg == "version")
            yield f"class {name}({', '.join([*map(ast.unparse, node.bases), *version])})"
            yield from sorted(_members(tree, source, name, node))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield _signature(name, node)
        case ast.AnnAssign():
            yield f"{name}: {ast.unparse(node.annotation)}"
        case _:
            yield name


def _members(tree: Tree, source: Source, name: str, node: ast.ClassDef) -> Iterator[str]:
    """The fields and methods of a class, and of those of the module's own that it is made of."""
    for base in node.bases:
        found = _definition(tree, source, base.id) if isinstance(base, ast.Name) else None
        if found is not None and isinstance(found[1], ast.ClassDef):
            yield from _members(tree, found[0], name, found[1])
    for member in node.body:
        match member:
            case ast.AnnAssign(target=ast.Name(id=field)) if not field.startswith("_"):
                yield f"{name}.{field}: {ast.unparse(member.annotation)}"
            case ast.FunctionDef(name=method) | ast.AsyncFunctionDef(name=method) if not method.startswith("_"):
                yield _signature(f"{name}.{method}", member)


def _signature(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}{name}({ast.unparse(node.args)}){answer}"


def _definition(tree: Tree, source: Source, name: str) -> tuple[Source, Definition] | None:
    """Where a name is defined, through imports within the module; None when that is elsewhere."""
    for node in source.tree.body:
        if isinstance(node, Definition) and name in _defined(node):
            return source, node
    file, _, inner = source.meanings.get(name, "").rpartition(".")
    path = f"{file.replace('.', '/')}.py"
    is_own = path.split("/")[:2] == source.path.split("/")[:2]
    return _definition(tree, tree.sources[path], inner) if is_own and path in tree.sources else None


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return [name]
    return []


def _name(line: str) -> str:
    """What a line is about."""
    return line.removeprefix("async ").removeprefix("class ").partition("(")[0].partition(":")[0]


def _still_fits(old: str, new: str) -> bool:
    """Whether whoever calls the one may call the other: more parameters, if they need not be given."""
    was, now = (_function(line) for line in (old, new))
    if was is None or now is None or _rest(was) != _rest(now):
        return False
    before, after = _parameters(was), _parameters(now)
    more = after[len(before) :]
    return after[: len(before)] == before and all("=" in each or each in "*/" for each in more)


def _function(line: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function that a line is about; None for a class and a field."""
    name, has_arguments, more = line.removeprefix("async ").partition("(")
    if not has_arguments or name.startswith("class "):
        return None
    (node,) = ast.parse(f"{'async ' if line.startswith('async ') else ''}def f({more}: ...").body
    return node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _rest(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[type, str]:
    return type(node), ast.unparse(node.returns) if node.returns else ""


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Each as it is written, with its default."""
    return _split(ast.unparse(node.args))


def _split(arguments: str) -> list[str]:
    """At commas outside of brackets."""
    found, depth = [""], 0
    for letter in arguments:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [each.strip() for each in found if each.strip()]
