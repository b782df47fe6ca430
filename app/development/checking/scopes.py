"""The scopes of a file, and what the names in them are bound to. Imports are none of this: `Source.meanings`."""

import ast
from collections.abc import Iterator
from typing import NamedTuple, Self

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Bound(NamedTuple):
    """What a name gets: an expression or a part of it, or what only its annotation tells."""

    value: ast.expr | None
    path: tuple[int | None, ...] = ()
    """From the expression to its part: an index for each tuple on the way, None for any of its members."""
    annotation: ast.expr | None = None


class Scope:
    """A module, a class or a function, and the names that are bound in it; `self.x` is one of the module's."""

    def __init__(self, outer: Self | None = None, *, is_class: bool = False) -> None:
        self.outer = outer
        self.is_class = is_class
        self.bound: dict[str, list[Bound]] = {}

    def find(self, name: str) -> list[Bound]:
        """What a name is bound to, here or around; nothing for a name of Python's."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound and (scope is self or not scope.is_class):
                return scope.bound[name]
            scope = scope.outer
        return []

    def add(self, name: str, bound: Bound) -> None:
        """Bind a name, once more."""
        self.bound.setdefault(name, []).append(bound)


class Scopes:
    """The scope of each node of a file."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope()
        self.grown: list[ast.BinOp] = []
        """For each `a += b` what `a` is then."""
        self._of: dict[int, Scope] = {}
        self._enter(tree, self.module)

    def find(self, name: ast.Name) -> list[Bound]:
        """What a name is bound to where it stands."""
        return self._of.get(id(name), self.module).find(name.id)

    def attribute(self, node: ast.Attribute) -> list[Bound]:
        """What `self.x` is bound to, by any method of the file, or by the class around."""
        scope: Scope | None = self._of.get(id(node), self.module)
        while scope is not None and not scope.is_class:
            scope = scope.outer
        own = self.module.bound.get(f"self.{node.attr}", [])
        return own or (scope.bound.get(node.attr, []) if scope is not None else [])

    def _enter(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            self._of[id(child)] = scope
            inner = scope
            if isinstance(child, Function | ast.ClassDef):
                if not isinstance(child, ast.Lambda):
                    scope.add(child.name, Bound(None))
                inner = Scope(scope, is_class=isinstance(child, ast.ClassDef))
            if isinstance(child, ast.arg):
                scope.add(child.arg, Bound(None, (), child.annotation))
            elif isinstance(child, ast.AugAssign):
                self._grow(child, scope)
            for target, bound in _bound(child):
                self._bind(scope, target, bound)
            self._enter(child, inner)

    def _bind(self, scope: Scope, target: ast.expr, bound: Bound) -> None:
        match target:
            case ast.Name(id=name):
                scope.add(name, bound)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                self.module.add(f"self.{name}", bound)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for n, part in enumerate(parts):
                    self._bind(scope, part, bound._replace(path=(*bound.path, n)))

    def _grow(self, node: ast.AugAssign, scope: Scope) -> None:
        before = scope.bound.get(node.target.id) if isinstance(node.target, ast.Name) else None
        if before and before[-1].value is not None and isinstance(node.op, ast.Add):
            self.grown.append(ast.copy_location(ast.BinOp(before[-1].value, node.op, node.value), node))
            before[-1] = Bound(self.grown[-1])


def _bound(node: ast.AST) -> Iterator[tuple[ast.expr, Bound]]:
    """What a node binds, as `a = b`, `for a in b` and `with b as a` do."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, Bound(value)) for target in targets)
        case ast.AnnAssign(target=target, value=value, annotation=annotation):
            yield target, Bound(value, (), None if value is not None else annotation)
        case ast.NamedExpr(target=target, value=value):
            yield target, Bound(value)
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield target, Bound(value)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield node.target, Bound(node.iter, (None,))
