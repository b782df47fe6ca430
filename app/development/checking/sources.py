"""The source of a file, parsed, and what it says. Nothing is executed: also a module that does not load is read."""

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

from app.development.checking.bindings import UNKNOWN, Bindings, composed

Text = tuple[ast.expr, str]
"""A string in the source, put together as far as the file tells, and what it says or may say."""


class Finding(NamedTuple):
    """What is wrong, where, and the way out."""

    path: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.sentence}"


class Source:
    """A file, parsed. Raises SyntaxError."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.lines = text.splitlines()
        self.tree = ast.parse(text, path)
        self.nodes = [*ast.walk(self.tree)]

    def finding(self, node: ast.AST, sentence: str) -> Finding:
        """What is wrong at a node."""
        return Finding(self.path, getattr(node, "lineno", 1), sentence)

    @cached_property
    def imports(self) -> list[tuple[ast.stmt, str, str]]:
        """Each import: the statement, the module, and the name that is taken from it, or nothing."""
        found: list[tuple[ast.stmt, str, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(node, alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found += [(node, self._absolute(node), alias.name) for alias in node.names]
        return found

    @cached_property
    def meanings(self) -> Mapping[str, str]:
        """What imported names stand for: `sleep` for `time.sleep`."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                names = {alias.asname: alias.name for alias in node.names if alias.asname}
                found |= names | {(top := alias.name.split(".")[0]): top for alias in node.names if not alias.asname}
            elif isinstance(node, ast.ImportFrom):
                found |= {alias.asname or alias.name: f"{self._absolute(node)}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def bindings(self) -> Bindings:
        """What its names stand for."""
        return Bindings(self.tree, self.meanings)

    def dotted(self, node: ast.AST) -> str:
        """What a name or an attribute stands for, as `time.sleep` or `self._users.list`; nothing for what is made."""
        return self.bindings.dotted(node)

    def values(self, node: ast.AST) -> list[str]:
        """The texts that an expression may be; UNKNOWN stands in them for what the file does not tell."""
        return sorted(self.bindings.values(node))

    def begun(self, node: ast.expr) -> str:
        """What is imported as the name at the beginning of `a.b.c`; nothing when that is no import's."""
        base, _ = _split(node)
        return self.meanings.get(base.id, "") if base is not None else ""

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Each call, with what is called, as far as its name tells."""
        yield from self._calls

    @cached_property
    def _calls(self) -> list[tuple[ast.Call, str]]:
        calls = (node for node in self.nodes if isinstance(node, ast.Call))
        return [(call, self.dotted(call.func) or getattr(call.func, "attr", "")) for call in calls]

    @cached_property
    def chains(self) -> list[tuple[ast.Attribute | ast.Name, str]]:
        """Each name and each whole `a.b.c` that is read, with what its imports say that it is; but for names that the
        file binds otherwise.
        """
        inner = {id(node.value) for node in self.nodes if isinstance(node, ast.Attribute)}
        found: list[tuple[ast.Attribute | ast.Name, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner and isinstance(node.ctx, ast.Load):
                base, rest = _split(node)
                if base is not None and not self.bindings.is_bound(base):
                    found.append((node, ".".join([self.meanings.get(base.id, base.id), *rest])))
        return found

    @cached_property
    def texts(self) -> list[Text]:
        """The strings, without docstrings; those that are put together, as a whole."""
        skipped = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        found: list[Text] = []
        for node in [*self.bindings.grown, *self.nodes]:
            if id(node) in skipped or not isinstance(node, ast.expr) or not _is_text(node):
                continue
            skipped |= {id(part) for part in _fragments(node)}
            found += [(node, text) for text in self.values(node) if text.strip(UNKNOWN)]
        return found

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.path.split("/")[: -node.level]
        return ".".join([*package, *filter(None, [node.module])])


def text_of(node: ast.AST) -> str | None:
    """What a string says that stands there as it is; None for what is none."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _split(node: ast.expr) -> tuple[ast.Name | None, list[str]]:
    """The name at the beginning of `a.b.c`, and what follows; None for what begins otherwise."""
    rest: list[str] = []
    while isinstance(node, ast.Attribute):
        rest.insert(0, node.attr)
        node = node.value
    return (node if isinstance(node, ast.Name) else None), rest


def _fragments(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a string that is put together of several."""
    for part in composed(node)[0]:
        yield part
        yield from _fragments(part)


def _is_text(node: ast.expr) -> bool:
    return any(text_of(part) is not None for part in (node, *_fragments(node)))


def last(dotted: str) -> str:
    """The last part of a dotted name."""
    return dotted.rpartition(".")[2]


@lru_cache(maxsize=2000)
def parsed(path: str, text: str) -> Source:
    """Each content is parsed once. Raises SyntaxError."""
    return Source(path, text)
