"""What the names of a file stand for, and what its texts say, as far as the file tells: nothing is executed."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product

from app.development.checking.scopes import Bound, Scopes

UNKNOWN = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands in a text for what only a running application knows."""
_DEPTH = 12
"""How many steps from a name to what it stands for are followed."""
_MANY = 64
"""How many texts one expression may be."""
_SAME = frozenset({"cleandoc", "dedent", "lower", "lstrip", "rstrip", "str", "strip", "upper"})
"""Functions that leave a text what it says."""


class Bindings:
    """The names of a file."""

    def __init__(self, tree: ast.Module, imported: Mapping[str, str]) -> None:
        self._imported = imported
        self._scopes = Scopes(tree)
        self.grown = self._scopes.grown

    @property
    def names(self) -> dict[str, list[ast.expr]]:
        """What the file itself binds, and to what, as far as that is an expression."""
        bound = self._scopes.module.bound
        return {name: [each.value for each in found if each.value] for name, found in bound.items()}

    def is_bound(self, node: ast.Name) -> bool:
        """Whether the file gives a meaning to a name, by other ways than an import."""
        return node.id not in self._imported and bool(self._scopes.find(node))

    def dotted(self, node: ast.AST, depth: int = _DEPTH) -> str:
        """What a name or an attribute stands for, as `time.sleep` or `self._users.list`; nothing for what is made."""
        if isinstance(node, ast.Name):
            alias = self._only(node) if depth else None
            meant = self.dotted(alias, depth - 1) if alias is not None else ""
            return meant or self._imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (base := self.dotted(node.value, depth)):
            return f"{base}.{node.attr}"
        return ""

    def origin(self, node: ast.AST, depth: int = _DEPTH) -> str:
        """Where a value comes from, past calls: `change.unit.orm` for the session of `async with change.unit.orm()`. Of
        a parameter, its type.
        """
        source = self._source(node) if depth else None
        if source is not None and (found := self.origin(source, depth - 1)):
            return found
        if isinstance(node, ast.Attribute):
            base = self.origin(node.value, depth - 1) if depth else ""
            return f"{base}.{node.attr}" if base else ""
        return self._imported.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def values(self, node: ast.AST | None, depth: int = _DEPTH) -> frozenset[str]:
        """The texts that an expression may be, with UNKNOWN for what is not known of them."""
        if isinstance(node, ast.Constant):
            return frozenset({str(node.value)})
        if node is None or not depth:
            return frozenset({UNKNOWN})
        parts, join = composed(node)
        if parts:
            each = [sorted(self.values(part, depth - 1)) for part in parts]
            return frozenset(join(chosen) for chosen in islice(product(*each), _MANY))
        found = [text for choice in self._choices(node, depth) for text in self.values(choice, depth - 1)]
        return frozenset(found or {UNKNOWN})

    def _choices(self, node: ast.AST, depth: int) -> Iterator[ast.expr | None]:
        """What an expression is that says nothing itself: one of these. None: or something else."""
        match node:
            case ast.Name(id=name) if name not in self._imported:
                yield from self._given(self._scopes.find(node), depth)
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                yield from self._given(self._scopes.attribute(node), depth)
            case ast.FormattedValue(value=value) | ast.NamedExpr(value=value):
                yield value
            case ast.IfExp(body=one, orelse=other):
                yield from (one, other)
            case ast.Call(args=[value]) if self.dotted(node.func).rpartition(".")[2] in _SAME:
                yield value
            case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in _SAME:
                yield value

    def _given(self, bound: list[Bound], depth: int) -> Iterator[ast.expr | None]:
        for each in bound:
            found = self._at(each, depth)
            yield from found or (None,)

    def _source(self, node: ast.AST) -> ast.expr | None:
        """What an expression comes from, by one step."""
        match node:
            case ast.Name():
                bound = self._scopes.find(node)
                return bound[0].annotation or self._only(node) if len(bound) == 1 else None
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                own = self._scopes.attribute(node)
                return own[0].value if len(own) == 1 else None
            case ast.Call(func=ast.Name(id="alias" | "aliased" | "cast" | "type"), args=[*_, value]):
                return value
            case ast.Call(func=value) | ast.Await(value=value):
                return value
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[value, *_])):
                return value
        return None

    def _only(self, node: ast.Name) -> ast.expr | None:
        """What a name that is bound once is bound to."""
        bound = self._scopes.find(node) if node.id not in self._imported else []
        found = self._at(bound[0], _DEPTH) if len(bound) == 1 and None not in bound[0].path else []
        return found[0] if found else None

    def _at(self, bound: Bound, depth: int) -> list[ast.expr]:
        """The expressions that a name may get."""
        found = [bound.value] if bound.value is not None else []
        for step in bound.path:
            parts = [[*self._parts(node, depth)] for node in found]
            found = [node for each in parts for node in (each if step is None else each[step : step + 1])]
        return found

    def _parts(self, node: ast.expr, depth: int) -> Iterator[ast.expr]:
        """The members of a tuple, a list, a set or a dictionary."""
        match node:
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                yield from parts
            case ast.Dict(keys=keys):
                yield from (key for key in keys if key is not None)
            case ast.Call(func=ast.Attribute(value=ast.Dict(keys=keys, values=values), attr="items")):
                pairs = zip(keys, values, strict=True)
                yield from (ast.Tuple([key, value], ast.Load()) for key, value in pairs if key is not None)
            case ast.Name() if depth:
                found = (each for bound in self._scopes.find(node) for each in self._at(bound, depth - 1))
                yield from (part for each in found for part in self._parts(each, depth - 1))


def composed(node: ast.AST) -> tuple[list[ast.expr], Callable[[Sequence[str]], str]]:
    """The parts of which a text is put together, and how. No parts: it is not."""
    match node:
        case ast.JoinedStr(values=parts):
            return parts, "".join
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [left, right], "".join
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return [left, *(right.elts if isinstance(right, ast.Tuple) else [right])], _percent
        case ast.Call(func=ast.Attribute(value=form, attr="format"), args=given, keywords=words):
            return [form, *given, *(word.value for word in words)], _formatted
    return [], "".join


def _percent(parts: Sequence[str]) -> str:
    return _filled(r"%(?:\(\w+\))?[srd]", parts)


def _formatted(parts: Sequence[str]) -> str:
    return _filled(r"\{\w*\}", parts)


def _filled(place: str, parts: Sequence[str]) -> str:
    form, *given = parts
    return re.sub(place, lambda _: given.pop(0) if given else UNKNOWN, form)
