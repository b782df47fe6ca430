"""The source of a tree: the files of its modules and their migrations, and whose tables and columns they name."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Self

from app.development.checking.sources import Finding, Source, parsed, text_of
from app.migrations import Revision, ancestors, variables

KERNEL = "kernel"
"""Who owns the tables that are no module's; also the folder of their migrations."""
VERSIONS = "migrations/versions/"
FOLDERS = ("app", "modules", "shared", VERSIONS)


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

    def offered(self, module: str) -> frozenset[str]:
        """What `__all__` of a file names; without one, what it binds."""
        path = module.replace(".", "/")
        source = self.sources.get(f"{path}.py") or self.sources.get(f"{path}/__init__.py")
        bound = source.bindings.names if source else {}
        parts = (part for node in bound.get("__all__", []) for part in getattr(node, "elts", ()))
        return frozenset(text for part in parts if (text := text_of(part))) or frozenset(bound)

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
                found |= dict.fromkeys(_tables_made(source), path.split("/")[2])
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


def _tables_made(migration: Source) -> Iterator[str]:
    """The tables that a migration makes, by Alembic or by SQL; of the kernel's also those that only its way down names:
    scripts of another's make them.
    """
    made = r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)"
    if migration.path.startswith(f"{VERSIONS}{KERNEL}/"):
        made += r"|\bDROP TABLE (\w+(?:, \w+)*)"
    for call, name in migration.calls():
        if name.endswith("op.create_table") and call.args:
            yield from migration.values(call.args[0])
    for _, text in migration.texts:
        for names in re.finditer(made, text):
            yield from re.findall(r"\w+", " ".join(filter(None, names.groups())))


def _table_name(node: ast.ClassDef) -> str:
    for field in node.body:
        match field:
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(name))):
                return name
    return node.name.lower()
