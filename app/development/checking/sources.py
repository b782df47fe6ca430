"""The source of a tree: the files of its modules and their migrations, parsed, and what they say of themselves.

Nothing is executed: also a module that does not load is read.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Self

from app.migrations import Revision, ancestors, variables

KERNEL = "kernel"
"""Who owns the tables that are no module's; also the folder of their migrations."""
VERSIONS = "migrations/versions/"
FOLDERS = ("app", "modules", "shared", VERSIONS)

Text = tuple[ast.expr, str]
"""A string in the source and what it says; `{}` stands for each part of an f-string that is computed."""


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

    def dotted(self, node: ast.AST) -> str:
        """What a name or an attribute stands for, as `time.sleep` or `self._users.list`; nothing for what is made."""
        if isinstance(node, ast.Name):
            return self.meanings.get(node.id, node.id)
        if isinstance(node, ast.Attribute) and (base := self.dotted(node.value)):
            return f"{base}.{node.attr}"
        return ""

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Each call, with what is called, as far as its name tells."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                called = node.func
                yield node, self.dotted(called) or (called.attr if isinstance(called, ast.Attribute) else "")

    @cached_property
    def texts(self) -> list[Text]:
        """The strings, without docstrings."""
        said = {id(node.value) for node in self.nodes if isinstance(node, ast.Expr)}
        said |= {id(part) for node in self.nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        written = (node for node in self.nodes if isinstance(node, ast.expr) and id(node) not in said)
        return [(node, text) for node in written if (text := text_of(node)) is not None]

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.path.split("/")[: -node.level]
        return ".".join([*package, *filter(None, [node.module])])


def text_of(node: ast.AST) -> str | None:
    """What a string says; None for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "{}" for part in node.values)
    return None


def last(dotted: str) -> str:
    """The last part of a dotted name."""
    return dotted.rpartition(".")[2]


@lru_cache(maxsize=2000)
def parsed(path: str, text: str) -> Source:
    """Each content is parsed once. Raises SyntaxError."""
    return Source(path, text)


class Tree:
    """The files of a tree, by their paths in it."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = files
        self.sources: dict[str, Source] = {}
        self.unreadable: list[Finding] = []
        for path, text in sorted(files.items()):
            try:
                self.sources[path] = parsed(path, text)
            except SyntaxError as error:
                self.unreadable.append(Finding(path, error.lineno or 1, f"Python does not read it: {error.msg}."))

    @classmethod
    def at(cls, root: Path) -> Self:
        """The tree in a folder."""
        paths = (path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
        return cls({path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in paths})

    def with_files(self, files: Mapping[str, str]) -> Self:
        """The same tree with other contents of some files, or with new ones."""
        return type(self)({**self.files, **files})

    @cached_property
    def modules(self) -> list[str]:
        """The names of the modules."""
        return sorted(
            {path.split("/")[1] for path in self.files if path.startswith("modules/") and path.count("/") > 1}
        )

    @cached_property
    def branches(self) -> list[str]:
        """The names of the branches of migrations: the kernel's, and also those of modules that are gone."""
        return sorted({path.split("/")[2] for path in self.files if path.startswith(VERSIONS) and path.count("/") > 2})

    @cached_property
    def requires(self) -> Mapping[str, tuple[str, ...]]:
        """The modules that each module's manifest requires."""
        return {name: self._required(f"modules/{name}/module.py") for name in self.modules}

    def of_module(self, name: str) -> list[Source]:
        """The files of a module, its tests included, without its migrations."""
        return [source for path, source in self.sources.items() if path.startswith(f"modules/{name}/")]

    def migrations(self, name: str) -> list[Source]:
        """The migrations of a branch."""
        return [source for path, source in self.sources.items() if path.startswith(f"{VERSIONS}{name}/")]

    def depended_on(self, migration: Source) -> frozenset[str]:
        """The branches of which a migration, or what it comes after, depends on some."""
        branches = {revision.id: revision.module for revision in self._revisions}
        ids = [revision.id for revision in self._revisions if str(revision.path) == migration.path]
        return frozenset(branches[id] for id in ancestors(ids, self._revisions))

    @cached_property
    def _revisions(self) -> list[Revision]:
        """The migrations of all branches."""
        found = (source for name in self.branches for source in self.migrations(name))
        texts = [(source.path, self.files[source.path]) for source in found]
        return [Revision(Path(path), text) for path, text in texts if "revision" in variables(text)]

    @cached_property
    def models(self) -> Mapping[str, tuple[str, ast.ClassDef]]:
        """By the name of each class that is a table: who owns it, and the class."""
        found: dict[str, tuple[str, ast.ClassDef]] = {}
        for source in self.sources.values():
            owner = owner_of(source.path)
            for node in source.nodes:
                if isinstance(node, ast.ClassDef) and owner and any(word.arg == "table" for word in node.keywords):
                    found[node.name] = (owner, node)
        return found

    @cached_property
    def tables(self) -> Mapping[str, str]:
        """Who owns each table: of those of the models, and those that migrations make."""
        found: dict[str, str] = {}
        for path, source in self.sources.items():
            if path.startswith(VERSIONS):
                made = (call.args[0] for call, name in source.calls() if name.endswith("op.create_table") and call.args)
                found |= {text: path.split("/")[2] for node in made if (text := text_of(node))}
        return found | {_table_name(node): owner for owner, node in self.models.values()}

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        """Who owns each column that is marked SECRET, by its name."""
        return {
            field.target.id: owner
            for owner, node in self.models.values()
            for field in node.body
            if isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and field.value is not None
            and any(isinstance(part, ast.Name) and part.id == "SECRET" for part in ast.walk(field.value))
        }

    def attributes(self, module: str) -> frozenset[str]:
        """The columns of a module's tables."""
        own = (node for owner, node in self.models.values() if owner == module)
        fields = (field.target for node in own for field in node.body if isinstance(field, ast.AnnAssign))
        return frozenset(target.id for target in fields if isinstance(target, ast.Name))

    def is_module(self, dotted: str) -> bool:
        """Whether this is the name of a file or a package, and not of something in one."""
        path = dotted.replace(".", "/")
        return f"{path}.py" in self.files or path in self._folders

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(str(folder) for path in self.files for folder in PurePosixPath(path).parents)

    def line_of(self, folder: str, text: str) -> tuple[str, int]:
        """Where a word first stands in the files of a folder; its first line, when that is nowhere."""
        paths = [path for path in self.files if path.startswith(f"{folder}/") and "/tests/" not in path]
        found = ((path, line) for path in paths if (line := self.line_in(path, rf"(?<!\w){re.escape(text)}(?!\w)")))
        return next(found, (f"{folder}/module.py", 1))

    def line_in(self, path: str, pattern: str) -> int | None:
        """The first line of a file that has this."""
        lines = self.files.get(path, "").splitlines()
        return next((number for number, line in enumerate(lines, 1) if re.search(pattern, line)), None)

    def _required(self, path: str) -> tuple[str, ...]:
        for call, name in self.sources[path].calls() if path in self.sources else ():
            if name == "shared.manifest.Module":
                for word in call.keywords:
                    if word.arg == "requires" and isinstance(word.value, ast.Tuple | ast.List):
                        return tuple(text for node in word.value.elts if (text := text_of(node)))
        return ()


def owner_of(path: str) -> str | None:
    """Whose tables a file defines; None for a file that defines none that are served."""
    folder, _, rest = path.partition("/")
    if "/tests/" in path or folder not in {"modules", "shared"}:
        return None
    return KERNEL if folder == "shared" else rest.partition("/")[0]


def _table_name(node: ast.ClassDef) -> str:
    for field in node.body:
        match field:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(name))):
                return name
    return node.name.lower()
