"""Which mutants there are: what mutmut's operators and a few of ours make of the source, without what is no code."""

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libcst as cst
from libcst import matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[cst.CSTNode]]

_PASS = cst.SimpleStatementLine([cst.Pass()])
_TEXTS = "description|title|summary|examples?|json_schema_extra|openapi_extra|responses|detail"
_DESCRIPTION = m.Arg(keyword=m.Name(m.MatchRegex(_TEXTS)))
_DECLARED = m.Arg(keyword=m.Name(m.MatchRegex("eq|frozen|maxsize|slots")))
"""For speed, or for the type checker, which refuses what is assigned to a frozen attribute."""
_SENTENCE = re.compile(r"[a-z],? [a-z]+ [a-z]|[.][\"']$")
"""Three words after each other, or a full stop. In SQL, keywords are among the names."""
_LOG = m.Call(m.Attribute(m.Name("log") | m.Name("logging")))
_NO_CODE = m.OneOf(
    m.Annotation(),
    m.Import(),
    m.ImportFrom(),
    m.Assert(),  # It narrows types.
    m.SimpleStatementLine([m.Expr(m.SimpleString() | m.ConcatenatedString())]),  # A docstring.
    m.SimpleStatementLine([m.Expr(_LOG)]),
    m.SimpleStatementLine([m.Assign(value=m.OneOf(m.Call(m.Name("TypeVar")), _LOG))]),
    m.SimpleStatementLine([m.Assign([m.AssignTarget(m.Name("__all__"))])]),
    _DESCRIPTION,
    _DECLARED,
    m.SimpleStatementLine([m.Assign([m.AssignTarget(m.Name("cache_ok"))])]),
    m.DictElement(m.SimpleString(m.MatchRegex(f'"({_TEXTS})"'))),
    m.Decorator(m.Name() | m.Attribute()),
)
"""What is documentation, for the type checker, for whoever reads the log, or for speed alone."""
_ALIAS = m.SimpleStatementLine([m.Assign([m.AssignTarget(m.Name())], m.Subscript())])
"""At the top of a module: an alias of a type."""
_BARE = cst.Module([])


@dataclass(frozen=True)
class Mutant:
    """One change of one statement."""

    file: str
    function: str
    """Its qualified name; empty at the top of the module."""
    operator: str
    occurrence: int
    """Among the mutants of this operator of equal lines of this function."""
    line: str
    lines: range
    """Those of the statement, or of the head of a compound one."""
    scope: range
    """Those of the function or class around it, or of the module."""
    module: cst.Module
    original: cst.CSTNode
    mutated: cst.CSTNode

    @property
    def id(self) -> str:
        """Its name for good: it depends on no line's number, and on no other function."""
        identity = "\0".join((self.file, self.function, self.operator, str(self.occurrence), self.line))
        return hashlib.sha256(identity.encode()).hexdigest()[:10]

    def code(self) -> str:
        """The whole file with the change."""
        return cst.ensure_type(self.module.deep_replace(self.original, self.mutated), cst.Module).code

    def difference(self) -> str:
        """The lines that are others, marked with - and +."""
        compared = difflib.unified_diff(self.module.code.splitlines(), self.code().splitlines(), n=0, lineterm="")
        return "\n".join(list(compared)[3:])


def mutants(tree: Path, folder: str) -> Iterator[Mutant]:
    """All mutants of a folder of a tree, its tests excluded."""
    for path in sorted((tree / folder).rglob("*.py")):
        if "tests" not in path.parts[len(tree.parts) :]:
            wrapper = MetadataWrapper(cst.parse_module(path.read_text()), unsafe_skip_copy=True)
            finder = _Finder(str(path.relative_to(tree)), wrapper.module)
            wrapper.visit(finder)
            yield from finder.found


def _other_string(node: cst.BaseString) -> Iterator[cst.CSTNode]:
    """Without the changes of case, which SQL does not mind."""
    yield from list(mutators.operator_string(node))[:1]


def _other_argument(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Also without the changes of texts, and of what is declared for others."""
    kept = [arg for arg in node.args if m.matches(arg, _DESCRIPTION | _DECLARED) or _is_prose(arg.value)]
    for mutated in mutators.operator_arg_removal(node):
        if all(arg in mutated.args for arg in kept):
            yield mutated


def _without_statement(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    if m.matches(node, m.SimpleStatementLine([m.Expr(m.Call() | m.Await()) | m.Raise() | m.Del()])):
        yield _PASS


def _other_condition(node: cst.If | cst.While | cst.CompIf) -> Iterator[cst.CSTNode]:
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def _nothing_returned(node: cst.Return) -> Iterator[cst.CSTNode]:
    if node.value and not m.matches(node.value, m.Name("None")):
        yield node.with_changes(value=cst.Name("None"))


def _not_caught(node: cst.ExceptHandler) -> Iterator[cst.CSTNode]:
    yield node.with_changes(body=cst.IndentedBlock([cst.SimpleStatementLine([cst.Raise()])]))


_REPLACED = {mutators.operator_string, mutators.operator_arg_removal}
OPERATORS: Sequence[tuple[type | tuple[type, ...], Operator]] = [
    *((kind, operator) for kind, operator in mutators.mutation_operators if operator not in _REPLACED),
    (cst.BaseString, _other_string),
    (cst.Call, _other_argument),
    (cst.SimpleStatementLine, _without_statement),
    ((cst.If, cst.While, cst.CompIf), _other_condition),
    (cst.Return, _nothing_returned),
    (cst.ExceptHandler, _not_caught),
]


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, file: str, module: cst.Module) -> None:
        super().__init__()
        self.found: list[Mutant] = []
        self._file, self._module = file, module
        self._text = module.code.splitlines()
        self._names: list[str] = []
        self._scopes = [range(1, len(self._text) + 1)]
        self._statements: list[range] = []
        self._count: Counter[tuple[str, ...]] = Counter()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _is_statement(node):
            self._statements.append(self._head(node))
        if m.matches(node, _NO_CODE) or _is_prose(node) or (not self._names and m.matches(node, _ALIAS)):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._names.append(node.name.value)
            self._scopes.append(self._lines(node))
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                for mutated in operator(node):
                    self._add(operator.__name__.removeprefix("operator_").strip("_"), node, mutated)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if _is_statement(original_node):
            self._statements.pop()
        if isinstance(original_node, cst.FunctionDef | cst.ClassDef):
            self._names.pop()
            self._scopes.pop()

    def _add(self, operator: str, node: cst.CSTNode, mutated: cst.CSTNode) -> None:
        line = self._text[self._place(node).start.line - 1].strip()
        function = ".".join(self._names)
        self._count[operator, function, line] += 1
        number = self._count[operator, function, line]
        place = self._statements[-1], self._scopes[-1]
        self.found.append(Mutant(self._file, function, operator, number, line, *place, self._module, node, mutated))

    def _head(self, node: cst.CSTNode) -> range:
        """A compound statement's lines up to its body."""
        lines = self._lines(node)
        body = getattr(node, "body", None)
        return range(lines.start, self._lines(body).start) if isinstance(body, cst.IndentedBlock) else lines

    def _lines(self, node: cst.CSTNode) -> range:
        place = self._place(node)
        return range(place.start.line, place.end.line + 1)

    def _place(self, node: cst.CSTNode) -> CodeRange:
        return self.get_metadata(PositionProvider, node)


def _is_prose(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.BaseString) and bool(_SENTENCE.search(_BARE.code_for_node(node)))


def _is_statement(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.BaseStatement | cst.ExceptHandler | cst.MatchCase)
