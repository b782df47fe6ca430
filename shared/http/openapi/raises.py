"""What a function raises, itself or through what it calls: read from its source, so that nobody keeps a list.

Errors are found in `raise` statements, in sentences of docstrings that begin with "Raises", and where an answer is made
of one by `problem(…)`. In a repository's docstrings `absent` and `rules` stand for what its resource names so. Calls
are followed where types say what is called: parameters, attributes, local names with a type. They end at a
function of the kernel whose docstring says what it raises. What this cannot see, such as the error of a constraint, is
said in the docstring of the caller; the suite fails on an answer that is not described.
"""

import ast
import inspect
import re
import textwrap
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import FunctionType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from fastapi.exceptions import RequestValidationError

from shared.errors import DomainError, InvalidInput
from shared.events import Event, Events

Errors = frozenset[type[DomainError]]

_ROOMS = ("shared.", "modules.")
_BELOW = ("shared.wire.", "shared.rows.")
"""What every statement may raise is not asked of each."""
_SENTENCE = re.compile(r"\bRaises\b(.*?)(?:\.(?:\s|$)|$)")
_NAME = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)*\b|`[a-z_]+`")


Handlers = Mapping[type[Event], Sequence[tuple[Callable[..., Any], type]]]
"""For each event the methods that handle it, with their classes."""


class Raises:
    """Finds the errors of functions in an application."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._found: dict[tuple[Any, Any], Errors] = {}

    def errors_of(self, function: Callable[..., Any], owner: Any = None) -> Errors:
        """The errors of a function; `owner` is the class whose method it is."""
        if (function, owner) not in self._found:
            self._found[function, owner] = frozenset(self._search(function, owner, set()))
        return self._found[function, owner]

    def _search(self, function: Any, owner: Any, seen: set[tuple[Any, Any]]) -> Iterator[type[DomainError]]:
        """Follows calls, each function once."""
        function = inspect.unwrap(getattr(function, "__func__", function))
        if not _is_ours(function) or (function, owner) in seen:
            return
        seen.add((function, owner))
        try:
            source = _Source(function, owner)
        except (OSError, SyntaxError, TypeError, NameError):
            return  # A lambda, say, or types that are there for the type checker alone.
        declared = [*source.declared()]
        yield from declared
        if declared and function.__module__.startswith("shared."):
            return
        for error in source.parsed.raises:
            yield from source.raised(error)
        for call in source.parsed.calls:
            yield from self._within(call, source, seen)

    def _within(self, call: ast.Call, source: "_Source", seen: set[tuple[Any, Any]]) -> Iterator[type[DomainError]]:
        called, owner = source.called(call.func)
        if getattr(called, "__name__", "") == "problem":
            for error in call.args[1:2]:
                yield from source.raised(error)
        elif owner is Events:
            for event in call.args:
                for handler in self._handlers.get(source.event(event), ()):
                    yield from self._search(*handler, seen)
        elif called is not None:
            yield from self._search(called, owner, seen)


class _Parsed(NamedTuple):
    """What matters of the source of a function, whosever method it is."""

    raises: Sequence[ast.expr]
    calls: Sequence[ast.Call]
    assignments: Sequence[ast.Assign | ast.AnnAssign]


@cache
def _parsed(function: FunctionType) -> _Parsed:
    nodes = [*ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))]
    return _Parsed(
        [node.exc for node in nodes if isinstance(node, ast.Raise) and node.exc is not None],
        [node for node in nodes if isinstance(node, ast.Call)],
        [node for node in nodes if isinstance(node, ast.Assign | ast.AnnAssign)],
    )


class _Source:
    """The source of a function, and what its names mean."""

    def __init__(self, function: Any, owner: type | None) -> None:
        self._owner = owner
        self._doc = inspect.getdoc(function) or ""
        self.parsed = _parsed(function)
        closure = inspect.getclosurevars(function).nonlocals
        self._values: Mapping[str, Any] = ChainMap(dict(closure), function.__globals__)
        self._types = {name: type(value) for name, value in closure.items()} | _hints(function)
        if owner is not None:
            self._types["self"] = self._types["cls"] = owner
        for node in self.parsed.assignments:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self._types[node.target.id] = self._evaluated(node.annotation)

    def declared(self) -> Iterator[type[DomainError]]:
        """The errors that the docstring names."""
        for sentence in _SENTENCE.findall(" ".join(self._doc.split())):
            for name in _NAME.findall(sentence):
                yield from _as_error(_member(self._owner, name.strip("`")) if "`" in name else _named(name))

    def raised(self, error: ast.expr) -> Iterator[type[DomainError]]:
        """The error in `raise Error`, `raise Error(…)` or `raise self.absent`."""
        error = error.func if isinstance(error, ast.Call) else error
        if isinstance(error, ast.Name):
            yield from _as_error(self._values.get(error.id))
        elif isinstance(error, ast.Attribute):
            yield from _as_error(getattr(self._type(error.value), error.attr, None))

    def event(self, published: ast.expr) -> Any:
        """The class of the event in `publish(change, Event(…))`."""
        return self._type(published.func) if isinstance(published, ast.Call) else self._type(published)

    def called(self, function: ast.expr) -> tuple[Any, type | None]:
        """The function that is called, and the class whose method it is."""
        if isinstance(function, ast.Name):
            found: Any = self._values.get(function.id)
            return (found, None) if isinstance(inspect.unwrap(found), FunctionType) else (None, None)
        if isinstance(function, ast.Attribute) and (owner := self._type(function.value)) is not None:
            found = getattr(owner, function.attr, None)
            return (getattr(found, "__func__", found), owner) if inspect.isroutine(found) else (None, None)
        return None, None

    def _type(self, expression: ast.expr) -> Any:
        """The class of the expression's value, where that is known."""
        if isinstance(expression, ast.Name):
            value = self._values.get(expression.id)
            return self._types.get(expression.id, value if isinstance(value, type) else None)
        if isinstance(expression, ast.Attribute) and (owner := self._type(expression.value)) is not None:
            return attributes(owner).get(expression.attr)
        return None

    def assigned(self, node: ast.Assign | ast.AnnAssign) -> Any:
        """The class of the value that is assigned."""
        if isinstance(node, ast.AnnAssign):
            return self._evaluated(node.annotation)
        value = node.value.func if isinstance(node.value, ast.Call) else node.value
        return self._type(value) if isinstance(value, ast.Name) else None

    def _evaluated(self, annotation: ast.expr) -> Any:
        return _class(eval(ast.unparse(annotation), dict(self._values)))  # noqa: S307 (our own source)


