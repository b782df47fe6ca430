"""What a module must not keep in variables."""

import ast
from collections.abc import Iterator

from app.development.checking.places import Place, named
from app.development.checking.sources import Finding, last

_MUTATORS = frozenset(
    {"append", "add", "update", "setdefault", "pop", "clear", "extend", "insert", "remove", "discard"}
)
_MUTABLE = frozenset({"dict", "list", "set", "defaultdict", "Counter", "deque", "OrderedDict", "WeakValueDictionary"})


def keeps_state(place: Place) -> Iterator[Finding]:
    """What a module keeps in its variables, or in those of a class, each process has of its own, and every test leaves
    to the next.
    """
    advice = "keep it in a table, or in an object that the container makes once."
    changed = {name for node in place.source.nodes for name in _changed(node)}
    replaced = place.source.bindings.names.keys()  # By each object, with `self.x = `.
    for node in place.source.nodes:
        if isinstance(node, ast.Global):
            yield place.source.finding(node, f"{named(node.names)} changes while the application runs: {advice}")
        if isinstance(node, ast.Module | ast.ClassDef):
            owner = "self." if isinstance(node, ast.ClassDef) else ""
            for name, value in (each for statement in node.body for each in _kept(statement, is_class=bool(owner))):
                is_known = bool(owner) and f"self.{name}" in replaced
                if not is_known and _holds(place, value) and (owner + name in changed or _is_empty(place, value)):
                    yield place.source.finding(value, f"{name} changes while the application runs: {advice}")


def _kept(node: ast.stmt, *, is_class: bool) -> Iterator[tuple[str, ast.expr]]:
    """The variables that a statement makes; in a class, those that are no fields."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            pairs = [*zip(names, values, strict=False)]
        case ast.Assign(targets=names, value=value):
            pairs = [(name, value) for name in names]
        case ast.AnnAssign(target=name, value=ast.expr() as value, annotation=annotation):
            pairs = [] if is_class and "ClassVar" not in ast.dump(annotation) else [(name, value)]
    yield from ((name.id, value) for name, value in pairs if isinstance(name, ast.Name))


def _changed(node: ast.AST) -> Iterator[str]:
    """The names of what a node changes in place: `seen`, or `self.seen` for an attribute."""
    match node:
        case ast.Call(func=ast.Attribute(value=changed, attr=method)) if method in _MUTATORS:
            pass
        case ast.Subscript(value=changed, ctx=ast.Store() | ast.Del()):
            pass
        case _:
            return
    if isinstance(changed, ast.Name):
        yield changed.id
    elif isinstance(changed, ast.Attribute):
        yield f"self.{changed.attr}"


def _holds(place: Place, value: ast.expr) -> bool:
    is_display = isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)
    made = place.source.dotted(value.func) if isinstance(value, ast.Call) else ""
    return is_display or made.startswith("itertools.") or last(made) in _MUTABLE


def _is_empty(place: Place, value: ast.expr) -> bool:
    """Whether it is of no use as it is."""
    match value:
        case ast.Dict(keys=inside) | ast.List(elts=inside) | ast.Call(args=inside):
            made = place.source.dotted(getattr(value, "func", value))
            return not inside or last(made) == "defaultdict" or made.startswith("itertools.")
    return False


RULES = (keeps_state,)
"""Of files that are no tests."""
