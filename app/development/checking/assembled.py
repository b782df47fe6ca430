"""What the assembled application tells of its modules: the start's own refusals, and what it does not refuse.

The application is put together as its start does it, without a database; no other code of a module runs.
"""

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fastapi import FastAPI
from sqlalchemy import CheckConstraint, Enum, MetaData, UniqueConstraint

from app.container import Application
from app.development.assembling import assembled
from app.development.checking import endpoints
from app.development.checking.places import Wrong
from app.development.checking.sources import Finding
from app.development.checking.tree import Tree
from shared.errors import DomainError
from shared.events import Event
from shared.extensions import Extensions
from shared.http.routes import Route
from shared.manifest import Module, discover
from shared.reads import Derived, Document, Summary, columns_in, faults, marker_of
from shared.rows import Model, owner_of, owners
from shared.wire import Statement
from shared.writes import Repository


class Word(NamedTuple):
    """A word in the files of a module."""

    module: str
    word: str


T = TypeVar("T")

_WRITTEN = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")


def findings(tree: Tree, root: Path) -> Iterator[Finding]:
    """What the start refuses, which hides the rest; or what is wrong with an application that starts."""
    try:
        wrong = [*documents(discover())]  # The first of these stops the start.
        if not wrong:
            application, app = assembled()
            application.build()
            wrong = [each for look in LOOKS for each in look(application, app)]
    except Exception as error:  # noqa: BLE001 (whatever stops the start is what there is to tell)
        yield refusal(tree, root, error)
    else:
        for culprit, sentence in wrong:
            yield Finding(*_place(tree, root, culprit), sentence)


def refusal(tree: Tree, root: Path, error: Exception) -> Finding:
    """What stops the start, where in the modules it came about or what it names."""
    sentence = f"The application does not start: {' '.join(str(error).split()) or type(error).__name__}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(root / "modules"):
            return Finding(file.relative_to(root).as_posix(), frame.lineno or 1, sentence)
    for dotted in re.findall(r"\bmodules(?:\.\w+)+", sentence):
        within, _, name = dotted.rpartition(".")
        if (path := f"{within.replace('.', '/')}.py") in tree.files:
            return Finding(path, tree.line_in(path, rf"(?:def|class) {name}") or 1, sentence)
    if named := re.search(r"(?:Module|Folder) '(\w+)'", sentence):
        path = f"modules/{named[1]}/module.py"
        return Finding(path, tree.line_in(path, r"module = Module\(") or 1, sentence)
    return Finding("modules/__init__.py", 1, sentence)


def documents(modules: Sequence[Module]) -> Wrong:
    """The columns that documents show and must not."""
    ways = {
        "is secret.": "Leave it out.",
        "does not publish.": "Take it from the owner's Summary, or have its api publish it.",
        "do not have.": "Name a column that they have.",
    }
    for module in modules:
        for fault in faults(f"modules.{module.name}"):
            way = next((way for end, way in ways.items() if fault.endswith(end)), "")
            yield Word(module.name, fault.partition(" ")[0]), f"{fault} {way}".rstrip()


def contributions(application: Application, _: FastAPI) -> Wrong:
    """What a module adds to another's documents is its own or published, and no secret."""
    owner, published = owners(), {summary.rows for summary in _below(Summary)}
    derived = [
        (document, marker)
        for document in _below(Document)
        if hasattr(document, "rows")
        for field in document.model_fields.values()
        if isinstance(marker := marker_of(field), Derived)
    ]
    for module in application.modules:
        for point, contribution in module.extends.items():
            shown = {
                (rows.name, name, rows in published or owner.get(rows.name) == owner_of(document))
                for document, marker in derived
                for rows, name in columns_in(marker.compute(document.rows, Extensions([(point, contribution)])))
                if owner_of(document) != module.name and (rows.name, name) not in _plainly(document, marker)
            }
            for table, name, is_published in sorted(shown):
                column = Model.metadata.tables[table].c.get(name) if table in Model.metadata.tables else None
                told = f"What '{module.name}' adds to {point.name} shows {table}.{name}, which"
                if column is not None and "secret" in column.info:
                    yield Word(module.name, point.name.rpartition(".")[2]), f"{told} is secret. Leave it out."
                elif owner.get(table) not in {module.name, None} and not is_published:
                    way = "Take it from the owner's Summary."
                    yield (
                        Word(module.name, point.name.rpartition(".")[2]),
                        f"{told} '{owner[table]}' does not publish. {way}",
                    )