@cache
def attributes(owner: type) -> Mapping[str, Any]:
    """The classes of the attributes, as the constructors and the class say."""
    found: dict[str, Any] = {}
    for kind in reversed(owner.__mro__):
        if not kind.__module__.startswith(_ROOMS):
            continue
        found |= {name: _class(hint) for name, hint in get_type_hints(kind).items()}
        constructor = vars(kind).get("__init__")
        if not isinstance(constructor, FunctionType) or constructor.__code__.co_filename.startswith("<"):
            continue  # A dataclass has none in its source.
        source = _Source(constructor, kind)
        for node in source.parsed.assignments:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Attribute):
                found[target.attr] = source.assigned(node)
    return found


def _is_ours(function: Any) -> bool:
    module = getattr(function, "__module__", None) or ""
    return isinstance(function, FunctionType) and module.startswith(_ROOMS) and not module.startswith(_BELOW)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return {name: _class(hint) for name, hint in get_type_hints(function).items()}


def _class(hint: Any) -> Any:
    """The class in `Class`, `Class | None`, `Class[…]` or `type[Class]`."""
    if get_origin(hint) in {type, UnionType, Union}:
        return _class(get_args(hint)[0])
    found = get_origin(hint) or hint
    return found if isinstance(found, type) else None


def _member(owner: Any, name: str) -> object:
    """What a resource names so: an error, or the errors that a method of the class gives."""
    found = getattr(owner, name, None)
    return found() if inspect.ismethod(found) and found.__self__ is owner else found


def _as_error(found: object) -> Iterator[type[DomainError]]:
    if isinstance(found, frozenset | tuple):
        for error in found:
            yield from _as_error(error)
    if isinstance(found, type) and issubclass(found, RequestValidationError):
        yield InvalidInput
    elif isinstance(found, type) and issubclass(found, DomainError):
        yield found


def _named(name: str) -> type[Exception] | None:
    """The error of this name: no two have one code."""
    found = DomainError.catalogue.get(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return RequestValidationError if name == RequestValidationError.__name__ else found