def constraints(application: Application, _: FastAPI) -> Wrong:
    """A rule that a client can break has an error, and an error's rule is there."""
    rules, owner = breakable_rules(Model.metadata), owners()
    for name, table in rules.items():
        if name not in DomainError.by_constraint:
            way = f'an error says `class …(Conflict, constraint="{name}")`, in errors.py.'
            yield Word(owner[table], name), f"Nothing tells a client of {name}: {way}"
    for name, error in DomainError.by_constraint.items():
        if name not in rules and owner_of(error) in _names(application):
            yield error, f"{error.__name__} is the error of {name}, which is no rule of a table: name one that is."


def undeclared(application: Application, _: FastAPI) -> Wrong:
    """What a module has and its manifest does not name: nobody would hear of it."""
    resources = {resource for module in application.modules for resource in module.resources}
    events = {event for module in application.modules for event in module.publishes}
    for kind in _below(Repository):
        if owner_of(kind) in _names(application) and hasattr(kind, "model") and kind not in resources:
            yield (
                kind,
                f"{kind.__name__} is not among its manifest's `resources`: add it, or the feed is silent of it.",
            )
    for event in _below(Event):
        if owner_of(event) in _names(application) and event not in events:
            yield event, f"{event.__name__} is not among what its manifest `publishes`: add it, or do without it."


def handlers(application: Application, _: FastAPI) -> Wrong:
    """A method that takes an event is called by nobody unless the manifest says for what."""
    for module in application.modules:
        later = getattr(module, "later", {})
        named = {*module.handles.values(), *later.values()}
        for method in (method for kind in module.makes().values() for method in vars(kind).values()):
            if inspect.isfunction(method) and method not in named:
                kinds = [kind for kind in method.__annotations__.values() if isinstance(kind, type)]
                if any(issubclass(kind, Event) for kind in kinds):
                    way = "name it in its manifest's `handles`."
                    yield method, f"{method.__qualname__} takes an event and handles none: {way}"


def errors(application: Application, app: FastAPI) -> Wrong:
    """An error that no operation documents reaches clients that do not know it, or nobody."""
    documented = app.openapi()["components"]["examples"].keys()
    never = {
        error.code for route in endpoints.module_routes(app) if isinstance(route, Route) for error in route.traits.never
    }
    for error in _below(DomainError):
        is_known = error.code in documented | never or error.__subclasses__()
        if owner_of(error) in _names(application) and not is_known:
            yield (
                error,
                (
                    f"No operation says that it answers {error.code}: give what calls its raiser a type, or a sentence "
                    f'"Raises {error.__name__}." in the docstring.'
                ),
            )


def statements(application: Application, _: FastAPI) -> Wrong:
    """The statements in the variables of a module's files change rows of its own, however they name the table."""
    owner = owners()
    for name, module in sorted(sys.modules.items()):
        of = name.split(".")[1] if name.startswith("modules.") else ""
        for word, statement in vars(module).items() if of in _names(application) and ".tests" not in name else ():
            for table in sorted({*_WRITTEN.findall(statement.text.decode())} if type(statement) is Statement else ()):
                if owner.get(table, of) != of:
                    way = "have its Api do that."
                    yield Word(of, word), f"{word} changes rows of {table}, a table of '{owner[table]}': {way}"


LOOKS: tuple[Callable[[Application, FastAPI], Wrong], ...] = (
    *(contributions, constraints, undeclared, handlers, errors, statements),
    *endpoints.LOOKS,
)


def breakable_rules(metadata: MetaData) -> dict[str, str]:
    """The rules that an input can break, with their tables: unique ones, and checks but for those of choices."""
    found: dict[str, str] = {}
    for table in metadata.tables.values():
        rules: list[Any] = [index for index in table.indexes if index.unique]
        rules += [rule for rule in table.constraints if isinstance(rule, UniqueConstraint | CheckConstraint)]
        choices = {f"ck_{table.name}_{column.type.name}" for column in table.columns if isinstance(column.type, Enum)}
        found |= {str(rule.name): table.name for rule in rules if str(rule.name) not in choices}
    return found


def _plainly(document: type[Document], marker: Derived) -> set[tuple[str, str]]:
    """What a derived field shows without contributions: its own module answers for that."""
    return {(rows.name, name) for rows, name in columns_in(marker.compute(document.rows, Extensions()))}


def _names(application: Application) -> set[str]:
    return {module.name for module in application.modules}


def _below(kind: type[T]) -> Iterator[type[T]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def _place(tree: Tree, root: Path, culprit: Any) -> tuple[str, int]:
    if isinstance(culprit, Word):
        return tree.line_of(f"modules/{culprit.module}", culprit.word)
    declared = culprit if isinstance(culprit, endpoints.Declared) else None
    culprit = inspect.unwrap(declared.endpoint if declared else culprit)  # A function of the kernel's binds endpoints.
    path = Path(inspect.getsourcefile(culprit) or "").relative_to(root).as_posix()
    line = inspect.getsourcelines(culprit)[1]
    return path, declared.line(tree, path, line) if declared else line
